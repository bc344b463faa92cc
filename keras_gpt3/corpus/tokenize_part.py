"""Tokenizes one part, for its documents to be shuffled."""

import dataclasses
import pathlib

from keras_gpt3.corpus.document_batches import document_batches
from keras_gpt3.corpus.document_shuffle import shuffle_key
from keras_gpt3.corpus.part_counts import PartCounts
from keras_gpt3.corpus.part_file import read_part
from keras_gpt3.corpus.stable_hash import stable_uniform
from keras_gpt3.corpus.stored_tokenizer import StoredTokenizer
from keras_gpt3.corpus.tokenized_part import TokenizedPart
from keras_gpt3.data.document_encoder import DocumentEncoder

TOKENIZED = "tokenized"
# What is encoded at a time: documents, and characters.
_BATCH = 1000, 2**17


def tokens_path(folder, source, name):
    """Where the tokens of a part are, until they are in shards."""
    return pathlib.Path(folder, source, TOKENIZED, name)


@dataclasses.dataclass(frozen=True)
class TokenizePart:
    """Writes the tokens of a part as a `TokenizedPart`."""

    tokenizer: StoredTokenizer
    seed: int
    validation_fraction: float

    def __call__(self, part):
        counts = PartCounts()
        encoder = DocumentEncoder(self.tokenizer)
        path = tokens_path(part.folder, part.source, part.name)
        tokenized = TokenizedPart(path, encoder.dtype)
        tokenized.write(self._entries(part, encoder, counts))
        return counts.to_json() | {"tokens": tokenized.num_tokens}

    def _entries(self, part, encoder, counts):
        for batch in document_batches(read_part(part.input), *_BATCH):
            encoded = encoder.encode([document.text for document in batch])
            for document, tokens in zip(batch, encoded, strict=True):
                counts.read(document)
                counts.keep(document)
                key = shuffle_key(self.seed, document.source, document.id)
                yield key, tokens, self._is_held_out(document)

    def _is_held_out(self, document):
        # The pieces of one document are on one side.
        whole = document.extra.get("piece_of", document.id)
        place = stable_uniform(self.seed, "held out", document.source, whole)
        return place < self.validation_fraction
