"""The training step: loss, gradients, clipping, update.

Read `compiled_step`, `train_step`, then `replica_gradients` and
`apply_gradients`; `step_program` is what XLA makes of it, `monitored_step` what
a pretraining run makes of it. TensorFlow, but for what `training.jax` shares.
"""
