"""Where one weight of a backbone stands in a checkpoint."""

import dataclasses


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

    Example:

    ```python
    from keras_gpt3.converters.weight_rule import WeightRule

    rule = WeightRule(
        ours="decoder_block_0/query_key_value/kernel",
        theirs=("q.weight", "k.weight", "v.weight"),
        transposed=True,
        shape=(8, 24),
    )
    rule.shape_of_theirs  # (8, 8)
    ```
    """

    ours: str
    theirs: tuple[str, ...]
    transposed: bool = False
    shape: tuple[int, ...] = ()

    @property
    def shape_of_theirs(self):
        """The shape that each of theirs must have."""
        each = (*self.shape[:-1], self.shape[-1] // len(self.theirs))
        return each[::-1] if self.transposed else each
