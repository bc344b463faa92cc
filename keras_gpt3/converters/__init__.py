"""Checkpoints of other formats: their configs, names and files.

Knows no model: a backbone is a dict of its constructor's arguments here, and a
weight a path and an array. Read `checkpoint_family`, what a family is, and
`checkpoint_families`, the three; then `name_match` and `weight_files` (reading)
and `checkpoint_writer`; `tokenizer_files` and `tokenizer_json`; `hub_snapshot`
(downloads).
"""
