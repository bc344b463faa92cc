"""The matrix products of one training step, as a list: shapes and counts.

Letters as in the package's backbone. What rematerialization computes a second
time is not counted: the list is what the step needs.
"""

import collections
import dataclasses
import functools

from keras_gpt3.ops.attention.attention_shapes import block_bounds
from keras_gpt3.ops.token_chunks import chunk_tokens

DENSE_PROJECTIONS = "dense projections"
DENSE_ATTENTION = "dense attention"
BANDED_ATTENTION = "banded attention"
HEAD = "head and loss"


@dataclasses.dataclass(frozen=True)
class MatrixProduct:
    """`count` products of (batch, rows, inner) and (batch, inner, columns).

    Args:
        name: string. What is multiplied.
        rows: int. Rows of the result.
        inner: int. The dimension that is summed over.
        columns: int. Columns of the result.
        transpose_a: bool. Whether the first matrix lies transposed in memory.
        transpose_b: bool. Whether the second one does.
        part: string. The part of the step it belongs to.
        batch: int. Number of matrices in one call; 1 is a plain product.
        count: int. How often it occurs in a step.
    """

    name: str
    rows: int
    inner: int
    columns: int
    transpose_a: bool = False
    transpose_b: bool = False
    part: str = ""
    batch: int = 1
    count: int = 1

    @property
    def flops(self):
        """Additions and multiplications of all `count` products."""
        size = self.batch * self.rows * self.inner * self.columns
        return 2 * size * self.count


def step_products(config, dtype, batch_size, length, micro_batch_size=None):
    """Every matrix product of one training step.

    Args:
        config: dict. The arguments of a `GPT3Backbone`.
        dtype: string. `"float32"` or `"bfloat16"`; the head's chunks are as
            long as their bytes allow.
        batch_size: int. B.
        length: int. T.
        micro_batch_size: int. Rows of a micro-batch. Defaults to `None`, the
            whole batch at once.

    Returns:
        A list of `MatrixProduct`.
    """
    micro_batch_size = micro_batch_size or batch_size
    rows = micro_batch_size * length
    products = [
        *projection_products(config, rows),
        *attention_products(config, micro_batch_size, length),
        *head_products(config, rows, dtype),
    ]
    times = batch_size // micro_batch_size
    return [dataclasses.replace(x, count=times * x.count) for x in products]


def projection_products(config, rows):
    """Products of the dense layers, each forward and twice backward.

    Args:
        config: dict. The arguments of a `GPT3Backbone`.
        rows: int. Tokens, B times T.

    Returns:
        A list of `MatrixProduct`.
    """
    hidden, intermediate = config["hidden_dim"], config["intermediate_dim"]
    kernels = {
        "query_key_value": (hidden, 3 * hidden),
        "attention_output": (hidden, hidden),
        "feed_forward_intermediate": (hidden, intermediate),
        "feed_forward_output": (intermediate, hidden),
    }
    products = []
    for name, (inputs, units) in kernels.items():
        make = functools.partial(
            MatrixProduct, part=DENSE_PROJECTIONS, count=config["num_layers"]
        )
        products += [
            make(f"{name} forward", rows, inputs, units),
            make(f"{name} d_input", rows, units, inputs, False, True),
            make(f"{name} d_kernel", inputs, rows, units, True),
        ]
    return products


def attention_products(config, batch_size, length):
    """Products of the blocks of queries with the keys that they meet.

    A block has two in the forward pass and five in the backward pass. Those
    of equal shape are one entry: the scores (twice, since they are computed
    again) and the weights' gradient; the output and the queries' gradient; the
    gradients of keys and of values.

    Args:
        config: dict. The arguments of a `GPT3Backbone`.
        batch_size: int. B.
        length: int. T.

    Returns:
        A list of `MatrixProduct`.
    """
    heads, window = config["num_heads"], config["attention_window"]
    head_dim = config["hidden_dim"] // heads
    products = []
    for banded, layers in _layers_by_kind(config, length).items():
        part = BANDED_ATTENTION if banded else DENSE_ATTENTION
        blocks = collections.Counter(
            (end - start, end - first)
            for first, start, end in block_bounds(
                length, window if banded else None
            )
        )
        for (queries, keys), count in blocks.items():
            make = functools.partial(
                MatrixProduct, part=part, batch=batch_size * heads
            )
            shape, count = f"{queries}x{keys}", layers * count
            products += [
                make(
                    f"scores {shape}",
                    queries,
                    head_dim,
                    keys,
                    False,
                    True,
                    count=3 * count,
                ),
                make(
                    f"weighted sum {shape}",
                    queries,
                    keys,
                    head_dim,
                    count=2 * count,
                ),
                make(
                    f"transposed sum {shape}",
                    keys,
                    queries,
                    head_dim,
                    True,
                    count=2 * count,
                ),
            ]
    return products


def head_products(config, rows, dtype):
    """Products of the tied head, chunk by chunk as the package's loss does.

    Args:
        config: dict. The arguments of a `GPT3Backbone`.
        rows: int. Tokens, B times T.
        dtype: string. That of the logits.

    Returns:
        A list of `MatrixProduct`.
    """
    hidden, vocabulary = config["hidden_dim"], config["vocabulary_size"]
    chunks = -(-rows // chunk_tokens(vocabulary))
    size = -(-rows // chunks)
    make = functools.partial(MatrixProduct, part=HEAD, count=chunks)
    return [
        make("logits", size, hidden, vocabulary, False, True),
        make("head d_input", size, vocabulary, hidden),
        make("head d_kernel", vocabulary, size, hidden, True),
    ]


def _layers_by_kind(config, length):
    """How many layers are really banded (True), and how many dense."""
    pattern = config["attention_pattern"]
    narrow = config["attention_window"] < length
    return collections.Counter(
        narrow and pattern[i % len(pattern)] == "banded"
        for i in range(config["num_layers"])
    )
