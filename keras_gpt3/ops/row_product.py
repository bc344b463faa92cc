"""Products of a few rows with a matrix, as XLA on a CPU does them on all cores.

A token of a few answers reads every weight once and computes little, so that
nothing but the rate of reading counts. XLA's own product of so few rows is one
loop on one core, or worse. Products of groups, set side by side as a batch, run
on all cores. Symbols as in the backbone, and: R rows, P rows and N columns of
the matrix, G groups.
"""

import math

from keras import ops

from keras_gpt3.ops.op_compilation import compiled_op
from keras_gpt3.ops.op_compilation import has_gpu
from keras_gpt3.ops.op_compilation import in_decode_loop

# With more rows, arithmetic counts.
_MOST_ROWS = 16
# Groups of a kernel's rows for a number of rows up to the first number. All
# measured with matrices of (768, 3072) and (50257, 768) on two cores.
_KERNEL_GROUPS = ((1, 8), (4, 1), (_MOST_ROWS, 2))
_MOST_TABLE_GROUPS = 64


def is_few_rows(x):
    """Whether a tensor has few rows, in a function XLA compiles for CPUs."""
    leading = x.shape[:-1]
    if not in_decode_loop() or None in leading or has_gpu():
        return False
    return math.prod(leading) <= _MOST_ROWS


def row_product(x, kernel, bias=None):
    """Rows times a matrix, plus a bias."""
    x = ops.convert_to_tensor(x)
    kernel = ops.cast(kernel, x.dtype)
    depth, columns = kernel.shape
    rows = ops.reshape(x, (-1, depth))  # (R, P)
    count = math.prod(x.shape[:-1])
    groups = next(g for most, g in _KERNEL_GROUPS if count <= most)
    if groups == 1 or depth % groups:
        product = ops.matmul(rows, kernel)
    else:
        rows = ops.reshape(rows, (count, groups, depth // groups))
        parts = ops.matmul(
            ops.transpose(rows, (1, 0, 2)),
            ops.reshape(kernel, (groups, depth // groups, columns)),
        )  # (G, R, N)
        product = sum(ops.cast(parts[i], "float32") for i in range(groups))
    # In float32 also for its speed: XLA would take a sum in the dtype of the
    # product into its loop on one core.
    total = ops.cast(product, "float32")
    if bias is not None:
        total = total + ops.cast(bias, "float32")
    return ops.reshape(ops.cast(total, x.dtype), (*x.shape[:-1], columns))


def table_product(x, table):
    """Rows times the rows of a table: the scores of an output head."""
    x = ops.convert_to_tensor(x)
    table = ops.cast(table, x.dtype)
    entries, width = table.shape
    groups = _table_groups(entries)
    scores = ops.einsum(
        "gve,re->gvr",
        ops.reshape(table, (groups, entries // groups, width)),
        ops.reshape(x, (-1, width)),
    )
    scores = ops.transpose(scores, (2, 0, 1))  # (R, G, V / G)
    return ops.reshape(scores, (*x.shape[:-1], entries))


def _table_groups(entries):
    """The most groups into which a table divides, within a limit."""
    sizes = range(_MOST_TABLE_GROUPS, 0, -1)
    return next(groups for groups in sizes if entries % groups == 0)


@compiled_op
def row_sums(x):
    """Sum the last axis in float32, and keep it as an axis of 1.

    An operation of its own, to which exponentials come already computed: XLA
    would draw them into the sum and compute them number by number, which takes
    four times as long.
    """
    return ops.sum(ops.cast(x, "float32"), axis=-1, keepdims=True)
