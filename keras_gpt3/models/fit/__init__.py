"""`compile`, `fit` and `evaluate`, with their checks.

Read `trainable_causal_lm` with `compile_check` and `batch_check`; then
`training_texts` (documents) and `jax_state` (JAX).
"""
