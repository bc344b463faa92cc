"""The training step under JAX, replicated or sharded."""
