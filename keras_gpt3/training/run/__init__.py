"""A pretraining run: its loop, data, log, plots, health and preemption.

Read `pretrain`, which makes all parts, and `pretraining_run`, the loop; then
what differs by backend, `devices` and the steps of `tensorflow_loop` and
`jax_loop`; `data`, `state` (what a checkpoint holds beside weights: exact
resume) and `preemption`; and the outputs: `report`, `sinks` and `log`, which
draws curves.
"""
