"""Training batches from token shards, as a tf.data pipeline (TensorFlow)."""

import atexit
import os
import time

import numpy as np

from keras_gpt3.argument_checks import check_integer
from keras_gpt3.data.batch_ramp import BatchRamp
from keras_gpt3.data.token_shards import TokenShards


def packed_dataset(
    shards,
    sequence_length,
    batch_size,
    seed=0,
    start_step=0,
    *,
    epochs=None,
    num_parts=1,
    parts=None,
    skip_steps=(),
    attend_across_documents=True,
):
    """Read batches of full contexts in an order that the step determines.

    A context is `sequence_length + 1` consecutive tokens of the corpus, across
    documents and shards, at a multiple of `sequence_length` (appendix B of the
    paper: always full contexts, no mask between documents; that is the default
    here). Every position is predicted once an epoch, also the first token of a
    document, from the end of text before it; a tail shorter than a context is
    left out.
    Batch `n` depends on `(seed, n)` only: `start_step=n` equals skipping `n`
    batches, and costs the same for every `n`.

    Args:
        shards: `TokenShards`, `Mixture` or path. The corpus.
        sequence_length: int. The number of tokens in an input.
        batch_size: int or `BatchRamp`. The number of contexts in a batch. With
            a ramp it is unknown in the element's shape.
        seed: int. Determines the order. Defaults to `0`.
        start_step: int. The first batch. Defaults to `0`.
        epochs: int or None. The number of passes, `None` for no end and with a
            `Mixture`. The last batch of a finite dataset may be smaller, so
            that every context is seen; the batch size is then unknown in the
            element's shape. Defaults to `None`.
        num_parts: int. How many replicas share a batch: part `p` of a batch
            is `1 / num_parts` of its rows, from row `p * size / num_parts`
            on. Where the last batch of a finite dataset does not divide,
            parts differ by one row and may be empty. Defaults to `1`.
        parts: iterable of ints or None. The parts that are read. Each step
            yields them as elements of their own, in turn, as
            `tf.distribute.Strategy.distribute_datasets_from_function` hands
            them to a worker's replicas. Defaults to `None`, all parts.
        skip_steps: iterable of ints. Batches that are never yielded, such as
            those at which a run diverged. All others stay as they are, with the
            number that they have. Defaults to `()`.
        attend_across_documents: bool. `False` adds `"segment_ids"` to the
            inputs, int32: 1 in the first document of a context, 2 in the next.
            The end of text belongs to the document before it. Defaults to
            `True`.

    Returns:
        A `tf.data.Dataset` of `({"token_ids", "padding_mask"}, labels)`, each
        `(batch_size / num_parts, sequence_length)`. Token ids and labels are
        int32, labels shifted by one; the mask is bool and all `True`.

    Raises:
        FileNotFoundError: If the folder holds no shards.
        ValueError: If a number is out of range, a batch does not divide into
            parts, the shards are damaged, or the corpus is shorter than one
            context.

    Example:

    ```python
    import tempfile

    import keras_gpt3

    tokenizer = keras_gpt3.GPT3Tokenizer.from_preset("gpt3_small_en")
    shards = keras_gpt3.data.write_token_shards(
        ["To be, or not to be"] * 10, tempfile.mkdtemp(), tokenizer
    )
    dataset = keras_gpt3.data.packed_dataset(shards, 8, batch_size=2)
    for inputs, labels in dataset.take(1):
        print(inputs["token_ids"], labels)
    ```
    """
    import tensorflow as tf

    check_integer("sequence_length", sequence_length, minimum=1)
    check_integer("seed", seed, minimum=0)
    check_integer("start_step", start_step, minimum=0)
    if epochs is not None:
        check_integer("epochs", epochs, minimum=1)
    parts = _checked_parts(batch_size, num_parts, parts)
    skip_steps = _checked_skips(skip_steps, start_step)
    if isinstance(shards, str | os.PathLike):
        shards = TokenShards(shards)
    # Also without epochs, this raises now where a context does not fit.
    shards.num_contexts(sequence_length)
    num_samples = end = None
    if epochs is not None:
        num_samples = shards.num_samples(epochs, sequence_length)
        end = _num_batches(batch_size, num_samples)
        end -= int(np.count_nonzero(skip_steps < end))

    # TensorFlow refers to Python functions weakly. These live, and with them
    # the open shards, as long as the dataset, which holds `read_part`.
    @_counted
    def read_contexts(contexts):
        return shards.read_contexts(contexts, sequence_length)

    batch_bounds = _batch_bounds(batch_size)
    end_token_id = None if attend_across_documents else shards.end_token_id

    def read_part(element):
        batch, part = _batch_and_part(element, parts, skip_steps)
        first, size = batch_bounds(batch)
        if num_samples is not None:
            size = tf.minimum(num_samples - first, size)
        rows = [p * size // num_parts for p in (part, part + 1)]
        samples = first + tf.range(*rows, dtype=tf.int64)
        if isinstance(size, int):
            samples.set_shape(size // num_parts)
        contexts = shards.order(samples, sequence_length, seed)
        tokens = tf.numpy_function(
            read_contexts, [contexts], tf.int32, stateful=False
        )
        tokens.set_shape((samples.shape[0], sequence_length + 1))
        return _inputs(tokens[:, :-1], end_token_id), tokens[:, 1:]

    elements = _elements(start_step, end, len(parts))
    dataset = elements.map(read_part).prefetch(tf.data.AUTOTUNE)
    return dataset.with_options(_options())


def _checked_parts(batch_size, num_parts, parts):
    """Return the parts to read, a list of ints."""
    check_integer("num_parts", num_parts, minimum=1)
    is_ramp = isinstance(batch_size, BatchRamp)
    name = "batch_size.multiple" if is_ramp else "batch_size"
    rows = batch_size.multiple if is_ramp else batch_size
    check_integer(name, rows, minimum=1)
    if rows % num_parts:
        raise ValueError(
            f"{name} must be divisible by num_parts. Received: {name}={rows}, "
            f"num_parts={num_parts}. Pass a multiple of {num_parts}."
        )
    parts = list(range(num_parts) if parts is None else parts)
    for position, part in enumerate(parts):
        check_integer(f"parts[{position}]", part, minimum=0)
    if not parts or max(parts) >= num_parts or len({*parts}) < len(parts):
        raise ValueError(
            "parts must be different numbers below num_parts, at least one. "
            f"Received: parts={parts}, num_parts={num_parts}. Pass None for "
            "all parts."
        )
    return [int(part) for part in parts]


def _checked_skips(skip_steps, start_step):
    """Return the batches from `start_step` on to skip, int64 and sorted."""
    skip_steps = list(skip_steps)
    for position, step in enumerate(skip_steps):
        check_integer(f"skip_steps[{position}]", step, minimum=0)
    ahead = {int(step) for step in skip_steps if step >= start_step}
    return np.array(sorted(ahead), np.int64)


def _elements(start_step, end, num_parts):
    import tensorflow as tf

    start = int(start_step) * num_parts
    if end is None:
        return tf.data.Dataset.counter(start)
    return tf.data.Dataset.range(start, end * num_parts)


def _batch_and_part(element, parts, skip_steps):
    """Return the numbers of an element's batch and part."""
    import tensorflow as tf

    step, part = element, parts[0]
    if len(parts) > 1:
        step = element // len(parts)
        part = tf.gather(tf.constant(parts, tf.int64), element % len(parts))
    if len(skip_steps):
        # As many batches are left before the k-th that is skipped.
        left = skip_steps - np.arange(len(skip_steps))
        step += tf.searchsorted(left, [step], "right", out_type=tf.int64)[0]
    return step, part


def _batch_bounds(batch_size):
    """Return a function of a batch: its first sample and its size, in graph."""
    import tensorflow as tf

    if not isinstance(batch_size, BatchRamp):
        return lambda batch: (batch * batch_size, int(batch_size))

    @_counted
    def sequences_before(batch):
        return batch_size.sequences_before(np.array([batch, batch + 1]))

    def bounds(batch):
        # The ramp itself, so that graph and Python agree to the last bit.
        first, last = tf.unstack(
            tf.ensure_shape(
                tf.numpy_function(
                    sequences_before, [batch], tf.int64, stateful=False
                ),
                2,
            )
        )
        return first, last - first

    return bounds


def _num_batches(batch_size, num_samples):
    """Count the batches that hold all samples, a smaller last one included."""
    if not isinstance(batch_size, BatchRamp):
        return -(-num_samples // int(batch_size))
    whole = batch_size.steps_within(num_samples)
    return whole + (batch_size.sequences_before(whole) < num_samples)


def _inputs(token_ids, end_token_id):
    """What a model takes: with segments where an end-of-text id is given."""
    import tensorflow as tf

    inputs = {
        "token_ids": token_ids,
        "padding_mask": tf.ones_like(token_ids, dtype="bool"),
    }
    if end_token_id is not None:
        ends = tf.cast(token_ids == end_token_id, tf.int32)
        # Those before a token: an end is of the document that it ends.
        inputs["segment_ids"] = 1 + tf.cumsum(ends, axis=1, exclusive=True)
    return inputs


def _options():
    import tensorflow as tf

    options = tf.data.Options()
    options.deterministic = True
    # There are no files for tf.distribute to shard by: each worker reads all
    # batches and keeps its own rows, unless it reads its own parts only.
    options.experimental_distribute.auto_shard_policy = (
        tf.data.experimental.AutoShardPolicy.DATA
    )
    return options


# === Exit ===

# A thread that wants the interpreter while it is shut down ends on the spot.
# If that is a thread of tf.data, the process waits for it for ever as soon as
# the iterator goes. So at exit, wait until the buffers are full: then nothing
# is read any more.
_CALM_SECONDS = 0.05
_MAX_WAIT_SECONDS = 5.0

_calls_under_way = []
_last_return = [-np.inf]


def _counted(function):
    """Let `_wait_for_calm` know of a function that tf.data calls."""

    def call(argument):
        _calls_under_way.append(None)
        try:
            return function(argument)
        finally:
            _last_return[0] = time.monotonic()
            _calls_under_way.pop()

    return call


@atexit.register
def _wait_for_calm():
    deadline = time.monotonic() + _MAX_WAIT_SECONDS
    while (now := time.monotonic()) < deadline:
        if not _calls_under_way and now > _last_return[0] + _CALM_SECONDS:
            return
        time.sleep(_CALM_SECONDS / 10)


# Documents that go through the graph together. One at a time, the overhead
# of a graph call would dominate short documents.
_CHUNK_DOCUMENTS = 128


def pack(dataset, sequence_length, end_token_id, attend_across_documents=True):
    """Pack a stream of tokenized documents into full contexts.

    The same contexts as those of `keras_gpt3.data.packed_dataset`, in the
    order of the documents: each document is followed by the end-of-text id, a
    context is `sequence_length + 1` consecutive tokens at a multiple of
    `sequence_length`, and a tail shorter than a context is left out.

    Args:
        dataset: `tf.data.Dataset` of integer tensors `(length,)`. The
            documents.
        sequence_length: int. The number of tokens in an input.
        end_token_id: int. The id that follows every document.
        attend_across_documents: bool. `False` adds `"segment_ids"` to the
            inputs, as `packed_dataset` does. Defaults to `True`.

    Returns:
        A `tf.data.Dataset` of `({"token_ids", "padding_mask"}, labels)`, each
        `(sequence_length,)`. Token ids and labels are int32, labels shifted by
        one; the mask is bool and all `True`.

    Raises:
        ValueError: If a number is out of range or the dataset holds anything
            but integer vectors.

    Example:

    ```python
    import tensorflow as tf

    import keras_gpt3

    documents = tf.data.Dataset.from_tensor_slices([[1, 2], [3, 4]])
    dataset = keras_gpt3.data.pack(documents, sequence_length=2, end_token_id=9)
    for inputs, labels in dataset:
        print(inputs["token_ids"], labels)  # [1, 2] [2, 9]; [9, 3] [3, 4]
    ```
    """
    import tensorflow as tf

    check_integer("sequence_length", sequence_length, minimum=1)
    check_integer("end_token_id", end_token_id, minimum=0)
    _check_spec(dataset.element_spec)

    def cut_contexts(remainder, documents):
        tokens = tf.concat([remainder, _join(documents, end_token_id)], axis=0)
        # The last token has no label yet: it stays for the next chunk.
        num_contexts = tf.maximum(tf.size(tokens) - 1, 0) // sequence_length
        end = num_contexts * sequence_length
        shape = (num_contexts, sequence_length)
        labels = tf.reshape(tokens[1 : end + 1], shape)
        token_ids = tf.reshape(tokens[:end], shape)
        inputs = _inputs(
            token_ids, None if attend_across_documents else end_token_id
        )
        return tokens[end:], (inputs, labels)

    if dataset.element_spec.shape.rank is None:
        dataset = dataset.map(lambda tokens: tf.ensure_shape(tokens, (None,)))
    chunks = dataset.ragged_batch(_CHUNK_DOCUMENTS)
    return chunks.scan(tf.zeros((0,), tf.int32), cut_contexts).unbatch()


def _join(documents, end_token_id):
    """Return one int32 vector: each document and its end-of-text id."""
    import tensorflow as tf

    # Documents of one static length come as a plain tensor.
    if isinstance(documents, tf.Tensor):
        documents = tf.RaggedTensor.from_tensor(documents)
    ends = tf.fill((documents.nrows(), 1), end_token_id)
    ends = tf.RaggedTensor.from_tensor(ends)
    return tf.concat([tf.cast(documents, tf.int32), ends], axis=1).flat_values


def _check_spec(spec):
    import tensorflow as tf

    is_vector = isinstance(spec, tf.TensorSpec) and spec.dtype.is_integer
    if not is_vector or spec.shape.rank not in (None, 1):
        raise ValueError(
            "Documents must be integer vectors, one a dataset element. "
            f"Received: element_spec={spec}. Map the dataset to 1-D tensors "
            "of token ids."
        )
