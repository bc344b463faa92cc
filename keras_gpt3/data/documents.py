"""Documents from strings or from files, one at a time."""

import itertools
import os

from keras_gpt3.data.document_files import SUFFIXES
from keras_gpt3.data.document_files import read_documents


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

    def batches(self, num_documents, num_characters):
        """Yield lists of texts that are worth a call of the tokenizer."""
        texts, size = [], 0
        for text in self:
            is_full = size + len(text) > num_characters
            if texts and (is_full or len(texts) == num_documents):
                yield texts
                texts, size = [], 0
            texts.append(text)
            size += len(text)
        if texts:
            yield texts

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
