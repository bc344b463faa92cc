"""Byte-pair encoding: text to token ids and back."""

from keras_gpt3.tokenization.byte_pair_encoding import BytePairEncoding

__all__ = ["BytePairEncoding"]
