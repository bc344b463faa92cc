"""A tokenizer that goes to worker processes by its files."""

import dataclasses
import functools
import hashlib
import pathlib

from keras_gpt3.tokenization.shared_encoding import shared_byte_pair_encoding

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
        """Writes a tokenizer's files."""
        pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
        tokenizer.save_assets(str(folder))
        return cls(
            str(folder),
            int(tokenizer.end_token_id),
            tuple(tokenizer.special_tokens),
            tokenizer_digest(tokenizer),
        )

    def vocabulary_size(self):
        """Counts the ids."""
        return _encoding(self).vocabulary_size

    def encode_to_numpy(self, text, split_special_tokens=False):
        """Turns a text into token ids."""
        return _encoding(self).encode_to_numpy(text, split_special_tokens)


@functools.lru_cache(maxsize=4)
def _encoding(stored):
    """Reads the files once a process: they are megabytes."""
    paths = [pathlib.Path(stored.folder, name) for name in _FILES]
    return shared_byte_pair_encoding(*paths, stored.special_tokens)


def tokenizer_digest(tokenizer):
    """Tells tokenizers apart by what they know."""
    known = (
        sorted(tokenizer.vocabulary.items()),
        tokenizer.merges,
        tokenizer.special_tokens,
        int(tokenizer.end_token_id),
    )
    return hashlib.blake2b(repr(known).encode(), digest_size=16).hexdigest()
