"""Sums of rows, in float32."""

from keras import ops

from keras_gpt3.ops.op_compilation import compiled_op


@compiled_op
def row_sums(x):
    """Sums the last axis in float32, and keeps it as an axis of 1.

    An operation of its own, to which exponentials come already computed: XLA
    would draw them into the sum and compute them number by number, which takes
    four times as long.
    """
    return ops.sum(ops.cast(x, "float32"), axis=-1, keepdims=True)
