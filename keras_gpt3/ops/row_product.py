"""Products of one row with a matrix, as XLA on a CPU does them on all cores.

A token of a single answer reads every weight once and computes little, so that
nothing but the rate of reading counts. XLA's own product of a row and a matrix,
with what is added to it, is one loop on one core: it reads at half the rate.
Letters as in the backbone, and: K rows and N columns of the matrix, G groups.
"""

from keras import ops

from keras_gpt3.ops.op_compilation import is_whole_xla

# Groups of rows, whose products run side by side; measured with matrices of
# (768, 3072) on two cores, where 2 to 16 differ little.
_GROUPS = 8


def is_single_row(x):
    """Whether a tensor is one row, in a function that XLA compiles.

    Args:
        x: tensor of shape `(..., width)`.

    Returns:
        A bool.
    """
    return is_whole_xla() and set(x.shape[:-1]) == {1}


def row_product(row, kernel, bias):
    """A row times a matrix, plus a bias.

    Args:
        row: tensor of shape `(..., K)`, one row.
        kernel: tensor of shape `(K, N)`.
        bias: tensor of shape `(N,)`.

    Returns:
        A tensor of shape `(..., N)` and the dtype of `row`.

    Example:

    ```python
    import numpy as np
    from keras_gpt3.ops.row_product import row_product

    row = np.ones((1, 1, 16), "float32")
    kernel, bias = np.ones((16, 3), "float32"), np.zeros(3, "float32")
    row_product(row, kernel, bias)  # [[[16, 16, 16]]]
    ```
    """
    row = ops.convert_to_tensor(row)
    kernel = ops.cast(kernel, row.dtype)
    rows, columns = kernel.shape
    if row.dtype != "float32" or rows % _GROUPS:
        product = ops.matmul(ops.reshape(row, (1, rows)), kernel)[0]
    else:
        groups = (_GROUPS, rows // _GROUPS)
        parts = ops.matmul(
            ops.reshape(row, (_GROUPS, 1, groups[1])),
            ops.reshape(kernel, (*groups, columns)),
        )  # (G, 1, N)
        product = sum(parts[group, 0] for group in range(_GROUPS))
    # In float32 also for its speed: XLA would take a sum in the dtype of the
    # product into its loop on one core.
    total = ops.cast(product, "float32") + ops.cast(bias, "float32")
    return ops.reshape(ops.cast(total, row.dtype), (*row.shape[:-1], columns))


def table_product(row, table):
    """A row times the rows of a table: the scores of an output head.

    Args:
        row: tensor of shape `(..., M)`, one row.
        table: tensor of shape `(V, M)`, read as it lies in memory.

    Returns:
        A tensor of shape `(..., V)` and the dtype of `row`.

    Example:

    ```python
    import numpy as np
    from keras_gpt3.ops.row_product import table_product

    row, table = np.ones((1, 1, 4), "float32"), np.eye(5, 4, dtype="float32")
    table_product(row, table)  # [[[1, 1, 1, 1, 0]]]
    ```
    """
    row = ops.convert_to_tensor(row)
    table = ops.cast(table, row.dtype)
    column = ops.reshape(row, (row.shape[-1], 1))
    scores = ops.matmul(table, column)  # (V, 1)
    return ops.reshape(scores, (*row.shape[:-1], table.shape[0]))
