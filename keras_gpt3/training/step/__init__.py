"""The training step: loss, gradients, clipping, update.

Read `compiled_step`, `train_step`, `mean_loss`, then `replica_gradients` with
`micro_batches`, and `apply_gradients`; `monitored_step` is what a pretraining
run makes of it, `deviceless_compilation` what XLA does for devices that are not
there. `metrics` is what a progress bar shows. TensorFlow, but for what
`training.jax` shares.
"""
