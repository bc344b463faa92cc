"""The stage `read`: crawls, JSON lines, Parquet and text to documents.

Read `read_stage`, then `read_file`.
"""
