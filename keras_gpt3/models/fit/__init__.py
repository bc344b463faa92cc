"""`compile`, `fit` and `evaluate`, with their checks.

Read `trainable_causal_lm` first.
"""
