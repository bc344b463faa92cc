"""Where one weight of a backbone stands in a checkpoint."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class WeightRule:
    """One weight of ours and the tensors that hold it."""

    ours: str
    theirs: tuple[str, ...]
    transposed: bool = False
    shape: tuple[int, ...] = ()
    num_heads: int = 1

    @property
    def shape_of_theirs(self):
        """The shape that each of theirs must have."""
        each = (*self.shape[:-1], self.shape[-1] // len(self.theirs))
        return each[::-1] if self.transposed else each

    def places(self, part):
        """Where on our last axis one of theirs stands."""
        return self.take(np.arange(self.shape[-1]), part)

    def take(self, array, part):
        """What one of theirs holds of our weight, not yet transposed."""
        # (..., H, 3, D) -> (..., 3, H, D)
        by_kind = _swapped(array, self.num_heads, self._num_kinds)
        each = np.split(by_kind, len(self.theirs), axis=-3)[part]
        return each.reshape(*array.shape[:-1], -1)

    def join(self, array):
        """Orders the places of all of theirs as ours are."""
        # (..., 3, H, D) -> (..., H, 3, D)
        by_head = _swapped(array, self._num_kinds, self.num_heads)
        return by_head.reshape(array.shape)

    @property
    def _num_kinds(self):
        """Queries, keys and values; elsewhere as many as are joined."""
        return 3 if self.num_heads > 1 else len(self.theirs)


def _swapped(array, outer, inner):
    """A view of the last axis as three, the first two of them swapped."""
    shape = (*array.shape[:-1], outer, inner, -1)
    return array.reshape(shape).swapaxes(-3, -2)
