"""The training step under TensorFlow: loss, gradients, clipping, update.

Read `train_step`, then `replica_gradients` and `apply_gradients`.
"""
