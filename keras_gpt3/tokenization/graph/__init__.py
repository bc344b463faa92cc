"""Byte-pair encoding in operations of a TensorFlow graph, for exported models.

Read `byte_pair_encoding`, then its steps: `word_splitting`, `pair_merging` and
the `tables` they look up.
"""
