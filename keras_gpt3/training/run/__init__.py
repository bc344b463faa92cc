"""A pretraining run: its loop, data, log, plots, health and preemption.

Read `pretrain`, then `pretraining_run`.
"""
