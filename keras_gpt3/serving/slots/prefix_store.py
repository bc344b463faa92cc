"""Keys and values of prompts, so that a shared beginning is read once."""

import collections
import hashlib

import numpy as np

# Tokens of a block: beginnings are shared in whole blocks.
BLOCK = 32


class PrefixStore:
    """Blocks of keys and values, found by all tokens up to their end.

    At most so many bytes: the block that was not used for longest goes first,
    of one prompt the last.
    """

    def __init__(self, max_bytes):
        self.max_bytes = max_bytes
        self._blocks = collections.OrderedDict()
        self.num_bytes = 0

    def find(self, token_ids):
        """The number of first tokens that are known, and their arrays.

        Of shape (L, P, H, D) each; `None` where nothing is known.
        """
        names = []
        for name in _names(token_ids, 0, len(token_ids)):
            if name not in self._blocks:
                break
            names.append(name)
        # The last one first: the beginnings of a prompt are kept for longest.
        for name in reversed(names):
            self._blocks.move_to_end(name)
        if not names:
            return 0, None
        blocks = [self._blocks[name] for name in names]
        arrays = (np.concatenate(x, axis=1) for x in zip(*blocks, strict=True))
        return len(names) * BLOCK, tuple(arrays)

    def add(self, token_ids, start, keys, values):
        """Keep what belongs to the tokens from `start`, a multiple of `BLOCK`.

        `keys` and `values` (L, T, H, D) go as far as the whole blocks do, or
        further.
        """
        names = _names(token_ids, start, start + keys.shape[1])
        for i, name in reversed(list(enumerate(names))):
            part = slice(i * BLOCK, (i + 1) * BLOCK)
            # Copies: a view would keep all of the array.
            block = tuple(x[:, part].copy() for x in (keys, values))
            self._remove(name)
            self._blocks[name] = block
            self.num_bytes += _size(block)
        while self.num_bytes > self.max_bytes:
            self._remove(next(iter(self._blocks)))

    def _remove(self, name):
        block = self._blocks.pop(name, None)
        if block is not None:
            self.num_bytes -= _size(block)


def _names(token_ids, start, end):
    """A name for each whole block, of all tokens up to its end."""
    ids, names = np.asarray(token_ids[:end], "int32"), []
    digest = hashlib.sha256(ids[:start].tobytes())
    for stop in range(start + BLOCK, end + 1, BLOCK):
        digest.update(ids[stop - BLOCK : stop].tobytes())
        names.append(digest.digest())
    return names


def _size(block):
    return sum(x.nbytes for x in block)
