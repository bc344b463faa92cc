"""The documents of token shards, as texts again."""

import numpy as np

# Tokens that are read at a time.
_NUM_TOKENS = 2**20


class DecodedDocuments:
    """Iterates over the texts of a folder of token shards, once.

    It holds some two million tokens and one document at a time.
    """

    def __init__(self, shards, tokenizer):
        received = tokenizer.vocabulary_size()
        if received != shards.vocabulary_size:
            raise ValueError(
                "Token shards must be decoded by the tokenizer that wrote them."
                f" Received: vocabulary_size={received}, for shards of "
                f"{shards.vocabulary_size} in folder='{shards.folder}'. Pass "
                "the tokenizer of the model that was trained on them."
            )
        self._shards, self._tokenizer = shards, tokenizer
        self._num_tokens_read = 0

    @property
    def num_bytes(self):
        """int. The size of all shards."""
        return self._bytes_of(self._shards.num_tokens)

    @property
    def num_bytes_read(self):
        """int. How much of the shards has been read."""
        return self._bytes_of(self._num_tokens_read)

    def __iter__(self):
        pending = []
        for tokens in self._pieces():
            ends = np.flatnonzero(tokens == self._shards.end_token_id)
            *wholes, rest = np.split(tokens, ends + 1)
            for piece in wholes:
                yield self._text([*pending, piece[:-1]])
                pending = []
            pending.append(rest)
        if any(map(len, pending)):
            yield self._text(pending)

    def _pieces(self):
        total = self._shards.num_tokens
        for start in range(0, total, _NUM_TOKENS):
            length = min(_NUM_TOKENS, total - start)
            tokens = self._shards.read([start], length)[0]
            self._num_tokens_read = start + length
            yield tokens

    def _text(self, pieces):
        return self._tokenizer.detokenize(np.concatenate(pieces).tolist())

    def _bytes_of(self, num_tokens):
        return num_tokens * np.dtype(self._shards.dtype).itemsize
