"""What answers are measured by, with intervals.

Read `text_score` (one answer), `task_metrics` (a task), then `uncertainty`
and `student_t`.
"""
