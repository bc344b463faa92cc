"""Checkpoints: one manager of a run's folder, and two formats of arrays.

Read `checkpointer`, then `model_checkpointer`; `run_checkpoints` stores arrays
of one's own, `sharded_checkpoint` is a callback of `fit` under JAX.
"""
