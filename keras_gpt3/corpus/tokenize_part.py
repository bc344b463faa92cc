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
    """Where the tokens of a part are, until they are in shards.

    Args:
        folder: path. Of the stage.
        source: string.
        name: string. Of the part.

    Returns:
        A `pathlib.Path`, as `TokenizedPart` takes it.

    Example:

    ```python
    from keras_gpt3.corpus.tokenize_part import tokens_path

    tokens_path("5_shard", "novels", "part-00000")
    ```
    """
    return pathlib.Path(folder, source, TOKENIZED, name)


@dataclasses.dataclass(frozen=True)
class TokenizePart:
    """Writes the tokens of a part as a `TokenizedPart`.

    Args:
        tokenizer: `StoredTokenizer`.
        seed: int. Of the order, and of what is held out.
        validation_fraction: float. The share of documents that is held out.

    Call arguments:
        part: `StagePart`.

    Returns:
        A dict, the part's counts, with `"tokens"`.

    Example:

    ```python
    import keras_gpt3
    from keras_gpt3.corpus.document import Document
    from keras_gpt3.corpus.part_file import PartWriter
    from keras_gpt3.corpus.stage_part import StagePart
    from keras_gpt3.corpus.stored_tokenizer import StoredTokenizer
    from keras_gpt3.corpus.tokenize_part import TokenizePart

    with PartWriter("part-00000.jsonl.zst") as writer:
        writer.write(Document("a", "novels", "Once upon a time"))
    tokenizer = StoredTokenizer.store(
        keras_gpt3.GPT3Tokenizer.from_preset("gpt3_small_en"), "tokenizer"
    )
    part = StagePart("novels", "part-00000", "5", "part-00000.jsonl.zst", "1f")
    TokenizePart(tokenizer, 0, 0.0)(part)["tokens"]  # 5
    ```
    """

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
