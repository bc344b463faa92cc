"""A pretraining run: its loop, log, plots, health and requests to stop.

Read `pretrain`, then `pretraining_run`.
"""
