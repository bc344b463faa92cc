"""Checkpoints of other formats: their configs, names and files.

Knows no model: a backbone is a dict of its constructor's arguments here, and a
weight a path and an array. Read `checkpoint_family` with its `config_key` and
`name_match`, the tables of `checkpoint_families`, then `weight_files`.
"""
