"""Byte-pair encoding: text to token ids and back.

Read `byte_pair_encoding`, which runs eagerly, with `vocabulary`; then the same
as a graph's operations, `graph_byte_pair_encoding`, whose steps are
`graph_word_splitting`, `graph_pair_merging` and `graph_tables`.
"""

from keras_gpt3.tokenization.byte_pair_encoding import BytePairEncoding

__all__ = ["BytePairEncoding"]
