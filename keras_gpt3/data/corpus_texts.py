"""The texts of a corpus, whether as files or as token shards."""

import pathlib

import numpy as np

from keras_gpt3.data.documents import Documents
from keras_gpt3.data.documents import corpus_files
from keras_gpt3.data.shard_manifest import MANIFEST_NAME
from keras_gpt3.data.token_shards import TokenShards


class CorpusTexts:
    """Iterates over the documents of files and of token shards, once."""

    def __init__(self, corpora, tokenizer=None):
        self._sources = [
            _source(pathlib.Path(corpus), tokenizer) for corpus in corpora
        ]

    @property
    def num_bytes(self):
        """int. The size of all files."""
        return sum(source.num_bytes for source in self._sources)

    @property
    def num_bytes_read(self):
        """int. How much of the files has been read."""
        return sum(source.num_bytes_read for source in self._sources)

    def __iter__(self):
        for source in self._sources:
            yield from source


def _source(corpus, tokenizer):
    if not (corpus / MANIFEST_NAME).exists():
        return Documents(corpus_files([corpus]))
    if tokenizer is None:
        raise ValueError(
            "Token shards must come with the tokenizer that wrote them. "
            f"Received: corpus='{corpus}', tokenizer=None. Name the model that "
            "was trained on them."
        )
    return DecodedDocuments(TokenShards(corpus), tokenizer)


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
