"""Section 4: examples that a corpus contains, and what they change.

Read `contamination`, `contamination_scores`, then `contamination_report`.
"""
