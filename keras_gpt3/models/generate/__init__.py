"""`generate`, `stream` and `prefix`.

Read `generating_causal_lm`, then `generate_function`.
"""
