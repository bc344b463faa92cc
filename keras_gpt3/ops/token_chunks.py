"""The tokens of a batch in chunks, whose logits are computed one by one.

TensorFlow has a loop of its own: `keras.ops.scan` gives outputs there the
shapes of the carry, and raises where they differ.

Symbols as in the backbone, and: N tokens, C tokens of a chunk.
"""

import math

import keras
from keras import ops

from keras_gpt3.ops.with_dependencies import with_dependencies

# Numbers in the logits of a chunk. Up to three such arrays exist at a time, of
# which XLA makes some in float32 whatever the dtype. Smaller chunks cost time:
# each one adds to the gradient of all V rows.
_CHUNK_LOGITS = 2**25


def chunk_tokens(vocabulary_size):
    """The most tokens whose logits are computed at once."""
    return 2 ** max(0, (_CHUNK_LOGITS // vocabulary_size).bit_length() - 1)


def equal_chunks(count, vocabulary_size):
    """How many chunks tokens make, as few as can be, and the size of each."""
    number = _at_least_one(_ceiling(count, chunk_tokens(vocabulary_size)))
    return number, _ceiling(count, number)


def all_chunks(tensors, vocabulary_size):
    """Chunks of all tokens, equally long, the last one padded with zeros."""
    count = _count(tensors[-1])
    number, size = equal_chunks(count, vocabulary_size)
    chunks = _split(map(_as_tokens, tensors), number, size)
    return chunks, lambda rows: rows[:count]


def weighted_chunks(tensors, vocabulary_size):
    """Chunks of the tokens alone that have a weight.

    Their number differs from batch to batch. Each length of a chunk costs a
    compilation of the operations inside: there are but eight.
    """
    tokens = list(map(_as_tokens, tensors))
    (places,) = ops.nonzero(tokens[-1])
    places = ops.cast(places, "int32")
    count = ops.shape(places)[0]
    most = chunk_tokens(vocabulary_size)
    step = max(1, most // 8)
    # Without a token of any weight there is still a chunk, of padding.
    number = _at_least_one(_ceiling(count, most))
    size = _at_least_one(_ceiling(_ceiling(count, number), step)) * step
    chosen = [ops.take(x, places, axis=0) for x in tokens]

    def restore(rows):
        shape = (ops.shape(tokens[-1])[0], *rows.shape[1:])
        return ops.scatter(places[:, None], rows[:count], shape)

    return _split(chosen, number, size), restore


def _count(x):
    """The number of elements, an int where it is known."""
    known = None not in x.shape
    return math.prod(x.shape) if known else ops.size(x)


def _as_tokens(x):
    """(B, T, ...) to (N, ...)."""
    return ops.reshape(x, (-1, *x.shape[2:]))


def _split(tokens, number, size):
    """Pad tokens, and split them into a number of chunks of a size."""

    def split(x):
        shape = x.shape[1:]
        padding = number * size - ops.shape(x)[0]
        if not isinstance(padding, int) or padding:
            x = ops.pad(x, [[0, padding]] + [[0, 0]] * len(shape))
        return ops.reshape(x, (number, size, *shape))

    return tuple(map(split, tokens))


def _at_least_one(number):
    """An int stays one; Keras' `maximum` would make it a tensor."""
    if isinstance(number, int):
        return max(number, 1)
    return ops.where(number < 1, 1, number)


def _ceiling(count, size):
    """The quotient, rounded up."""
    return -(-count // size)


def sum_over_chunks(function, chunks):
    """Run a function of one chunk after the other, never of two at a time.

    It returns a tuple of what is added up, and one of what is kept of each
    chunk. The first chunk begins the sums: zeros in their shapes would take
    memory, and time to add to.
    """
    sums, first = function(*(x[0] for x in chunks))
    kept = tuple(x[None] for x in first)
    if chunks[0].shape[0] == 1:
        return sums, kept
    if keras.config.backend() != "tensorflow":
        return _scan(function, sums, kept, chunks)
    import tensorflow as tf

    # Else the loop would begin beside the first chunk.
    chunks = tuple(with_dependencies(x, list(sums or first)) for x in chunks)
    number = tf.shape(chunks[0])[0]

    def with_room(x):
        shape = tf.concat([[number - 1], tf.shape(x)[1:]], axis=0)
        return tf.concat([x, tf.zeros(shape, x.dtype)], axis=0)

    def step(index, sums, kept):
        more, results = function(*(x[index] for x in chunks))
        # Not a `TensorArray`: XLA cannot stack one of unknown length.
        kept = tuple(
            tf.tensor_scatter_nd_update(x, [[index]], new[None])
            for x, new in zip(kept, results, strict=True)
        )
        return index + 1, tuple(map(tf.add, sums, more)), kept

    _, sums, kept = tf.while_loop(
        lambda index, *_: index < number,
        step,
        (tf.constant(1), tuple(sums), tuple(map(with_room, kept))),
        parallel_iterations=1,
    )
    return sums, kept


def _scan(function, sums, kept, chunks):
    """The other chunks with `keras.ops.scan`."""

    def step(sums, chunk):
        more, results = function(*chunk)
        return tuple(map(ops.add, sums, more)), results

    rest = tuple(x[1:] for x in chunks)
    sums, others = ops.scan(step, tuple(sums), rest)
    return sums, tuple(map(lambda *x: ops.concatenate(x), kept, others))


def map_chunks(function, chunks):
    """What a function, which returns a tuple, gives for each chunk in turn."""
    if keras.config.backend() == "tensorflow":
        return sum_over_chunks(lambda *chunk: ((), function(*chunk)), chunks)[1]
    # A single chunk goes through the loop as well: what is compiled rounds
    # less than what runs op by op.
    return ops.scan(lambda _, chunk: ((), function(*chunk)), (), chunks)[1]
