"""Tokenizes parts, and puts their documents into a random order."""

import dataclasses
import functools
import itertools
import pathlib

import numpy as np

from keras_gpt3.atomic_write import atomic_write
from keras_gpt3.corpus.pipeline.document import stable_hash
from keras_gpt3.corpus.pipeline.document import stable_uniform
from keras_gpt3.corpus.pipeline.part_counts import PartCounts
from keras_gpt3.corpus.pipeline.part_file import read_part
from keras_gpt3.corpus.pipeline.stage import json_digest
from keras_gpt3.data.documents import DocumentEncoder
from keras_gpt3.data.documents import document_batches
from keras_gpt3.tokenization.byte_pair_encoding import shared_byte_pair_encoding

_FILES = ("vocabulary.json", "merges.txt")


@dataclasses.dataclass(frozen=True)
class StoredTokenizer:
    """A tokenizer's vocabulary in a folder, to be loaded where it is used.

    It is small to send, and loading it needs no TensorFlow. `DocumentEncoder`
    takes it.
    """

    folder: str
    end_token_id: int
    special_tokens: tuple
    digest: str

    @classmethod
    def store(cls, tokenizer, folder):
        """Write a tokenizer's files."""
        pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
        tokenizer.save_assets(str(folder))
        return cls(
            str(folder),
            int(tokenizer.end_token_id),
            tuple(tokenizer.special_tokens),
            tokenizer_digest(tokenizer),
        )

    def vocabulary_size(self):
        """Count the ids."""
        return _encoding(self).vocabulary_size

    def encode_to_numpy(self, text, split_special_tokens=False):
        """Turn a text into token ids."""
        return _encoding(self).encode_to_numpy(text, split_special_tokens)


@functools.lru_cache(maxsize=4)
def _encoding(stored):
    """Read the files once a process: they are megabytes."""
    paths = [pathlib.Path(stored.folder, name) for name in _FILES]
    return shared_byte_pair_encoding(*paths, stored.special_tokens)


def tokenizer_digest(tokenizer):
    """Compute a digest of what a tokenizer knows."""
    return json_digest(
        sorted(tokenizer.vocabulary.items()),
        tokenizer.merges,
        tokenizer.special_tokens,
        int(tokenizer.end_token_id),
    )


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


_ENTRY = np.dtype(
    [
        ("key", "<u8"),
        ("start", "<i8"),
        ("length", "<i8"),
        ("is_held_out", "?"),
    ]
)


class TokenizedPart:
    """Two files: all tokens as they came, and where documents stand, by key."""

    def __init__(self, path, dtype):
        self._dtype = np.dtype(dtype).newbyteorder("<")
        self._tokens = pathlib.Path(f"{path}.tokens")
        self._index = pathlib.Path(f"{path}.index.npy")

    @property
    def num_tokens(self):
        """int. The number of tokens, which must have been written."""
        return self._tokens.stat().st_size // self._dtype.itemsize

    @property
    def exists(self):
        """Whether it was written to its end."""
        return self._index.exists() and self._tokens.exists()

    def write(self, documents):
        """Write documents; what was there before is replaced."""
        self.remove()
        entries, start = [], 0
        with atomic_write(self._tokens) as file:
            for key, tokens, is_held_out in documents:
                file.write(np.asarray(tokens, self._dtype))
                entries.append((key, start, len(tokens), is_held_out))
                start += len(tokens)
        index = np.array(entries, _ENTRY)
        with atomic_write(self._index) as file:
            np.save(file, index[np.argsort(index["key"], kind="stable")])

    def read(self, low, high):
        """Read the documents whose keys lie in a range."""
        index = np.load(self._index, mmap_mode="r")
        # 2**64 itself is not a uint64.
        first = np.searchsorted(index["key"], np.uint64(low))
        last = np.searchsorted(index["key"], np.uint64(high - 1), "right")
        entries = np.array(index[first:last])
        with open(self._tokens, "rb") as file:
            documents = [None] * len(entries)
            # In the order of the file, for the disk.
            for i in np.argsort(entries["start"]).tolist():
                key, start, length, is_held_out = entries[i].item()
                file.seek(start * self._dtype.itemsize)
                tokens = np.fromfile(file, self._dtype, length)
                documents[i] = key, tokens, is_held_out
        return documents

    def remove(self):
        """Remove both files, if they are there."""
        self._index.unlink(missing_ok=True)
        self._tokens.unlink(missing_ok=True)


_KEYS = 2**64


def shuffle_key(seed, source, document_id):
    """A document's place in the order, as a number of 64 bits."""
    return stable_hash(seed, "shuffle", source, document_id)


def key_range(bucket, num_buckets):
    """The keys of one of several equal parts of the order."""
    return (
        bucket * _KEYS // num_buckets,
        (bucket + 1) * _KEYS // num_buckets,
    )


def shuffled_documents(paths, dtype, bucket, num_buckets):
    """Gather a bucket's documents from all parts, in the order of their keys.

    It holds one bucket in memory. The engine's own shuffle would hold all of
    a source on one machine, and restart after a kill.
    """
    low, high = key_range(bucket, num_buckets)
    parts = (TokenizedPart(path, dtype).read(low, high) for path in paths)
    # Stable: documents that share a key, if ever, stay in the order of parts.
    return sorted(
        itertools.chain.from_iterable(parts), key=lambda document: document[0]
    )
