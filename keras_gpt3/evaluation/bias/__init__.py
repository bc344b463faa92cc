"""Section 6.2: gender, race and religion.

Read `occupation_bias` and `race_and_religion`, the two probes, with their
prompts in `bias_data`; then `bias_report`, which runs and writes both.
"""
