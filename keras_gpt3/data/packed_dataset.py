"""Training batches from token shards, as a tf.data pipeline (TensorFlow)."""

from keras_gpt3.data.context_order import context_order
from keras_gpt3.data.token_shards import TokenShards
from keras_gpt3.integer_argument import check_integer


def packed_dataset(
    shards,
    sequence_length,
    batch_size,
    seed=0,
    start_step=0,
    *,
    epochs=None,
):
    """Read batches of full contexts in an order that the step determines.

    A context is `sequence_length + 1` consecutive tokens of the corpus, across
    documents and shards, at a multiple of `sequence_length` (appendix B of the
    paper: always full contexts, no mask between documents). Every position
    is predicted once an epoch; a tail shorter than a context is left out.
    Batch `n` depends on `(seed, n)` only: `start_step=n` equals skipping `n`
    batches, and costs the same for every `n`.

    Args:
        shards: `TokenShards` or path. The corpus.
        sequence_length: int. The number of tokens in an input.
        batch_size: int. The number of contexts in a batch.
        seed: int. Determines the order. Defaults to `0`.
        start_step: int. The first batch. Defaults to `0`.
        epochs: int or None. The number of passes, `None` for no end. The last
            batch of a finite dataset may be smaller, so that every context
            is seen; the batch size is then unknown in the element's shape.
            Defaults to `None`.

    Returns:
        A `tf.data.Dataset` of `({"token_ids", "padding_mask"}, labels)`, each
        `(batch_size, sequence_length)`. Token ids and labels are int32, labels
        shifted by one; the mask is bool and all `True`.

    Raises:
        FileNotFoundError: If the folder holds no shards.
        ValueError: If a number is out of range, the shards are damaged, or the
            corpus is shorter than one context.

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
    check_integer("batch_size", batch_size, minimum=1)
    check_integer("seed", seed, minimum=0)
    check_integer("start_step", start_step, minimum=0)
    if epochs is not None:
        check_integer("epochs", epochs, minimum=1)
    if not isinstance(shards, TokenShards):
        shards = TokenShards(shards)
    num_contexts = shards.num_contexts(sequence_length)
    num_samples = None if epochs is None else epochs * num_contexts

    # TensorFlow refers to Python functions weakly. This one lives, and with it
    # the memory maps, as long as the dataset, which holds `read_batch`.
    def read_contexts(contexts):
        return shards.read(contexts * sequence_length, sequence_length + 1)

    def read_batch(step):
        samples = _samples(step, batch_size, num_samples)
        contexts = context_order(samples, num_contexts, seed)
        tokens = tf.numpy_function(
            read_contexts, [contexts], tf.int32, stateful=False
        )
        tokens.set_shape((samples.shape[0], sequence_length + 1))
        labels = tokens[:, 1:]
        inputs = {
            "token_ids": tokens[:, :-1],
            "padding_mask": tf.ones_like(labels, dtype="bool"),
        }
        return inputs, labels

    steps = _steps(start_step, batch_size, num_samples)
    dataset = steps.map(read_batch).prefetch(tf.data.AUTOTUNE)
    return dataset.with_options(_options())


def _steps(start_step, batch_size, num_samples):
    import tensorflow as tf

    if num_samples is None:
        return tf.data.Dataset.counter(start_step)
    return tf.data.Dataset.range(start_step, -(-num_samples // batch_size))


def _samples(step, batch_size, num_samples):
    """Return the positions in the run, int64 `(batch_size,)`, of a step."""
    import tensorflow as tf

    samples = step * batch_size + tf.range(batch_size, dtype=tf.int64)
    return samples if num_samples is None else samples[samples < num_samples]


def _options():
    import tensorflow as tf

    options = tf.data.Options()
    options.deterministic = True
    # There are no files for tf.distribute to shard by: each worker reads all
    # batches and keeps its own rows.
    options.experimental_distribute.auto_shard_policy = (
        tf.data.experimental.AutoShardPolicy.DATA
    )
    return options
