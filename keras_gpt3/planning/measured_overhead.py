"""What a process takes beyond the arrays of a step, as measured.

TensorFlow 2.20 on a CPU: peak resident memory of processes that train, less
that of one that has loaded TensorFlow and the package only.
"""

from keras_gpt3.planning.attention_blocks import key_ranges

# Models of width 8, whose arrays do not count, with 2 to 24 layers at lengths
# of 512 to 2048: the graph grows with the layers and their attention blocks,
# the compiled operations with the shapes of the blocks.
_PROGRAM = 63_000_000
_PROGRAM_OF_LAYER = 11_000_000
_PROGRAM_OF_BLOCK = 2_200_000
_PROGRAM_OF_SHAPE = 9_000_000

# GPT-3 Small at several batches, with vocabularies of 50257 and 1000, against
# the arrays alive at the peak as TensorFlow's profiler lists them. Its
# allocator serves a request with any free piece that is less than twice as
# large, and gives nothing back to the system.
_OF_LARGEST_ARRAY = 1.2
_OF_ALL_ARRAYS = 0.08


def program_bytes(length, windows):
    """Bytes of the traced step and its compiled operations.

    On a GPU they lie in the memory of the host.

    Args:
        length: int. Tokens in a row.
        windows: tuple. For each layer the window, `None` if it is dense.

    Returns:
        An int, bytes.
    """
    blocks = [key_ranges(length, window) for window in windows]
    return (
        _PROGRAM
        + _PROGRAM_OF_LAYER * len(windows)
        + _PROGRAM_OF_BLOCK * sum(map(len, blocks))
        + _PROGRAM_OF_SHAPE * len(set().union(*blocks))
    )


def fragmentation_bytes(sizes, arrays):
    """Bytes that the allocator holds but cannot use.

    Args:
        sizes: `PassSizes`.
        arrays: int. Bytes of the arrays that a step makes, at its peak.

    Returns:
        An int, bytes.
    """
    largest = max(
        sizes.table_weights * sizes.weight_bytes,
        sizes.tokens * sizes.inner * sizes.activation_bytes,
    )
    return int(_OF_LARGEST_ARRAY * largest + _OF_ALL_ARRAYS * arrays)
