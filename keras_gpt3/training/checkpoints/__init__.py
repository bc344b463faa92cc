"""Checkpoints of runs, on TensorFlow and, sharded, on JAX."""
