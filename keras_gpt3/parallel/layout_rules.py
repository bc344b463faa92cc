"""How weights are cut over a mesh: the rules, and those in force.

As Megatron-LM does it (Shoeybi et al. 2019): attention by heads, the
feed-forward layer by columns and then by rows, so that a block exchanges twice
in each direction; the token embedding by rows of the vocabulary. The columns
of `query_key_value` are ordered by head.
"""

import math

MODEL, DATA = "model", "data"

# Patterns of whole paths of variables, which begin with the name scope that the
# backbone was made in, if any. `DATA` is where a weight may be split
# over the devices of the data axis as well; every device has the rest whole.
LAYOUT_RULES = {
    r"(.*/)?token_embedding/embeddings": (MODEL, DATA),
    r"(.*/)?position_embedding/table/embeddings": (None, DATA),
    r"(.*/)?decoder_block_\d+/query_key_value/kernel": (DATA, MODEL),
    r"(.*/)?decoder_block_\d+/query_key_value/bias": (MODEL,),
    r"(.*/)?decoder_block_\d+/attention_output/kernel": (MODEL, DATA),
    r"(.*/)?decoder_block_\d+/feed_forward_intermediate/kernel": (DATA, MODEL),
    r"(.*/)?decoder_block_\d+/feed_forward_intermediate/bias": (MODEL,),
    r"(.*/)?decoder_block_\d+/feed_forward_output/kernel": (MODEL, DATA),
}

# A multiple that XLA's products like, and many numbers of devices divide.
_ROWS = 128


def padded_rows(vocabulary_size, num_devices):
    """The rows that a table needs to be split by rows over some devices.

    JAX splits into equal parts alone, and 50257 is 29 x 1733. A table that
    divides stays as it is, others grow to a multiple of 128.
    """
    if vocabulary_size % num_devices == 0:
        return vocabulary_size
    multiple = math.lcm(_ROWS, num_devices)
    return -(-vocabulary_size // multiple) * multiple


def layout_map():
    """Find the layout map of the distribution that is set."""
    # Inside: the planner needs no Keras.
    import keras

    distribution = keras.distribution.distribution()
    # keras.distribution.ModelParallel does not show it.
    return getattr(distribution, "_layout_map", None)


def axis_parts(layouts, path):
    """Into how many parts each axis of a variable is split."""
    layout, mesh = layouts[path], layouts.device_mesh
    if layout is None:
        return (1, 1)
    sizes = dict(zip(mesh.axis_names, mesh.shape, strict=True))
    return tuple(1 if axis is None else sizes[axis] for axis in layout.axes)


def number_of_parts(layouts, path):
    """Into how many parts a variable is split."""
    return 1 if layouts is None else math.prod(axis_parts(layouts, path))
