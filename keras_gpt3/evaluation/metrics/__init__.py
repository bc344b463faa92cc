"""What answers are measured by, with intervals.

Read `text_score` and `drop_score` (one answer), `bleu`, `task_metrics` (a
task), then `uncertainty` and `student_t`.
"""
