"""The tokens of one part's documents, to be read in another order."""

import pathlib

import numpy as np

from keras_gpt3.replaced_file import replaced_file

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
        """Writes documents; what was there before is replaced."""
        self.remove()
        entries, start = [], 0
        with replaced_file(self._tokens) as file:
            for key, tokens, is_held_out in documents:
                file.write(np.asarray(tokens, self._dtype))
                entries.append((key, start, len(tokens), is_held_out))
                start += len(tokens)
        index = np.array(entries, _ENTRY)
        with replaced_file(self._index) as file:
            np.save(file, index[np.argsort(index["key"], kind="stable")])

    def read(self, low, high):
        """Reads the documents whose keys lie in a range."""
        index = np.load(self._index, mmap_mode="r")
        # 2**64 itself is no uint64.
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
        """Removes both files, if they are there."""
        self._index.unlink(missing_ok=True)
        self._tokens.unlink(missing_ok=True)
