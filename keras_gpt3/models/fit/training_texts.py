"""Strings for `fit`: packed by tf.data (TensorFlow), or logged if cut."""

import logging

import keras

from keras_gpt3.data.packed_dataset import pack
from keras_gpt3.models.fit.batch_check import is_text
from keras_gpt3.models.gpt3_preprocessor import GPT3Preprocessor
from keras_gpt3.parallel.variable_layouts import num_data_shards

_logger = logging.getLogger("keras_gpt3")

# Strings whose tokens are counted, for a line in the log.
_MOST_COUNTED = 1000

# TensorFlow's numbers: it need not be loaded.
_INFINITE, _AUTOTUNE = -1, -1


def packed_documents(model, x, batch_size=None, whole=False, count=True):
    """Pack a dataset of documents into batches of full contexts."""
    preprocessor = model.preprocessor
    spec = getattr(x, "element_spec", None)
    if not isinstance(preprocessor, GPT3Preprocessor) or not _is_string(spec):
        return x, batch_size
    if not preprocessor.add_end_token:
        raise ValueError(
            "add_end_token must be True to pack documents, which it keeps "
            "apart. Received: add_end_token=False. Batch the dataset to pad "
            "each document instead."
        )
    batch_size = batch_size or 32
    if keras.config.backend() == "jax":
        whole = whole or num_data_shards() > 1
    length = preprocessor.sequence_length
    ids = x.map(_encoded(preprocessor), num_parallel_calls=_AUTOTUNE)
    contexts = pack(ids, length, preprocessor.tokenizer.end_token_id)
    batches = contexts.batch(batch_size, drop_remainder=whole)
    if count and int(x.cardinality()) != _INFINITE:
        num_tokens = _num_tokens(ids)
        num_contexts = max(num_tokens - 1, 0) // length
        num_batches = num_contexts // batch_size
        if not whole:
            num_batches = -(-num_contexts // batch_size)
        if not num_batches:
            least = length * (batch_size if whole else 1) + 1
            raise ValueError(
                f"Documents must fill a batch: {least} tokens. Received: "
                f"{num_tokens} tokens, for sequence_length={length}. Use a "
                "preprocessor with a smaller one, or batch the dataset to pad "
                "each document."
            )
        import tensorflow as tf

        # A number that `pack` cannot know.
        known = tf.data.experimental.assert_cardinality(num_batches)
        batches = batches.apply(known)
    return batches, None


def warn_of_truncation(model, x):
    """Say in the log, once a model, how much of strings is cut or padding."""
    preprocessor = model.preprocessor
    is_counted = (
        isinstance(preprocessor, GPT3Preprocessor)
        and not hasattr(x, "element_spec")
        and hasattr(x, "__len__")
        and not isinstance(x, str | bytes | dict)
        and is_text(x)
    )
    if not is_counted or getattr(model, "_warned_of_truncation", False):
        return
    model._warned_of_truncation = True
    length = preprocessor.sequence_length
    lengths = _label_counts(preprocessor, x[:_MOST_COUNTED])
    of_these = ""
    if len(lengths) < len(x):
        of_these = f" of the first {len(lengths):,} strings"
    total, used = sum(lengths), sum(min(n, length) for n in lengths)
    positions = length * len(lengths)
    facts = []
    if used < total:
        facts.append(
            f"fit trains on {used:,} of {total:,} tokens{of_these}, for "
            f"strings are cut at sequence_length={length}."
        )
    if used < positions / 2:
        facts.append(
            f"fit computes {positions:,} positions for {used:,} tokens"
            f"{of_these}, for strings are padded to sequence_length={length}."
        )
    if facts:
        remedy = (
            "Pass tf.data.Dataset.from_tensor_slices(texts) instead, which fit "
            "packs into full contexts."
        )
        _logger.warning(" ".join([*facts, remedy]))


def _is_string(spec):
    """Whether elements of a dataset are single strings."""
    is_one = not keras.tree.is_nested(spec) and hasattr(spec, "shape")
    return is_one and spec.shape.rank == 0 and is_text(spec)


def _encoded(preprocessor):
    """A function of a document in a graph; `pack` puts the end of text."""
    import tensorflow as tf

    def encode(document):
        ids = preprocessor.tokenizer(document)
        if not preprocessor.add_start_token:
            return ids
        start = tf.cast(preprocessor.tokenizer.start_token_id, ids.dtype)
        return tf.concat([start[tf.newaxis], ids], axis=0)

    return encode


def _num_tokens(ids):
    """Tokens of a dataset of documents, the end of text of each included."""
    import tensorflow as tf

    return int(
        ids.reduce(
            tf.constant(0, "int64"),
            lambda total, one: total + tf.size(one, "int64") + 1,
        )
    )


def _label_counts(preprocessor, texts):
    """How many tokens each text has to predict, cut or not."""
    more = preprocessor.add_start_token + preprocessor.add_end_token - 1
    ids = preprocessor.tokenizer.tokenize(texts)
    return [max(len(one) + more, 0) for one in ids]
