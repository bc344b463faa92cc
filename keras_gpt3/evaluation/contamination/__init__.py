"""Section 4: examples that a corpus contains, and what they change.

Read `contamination`, `contamination_scores`, `table_c1` (what the paper has),
then `contamination_report`.
"""
