"""Documents from strings or from files, one at a time, and their token ids."""

import glob
import itertools
import os
import pathlib

import numpy as np

from keras_gpt3.data.text_sources import SUFFIXES
from keras_gpt3.data.text_sources import is_hub_path
from keras_gpt3.data.text_sources import text_source


class Documents:
    """Iterates over the texts of a corpus, once.

    Either all items are texts or all are paths. Paths are `os.PathLike`
    objects, or strings where the first one is a single line that ends in one
    of the known suffixes, names a file, or begins with `hf://datasets/`.
    """

    def __init__(self, documents, text_column="text"):
        self._texts, paths = (), ()
        if isinstance(documents, (str, os.PathLike)):
            paths = [documents]
        else:
            items = iter(documents)
            first = list(itertools.islice(items, 1))
            items = itertools.chain(first, items)
            if first and _is_path(first[0]):
                paths = items
            else:
                self._texts = items
        self._sources = [
            text_source(os.fspath(path), text_column) for path in paths
        ]

    @property
    def num_bytes(self):
        """int or None. The size of all files, `None` where it is not known."""
        sizes = [source.num_bytes for source in self._sources]
        return None if not sizes or None in sizes else sum(sizes)

    @property
    def num_bytes_read(self):
        """int. How much of the files has been read."""
        return sum(source.num_bytes_read for source in self._sources)

    def __iter__(self):
        for number, text in enumerate(self._texts):
            if not isinstance(text, str):
                raise TypeError(
                    "Documents must be strings. Received: document number "
                    f"{number} of type {type(text).__name__}. Pass str, or "
                    "paths only."
                )
            yield text
        for source in self._sources:
            yield from source


def _is_path(item):
    if isinstance(item, os.PathLike):
        return True
    if not isinstance(item, str) or "\n" in item:
        return False
    is_file = item.lower().endswith(SUFFIXES) or os.path.isfile(item)
    return is_file or is_hub_path(item)


def document_batches(documents, num_documents, num_characters):
    """Yield texts, or documents with a text, in lists up to two limits.

    Memory follows the characters, and the time of a call the documents.
    """
    batch, length = [], 0
    for document in documents:
        batch.append(document)
        length += len(document if isinstance(document, str) else document.text)
        if len(batch) >= num_documents or length >= num_characters:
            yield batch
            batch, length = [], 0
    if batch:
        yield batch


def corpus_files(corpora):
    """List the files, and the datasets of the hub, that hold a corpus."""
    files = []
    for corpus in corpora:
        path = pathlib.Path(corpus)
        if is_hub_path(corpus):
            files.append(corpus)
        elif path.is_dir():
            files += _files_in(path)
        elif path.exists():
            files.append(path)
        else:
            files += _files_of_pattern(corpus)
    return files


def _files_of_pattern(pattern):
    found = []
    if glob.has_magic(str(pattern)):
        found = map(pathlib.Path, glob.glob(str(pattern), recursive=True))
        found = sorted(path for path in found if path.is_file())
    if not found:
        raise FileNotFoundError(
            "A corpus must be a file or a folder. Received: "
            f"corpus='{pattern}', which does not exist. Correct the path."
        )
    return found


def _files_in(folder):
    files = [
        path
        for path in sorted(folder.rglob("*"))
        if path.name.lower().endswith(SUFFIXES)
        and not any(
            part.startswith(".") for part in path.relative_to(folder).parts
        )
        and path.is_file()
    ]
    if not files:
        raise ValueError(
            f"A corpus folder must hold a file that ends in one of "
            f"{', '.join(SUFFIXES)}. Received: corpus='{folder}' with none. "
            "Pass another folder, or convert its files."
        )
    return files


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
