"""Where one weight of a backbone stands in a checkpoint."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class WeightRule:
    """One weight of ours and the tensors that hold it.

    Args:
        ours: string. The weight's path inside the backbone.
        theirs: tuple of strings. Names of the tensors. Several are joined
            along our last axis, as queries, keys and values.
        transposed: bool. Whether each of theirs is `(out, in)`, where our
            kernels are `(in, out)`. Defaults to `False`.
        shape: tuple of ints. The shape of ours. Defaults to `()`.
        num_heads: int. Above 1, our last axis goes by head, each with its
            query, key and value; theirs has the queries of all heads, then
            the keys, then the values. Defaults to `1`, the same order.

    Example:

    ```python
    from keras_gpt3.converters.weight_rule import WeightRule

    rule = WeightRule(
        ours="decoder_block_0/query_key_value/kernel",
        theirs=("q.weight", "k.weight", "v.weight"),
        transposed=True,
        shape=(8, 24),
        num_heads=2,
    )
    rule.shape_of_theirs  # (8, 8)
    rule.places(1)  # [4, 5, 6, 7, 16, 17, 18, 19], of the keys
    ```
    """

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
        """Where on our last axis one of theirs stands.

        Args:
            part: int. Which of `theirs`.

        Returns:
            An int array, an index for each place on its own axis.
        """
        return self.take(np.arange(self.shape[-1]), part)

    def take(self, array, part):
        """What one of theirs holds of our weight, not yet transposed.

        Args:
            array: numpy array with our last axis.
            part: int. Which of `theirs`.

        Returns:
            A numpy array; no more than that part is copied.
        """
        # (..., H, 3, D) -> (..., 3, H, D)
        by_kind = _swapped(array, self.num_heads, self._num_kinds)
        each = np.split(by_kind, len(self.theirs), axis=-3)[part]
        return each.reshape(*array.shape[:-1], -1)

    def join(self, array):
        """Orders the places of all of theirs as ours are.

        Args:
            array: numpy array. All of theirs, side by side on its last axis.

        Returns:
            A numpy array of the same shape, with our last axis.
        """
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
