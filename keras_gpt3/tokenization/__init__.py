"""Byte-pair encoding: text to token ids and back.

Read `byte_pair_encoding`, which runs eagerly, with `vocabulary`; then `graph/`,
the same as operations of a TensorFlow graph.
"""

from keras_gpt3.tokenization.byte_pair_encoding import BytePairEncoding

__all__ = ["BytePairEncoding"]
