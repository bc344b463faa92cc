"""Tasks: their files, records, templates and examples.

Read `task`, then `task_file` and `task_data`.
"""
