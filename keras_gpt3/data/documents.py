"""Documents from strings or from files, one at a time, and their token ids."""

import itertools
import os
import pathlib

import numpy as np

from keras_gpt3.data.json_objects import decompressed
from keras_gpt3.data.json_objects import json_objects_in


class Documents:
    """Iterates over the texts of a corpus, once.

    Either all items are texts or all are paths. Paths are `os.PathLike`
    objects, or strings where the first one is a single line that ends in one
    of the known suffixes or names a file.
    """

    def __init__(self, documents):
        self._texts, self._paths = (), ()
        self._num_finished_bytes = 0
        self._file = None
        if isinstance(documents, (str, os.PathLike)):
            self._paths = [os.fspath(documents)]
        else:
            items = iter(documents)
            first = list(itertools.islice(items, 1))
            items = itertools.chain(first, items)
            if first and _is_path(first[0]):
                self._paths = [os.fspath(path) for path in items]
            else:
                self._texts = items
        for path in self._paths:
            _check_path(path)

    @property
    def num_bytes(self):
        """int or None. The size of all files, `None` for texts."""
        if not self._paths:
            return None
        return sum(os.path.getsize(path) for path in self._paths)

    @property
    def num_bytes_read(self):
        """int. How much of the files has been read."""
        position = self._file.tell() if self._file else 0
        return self._num_finished_bytes + position

    def __iter__(self):
        for number, text in enumerate(self._texts):
            if not isinstance(text, str):
                raise TypeError(
                    "Documents must be strings. Received: document number "
                    f"{number} of type {type(text).__name__}. Pass str, or "
                    "paths only."
                )
            yield text
        for path in self._paths:
            with open(path, "rb") as self._file:
                yield from read_documents(self._file, path)
                self._num_finished_bytes += os.path.getsize(path)
                self._file = None


def _is_path(item):
    if isinstance(item, os.PathLike):
        return True
    if not isinstance(item, str) or "\n" in item:
        return False
    return item.lower().endswith(SUFFIXES) or os.path.isfile(item)


def _check_path(path):
    if not path.lower().endswith(SUFFIXES):
        raise ValueError(
            f"A path must end in one of {', '.join(SUFFIXES)}. Received: "
            f"path='{path}'. Convert the file, or pass a list of texts."
        )
    if not os.path.isfile(path):
        raise FileNotFoundError(
            f"A path must name a file. Received: path='{path}'. Correct it; "
            "a text that looks like a path must not come first."
        )


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


TEXT_SUFFIXES = (".txt", ".txt.gz")
JSON_SUFFIXES = (".jsonl", ".jsonl.gz")
SUFFIXES = JSON_SUFFIXES + TEXT_SUFFIXES


def read_documents(file, path):
    """Yield the documents of a file."""
    with decompressed(file, path) as stream:
        if str(path).lower().endswith(TEXT_SUFFIXES):
            yield _read_text(stream, path)
        else:
            yield from _read_lines(stream, path)


def _read_text(stream, path):
    try:
        return stream.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(
            "A .txt file must be UTF-8. Received: "
            f"file='{path}' ({error}). Convert it to UTF-8."
        ) from error


def _read_lines(stream, path):
    for where, fields in json_objects_in(stream, path, "documents"):
        reason = _fault(fields)
        if reason:
            raise ValueError(
                'Each line of a file of documents must have a "text" string. '
                f"Received: {where} ({reason}). Correct or remove the line."
            )
        yield fields["text"]


def _fault(fields):
    """What is wrong with the content of a line, or `None`."""
    if "text" not in fields:
        return "it has no text"
    text = fields["text"]
    if not isinstance(text, str):
        return f"its text is of type {type(text).__name__}"
    try:
        # Escapes can spell half a character, which has no bytes.
        text.encode()
    except UnicodeEncodeError as error:
        return f"its text: {error}"
    return None


def corpus_files(corpora):
    """List the files that hold a corpus."""
    files = []
    for corpus in map(pathlib.Path, corpora):
        if corpus.is_dir():
            files += _files_in(corpus)
        elif corpus.exists():
            files.append(corpus)
        else:
            raise FileNotFoundError(
                "A corpus must be a file or a folder. Received: "
                f"corpus='{corpus}', which does not exist. Correct the path."
            )
    return files


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
