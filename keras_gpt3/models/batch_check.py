"""Checks of what `fit`, `evaluate` and `predict` are given."""

import inspect

import keras
import numpy as np

from keras_gpt3.ops.sequence_length_check import check_context
from keras_gpt3.ops.sequence_length_check import check_sequence_length
from keras_gpt3.ops.token_id_check import check_concrete_token_ids
from keras_gpt3.ops.token_id_check import check_token_ids
from keras_gpt3.parallel.data_axis import check_shards_divide
from keras_gpt3.parallel.data_axis import num_data_shards
from keras_gpt3.planning.micro_batch_division import check_micro_batch_divides


def check_input(model, x):
    """Raises early what would fail late and at length inside Keras.

    Args:
        model: a compiled `GPT3`.
        x: as in `GPT3.fit`, or its `validation_data`.

    Raises:
        ValueError: If a dataset's batches do not divide among the replicas, or
            the devices of JAX, an array holds an id outside the vocabulary,
            sequences are longer than the context, or strings come without a
            preprocessor; or if `x` is a Python generator, which keras-hub's
            models do not take.
    """
    if inspect.isgenerator(x):
        raise ValueError(
            "x must be text, a dict of arrays or a tf.data.Dataset. Received: "
            "x of type generator. Make a dataset of it with "
            "tf.data.Dataset.from_generator, or token shards with "
            "keras_gpt3.data.write_token_shards."
        )
    backbone, preprocessor = model.backbone, model.preprocessor
    is_dataset = hasattr(x, "element_spec")
    inputs = x.element_spec if is_dataset else x
    if isinstance(inputs, tuple):  # Labels follow.
        inputs = inputs[0]
    if isinstance(inputs, dict) and "token_ids" in inputs:
        token_ids = inputs["token_ids"]
        if not is_dataset:
            check_concrete_token_ids(token_ids, backbone.vocabulary_size)
        length = np.shape(token_ids)[-1]
        check_sequence_length(length, backbone.max_sequence_length)
    elif isinstance(inputs, dict):
        _refuse_keys(inputs, preprocessor)
    elif isinstance(inputs, (str, list)) and preprocessor is None:
        model.preprocess_samples(inputs)  # Raises.
    elif preprocessor is not None and inputs is not None:
        check_sequence_length(
            getattr(preprocessor, "sequence_length", None),
            backbone.max_sequence_length,
        )
    if keras.config.backend() == "tensorflow":
        from keras_gpt3.parallel.replicas import check_batch_divides

        check_batch_divides(x, model.distribute_strategy.num_replicas_in_sync)
    elif (rows := _rows(x)) is not None:
        check_shards_divide(num_data_shards(), rows)


def check_micro_batches(model, x):
    """Raises where the micro-batches of `fit` cannot divide a dataset's batch.

    Args:
        model: a compiled `GPT3`.
        x: as in `GPT3.fit`. Other inputs are checked in the step.

    Raises:
        ValueError: If the batch size is known, and the part of a replica is no
            multiple of the `micro_batch_size` given to `compile`.
    """
    size, rows = model._step.micro_batch_size, _rows(x)
    if size is not None and rows is not None:
        check_micro_batch_divides(size, rows // _num_parts(model))


def check_batch(model, x, y, sample_weight):
    """Checks a batch of token ids, eagerly or as a part of a graph.

    Args:
        model: a `GPT3`.
        x: dict of `"token_ids"` and `"padding_mask"`.
        y: int array or tensor of the shape of the ids, or `None`.
        sample_weight: `None`, or of shape `(batch,)` or `(batch, length)`.

    Returns:
        A tuple of the three; weights of rows have a second axis of 1.

    Raises:
        ValueError: If an id or a label is outside the vocabulary, or the ids
            are longer than the context.
    """
    backbone = model.backbone
    token_ids = check_token_ids(x["token_ids"], backbone.vocabulary_size)
    if hasattr(token_ids, "shape"):
        token_ids = check_context(token_ids, backbone.max_sequence_length)
    if y is not None and model._step.own_loss:
        y = check_token_ids(y, backbone.vocabulary_size, name="y")
    if len(getattr(sample_weight, "shape", ())) == 1:
        sample_weight = sample_weight[:, None]
    return x | {"token_ids": token_ids}, y, sample_weight


def _refuse_keys(inputs, preprocessor):
    """Raises for a dict that holds no token ids, and says what to pass."""
    kinds, remedy = "a dict of token_ids and padding_mask", "Tokenize first."
    if preprocessor is not None:
        kinds = f"strings, or {kinds}"
        remedy = (
            "Pass the strings alone; prompts with their answers are for "
            "keras_gpt3.data.CompletionExamples and "
            "keras_gpt3.training.finetune."
        )
    raise ValueError(
        f"x must be {kinds}. Received: x with the keys "
        f"{sorted(map(str, inputs))}. {remedy}"
    )


def _rows(x):
    """Rows of a dataset's batches; `None` where they are not known."""
    for spec in keras.tree.flatten(getattr(x, "element_spec", ()))[:1]:
        return spec.shape[0] if spec.shape.rank else None
    return None


def _num_parts(model):
    """Over how many replicas, or parts of the devices, a batch is spread."""
    if keras.config.backend() == "tensorflow":
        return model.distribute_strategy.num_replicas_in_sync
    return num_data_shards()
