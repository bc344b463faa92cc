"""Turns documents into the token ids that go to disk."""

import itertools

import numpy as np


class DocumentEncoder:
    """Encodes documents, each with its end, and checks the ids."""

    def __init__(self, tokenizer):
        self._tokenizer = tokenizer
        self.end_token_id = int(tokenizer.end_token_id)
        self.vocabulary_size = int(tokenizer.vocabulary_size())
        self.dtype = "uint16" if self.vocabulary_size <= 2**16 else "uint32"

    def encode(self, texts):
        """Encode a few documents; special tokens in them are plain text."""
        if hasattr(self._tokenizer, "encode_to_numpy"):
            tokens, ends = self._join_arrays(texts)
        else:
            tokens, ends = self._join_lists(texts)
        self._check(tokens)
        return np.split(tokens.astype(self.dtype), ends[:-1])

    def _join_arrays(self, texts):
        encode = self._tokenizer.encode_to_numpy
        end = np.array([self.end_token_id])
        arrays = [encode(text, split_special_tokens=True) for text in texts]
        ends = np.cumsum([len(array) + 1 for array in arrays])
        pairs = ((array, end) for array in arrays)
        return np.concatenate([*itertools.chain(*pairs)]), ends

    def _join_lists(self, texts):
        flat, ends = [], []
        for ids in self._tokenizer.encode_batch(
            texts, split_special_tokens=True
        ):
            flat.extend(ids)
            flat.append(self.end_token_id)
            ends.append(len(flat))
        # One array for all: arrays of short documents cost more than their ids.
        return np.fromiter(flat, np.int64, len(flat)), ends

    def _check(self, tokens):
        if tokens.min() < 0 or tokens.max() >= self.vocabulary_size:
            raise ValueError(
                "Token ids must lie from 0 to vocabulary_size - 1. Received: "
                f"ids from {tokens.min()} to {tokens.max()}, vocabulary_size="
                f"{self.vocabulary_size}. Pass a tokenizer that counts all of "
                "its ids."
            )
