"""A pretraining run: its loop, data, log, plots, health and preemption.

Read `pretrain`, which makes all parts, and `pretraining_run`, the loop; then
`data`, `state` (what a checkpoint holds beside weights: exact resume) and
`preemption`; and the outputs: `report`, `sinks` and `log`, which draws curves.
"""
