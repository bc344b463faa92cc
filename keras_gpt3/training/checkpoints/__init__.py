"""Checkpoints: one manager of a run's folder, and two formats of arrays.

Read `checkpointer` with `checkpoint_folders` and `manifest`, the formats
`tensorflow_format` and `orbax_format`, then what saves: `model_checkpointer` (a
run), `run_checkpoints` (your arrays), `sharded_checkpoint` (a callback).
"""
