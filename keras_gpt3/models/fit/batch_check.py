"""Checks of what `fit`, `evaluate` and `predict` are given."""

import keras
import numpy as np

from keras_gpt3.argument_checks import echoed
from keras_gpt3.ops.sequence_checks import check_concrete_token_ids
from keras_gpt3.ops.sequence_checks import check_context
from keras_gpt3.ops.sequence_checks import check_sequence_length
from keras_gpt3.ops.sequence_checks import check_token_ids
from keras_gpt3.parallel.step_division import check_micro_batch_divides
from keras_gpt3.parallel.variable_layouts import check_shards_divide
from keras_gpt3.parallel.variable_layouts import num_data_shards


def check_input(model, x):
    """Raise early what would fail late and at length inside Keras."""
    _check_kind(x)
    backbone, preprocessor = model.backbone, model.preprocessor
    is_dataset = hasattr(x, "element_spec")
    inputs = x.element_spec if is_dataset else x
    if isinstance(inputs, tuple):  # Labels follow.
        inputs = inputs[0]
    if isinstance(inputs, dict) and "token_ids" in inputs:
        token_ids = inputs["token_ids"]
        _check_rectangular(token_ids)
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


def check_labels(x, y=None, sample_weight=None, class_weight=None, **kwargs):
    """Raise at labels and weights that would be ignored, or misread."""
    if class_weight is not None:
        raise ValueError(
            "class_weight must be None, for every token is a label. Received: "
            f"class_weight={echoed(class_weight)}. Pass the weight of each "
            "token as sample_weight."
        )
    if hasattr(x, "element_spec"):
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(
            x.element_spec
        )
    for name, value in (("y", y), ("sample_weight", sample_weight)):
        if value is not None and is_text(x):
            raise ValueError(
                f"{name} must be None with strings, which give the labels and "
                f"weights of their tokens. Received: {name} of type "
                f"{type(value).__name__}. Pass what the preprocessor makes of "
                "the strings, changed as you wish."
            )


def check_micro_batches(
    model,
    x,
    batch_size=None,
    validation_split=0.0,
    steps_per_epoch=None,
    epochs=1,
    initial_epoch=0,
    **kwargs,
):
    """Raise where the micro-batches of `fit` cannot divide a batch."""
    size, parts = model.compiled_step.micro_batch_size, _num_parts(model)
    batches = [_rows(x)]
    if isinstance(x, (dict, list, tuple)) or hasattr(x, "shape"):
        rows = _num_rows(x)
        rows = int(rows * (1 - (validation_split or 0)))
        batch_size = batch_size or 32
        batches = [batch_size] * (rows // batch_size) + [rows % batch_size]
        if steps_per_epoch is not None:
            batches = batches[: steps_per_epoch * (epochs - initial_epoch)]
    for rows in sorted({rows for rows in batches if rows}, reverse=True):
        if keras.config.backend() == "jax":
            check_shards_divide(parts, rows)
        # The last replica may have fewer rows than all others.
        part = -(-rows // parts)
        if size is not None:
            check_micro_batch_divides(size, part)
            check_micro_batch_divides(size, rows % part)


def check_batch(model, x, y, sample_weight):
    """Check a batch of token ids, eagerly or as a part of a graph."""
    backbone = model.backbone
    _check_rectangular(x["token_ids"])
    token_ids = check_token_ids(x["token_ids"], backbone.vocabulary_size)
    if hasattr(token_ids, "shape"):
        token_ids = check_context(token_ids, backbone.max_sequence_length)
    if y is not None:
        model._assert_compile_called()
    if y is not None and model.compiled_step.own_loss:
        y = check_token_ids(y, backbone.vocabulary_size, name="y")
    if len(getattr(sample_weight, "shape", ())) == 1:
        sample_weight = sample_weight[:, None]
    return x | {"token_ids": token_ids}, y, sample_weight


def is_text(x):
    """Whether data is a string or holds some."""
    while isinstance(x, (list, tuple)) and x:
        x = x[0]
    dtype = str(getattr(x, "dtype", type(x).__name__))
    return any(part in dtype for part in ("str", "bytes", "<U", "|S", "object"))


def check_end(x, **steps):
    """Raise where nothing ends the pass over a dataset; Keras would not."""
    ((name, number),) = steps.items()
    if number is not None or keras.config.max_steps_per_epoch():
        return
    # -1 is TensorFlow's number for infinity.
    if hasattr(x, "element_spec") and int(x.cardinality()) == -1:
        raise ValueError(
            f"{name} must be given with a dataset that has no end. Received: "
            f"{name}=None. Give it, or epochs to packed_dataset."
        )


def _check_kind(x):
    """Raise at data of a kind that keras-hub's models do not take."""
    is_plain = x is None or isinstance(x, (str, bytes, list, tuple, dict))
    if is_plain or hasattr(x, "shape") or hasattr(x, "map"):
        return
    remedy = (
        "Make a dataset of it with tf.data.Dataset.from_generator, or token "
        "shards with keras_gpt3.data.write_token_shards."
    )
    if hasattr(x, "element_spec"):  # Of a strategy.
        remedy = "Pass the dataset that was distributed, which fit distributes."
    raise ValueError(
        "x must be text, a dict of arrays or a tf.data.Dataset. Received: x of "
        f"type {type(x).__name__}. {remedy}"
    )


def _check_rectangular(token_ids):
    """Raise unless rows of ids, or their spec, are of one length."""
    is_ragged = type(token_ids).__name__.startswith("Ragged")
    if isinstance(token_ids, (list, tuple)):
        is_ragged = len({np.size(row) for row in token_ids}) > 1
    if is_ragged:
        raise ValueError(
            "token_ids must be rows of one length. Received: token_ids of type "
            f"{type(token_ids).__name__}. Pad them, with a padding_mask that "
            "is False there."
        )


def _refuse_keys(inputs, preprocessor):
    """Raise for a dict that holds no token ids, and say what to pass."""
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


def _num_rows(x):
    """Rows of strings or of arrays, together; 0 where there are none."""
    if isinstance(x, dict):
        x = next(iter(x.values()), None)
    # An array of strings would be as wide as the longest.
    is_many = getattr(x, "ndim", 1)
    return len(x) if hasattr(x, "__len__") and is_many else 0


def _num_parts(model):
    """Over how many replicas, or parts of the devices, a batch is spread."""
    if keras.config.backend() == "tensorflow":
        return model.distribute_strategy.num_replicas_in_sync
    return num_data_shards()


def batch_shape(model, x, batch_size=None):
    """Rows and length of a batch of all replicas; `None` where not known."""
    if hasattr(x, "element_spec"):
        inputs = x.element_spec
        inputs = inputs[0] if isinstance(inputs, tuple) else inputs
        if isinstance(inputs, dict) and "token_ids" in inputs:
            shape = inputs["token_ids"].shape
            return tuple(shape) if shape.rank == 2 else (None, None)
        return None, None
    batch_size = batch_size or 32
    if isinstance(x, dict) and np.ndim(x.get("token_ids")) == 2:
        rows, length = np.shape(x["token_ids"])
        return min(rows, batch_size), length
    if isinstance(x, (list, tuple)) and model.preprocessor is not None:
        return min(len(x), batch_size), model.preprocessor.sequence_length
    return None, None
