"""The texts of a corpus, whether as files or as token shards."""

import pathlib

from keras_gpt3.data.corpus_files import corpus_files
from keras_gpt3.data.decoded_documents import DecodedDocuments
from keras_gpt3.data.documents import Documents
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
