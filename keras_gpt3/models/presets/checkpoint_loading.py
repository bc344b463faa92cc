"""From a folder in Hugging Face's layout to a backbone.

Part by part: TensorFlow's variables are written where they lie.
"""

import itertools
import logging
import math

import keras
import numpy as np

from keras_gpt3.argument_checks import echoed
from keras_gpt3.converters.checkpoint_families import family_of
from keras_gpt3.converters.name_match import match_names
from keras_gpt3.converters.sharded_index import read_config_json
from keras_gpt3.converters.weight_files import open_weights
from keras_gpt3.layers.initializers import stored_weights_follow
from keras_gpt3.models.presets.weight_of_path import check_stored_shapes
from keras_gpt3.models.presets.weight_of_path import variable_of_path
from keras_gpt3.planning.preflight import check_fits

_logger = logging.getLogger("keras_gpt3")


def load_checkpoint(cls, folder, load_weights, overrides):
    """Build the backbone that a checkpoint holds.

    The weights go from the files into the variables a piece at a time, so
    that the most memory is little more than the model's own.
    """
    config = read_config_json(folder)
    family = family_of(config)
    stored = family.backbone_arguments(config)
    has_weights = load_weights is not False
    if has_weights:
        check_stored_shapes(stored, overrides)
    arguments = stored | overrides
    dtype = keras.dtype_policies.get(
        arguments.get("dtype") or keras.config.dtype_policy()
    )
    check_fits(arguments, str(folder), dtype)
    if not has_weights:
        _logger.warning(
            "No weights of %s are loaded; it is initialized as GPT-3.", folder
        )
        return cls(**arguments)
    return _build_and_fill(cls, arguments, dtype, family, open_weights(folder))


def _build_and_fill(cls, arguments, dtype, family, weights):
    """A backbone with the weights of some opened files."""
    if dtype.quantization_mode:
        raise ValueError(
            "A checkpoint must be loaded in a floating-point type. Received: "
            f"dtype={echoed(dtype.name)}. Load it without, and call quantize."
        )
    match = match_names(family, arguments, weights.shapes)
    if match.tied_head is not None:
        check_tied(weights, match.tied_head, match.token_embedding)
    with stored_weights_follow():
        backbone = cls(**arguments)
    for rule in match.rules:
        stream_weight(variable_of_path(backbone, rule.path), rule, weights)
    return backbone


# Large enough that opening the file again costs nothing beside it.
PIECE_BYTES = 2 * 2**20


def stream_weight(variable, rule, weights, piece_bytes=PIECE_BYTES):
    """Fill a variable from the tensors that hold it."""
    dtype = keras.backend.standardize_dtype(variable.dtype)

    def parts():
        for i, name in enumerate(rule.tensor_names):
            places = rule.places(i)
            for start, rows in pieces(weights, name, piece_bytes):
                end, rows = start + len(rows), _cast(rows, dtype, name)
                if rule.transposed:
                    before = (slice(0, rows.shape[1]),)
                    yield from _placed(rule, rows.T, places[start:end], before)
                elif rows.ndim == 1:
                    yield from _placed(rule, rows, places[start:end], ())
                else:
                    before = (slice(start, end),)
                    yield from _placed(rule, rows, places, before)

    fill_variable(variable, parts())


def _placed(rule, array, places, before):
    """Cut an array where its neighbours are none on our last axis.

    Yields pairs for `fill_variable`; `before` is the slice of the first of two
    axes.
    """
    if len(places) == rule.shape[-1]:  # One write, where all are there.
        yield (*before, slice(0, len(places))), rule.join(array)
        return
    cuts = np.flatnonzero(np.diff(places) != 1) + 1
    for start, end in itertools.pairwise((0, *cuts, len(places))):
        first = int(places[start])
        run = slice(first, first + end - start)
        yield (*before, run), array[..., start:end]


def pieces(weights, name, piece_bytes=PIECE_BYTES):
    """Read a tensor some rows at a time."""
    shape = weights.shapes[name]
    # 4 bytes a number; whatever is stored, the order of magnitude is right.
    step = max(1, piece_bytes // (4 * math.prod(shape[1:])))
    for start in range(0, shape[0], step):
        rows = weights.read(name, start, min(start + step, shape[0]))
        _check_numbers(rows, name)
        yield start, rows


def check_tied(weights, head, embedding):
    """Raise unless the output head holds what the token embedding holds."""
    for start, rows in pieces(weights, head):
        same = weights.read(embedding, start, start + len(rows))
        if not np.array_equal(rows, same):
            raise ValueError(
                "The output head must be the token embedding, as in all models "
                f"of this kind. Received: {head} that differs from {embedding}"
                f". Remove {head} from the checkpoint, if it is unused."
            )


def _check_numbers(rows, name):
    """Raise at integers, NaN and infinity."""
    if rows.dtype.kind not in "fV":  # V is bfloat16.
        raise ValueError(
            f"Weights must be floating-point numbers. Received: {name} of type "
            f"{rows.dtype}. Save the checkpoint in float32."
        )
    if not _are_finite(rows):
        raise ValueError(
            f"Weights must be finite numbers. Received: {name} with NaN or "
            "infinity in it. Use a checkpoint from before its training failed, "
            "or one in float32."
        )


def _are_finite(rows):
    """Whether all numbers are, at 2% of the time it takes to load them."""
    if rows.itemsize > 2 or not rows.size:
        return np.isfinite(rows).all()
    # numpy is ten times as slow here. Others have all bits of the exponent.
    bits = rows.view("uint16")
    exponent = np.array(np.inf, rows.dtype).view("uint16")
    return (bits & exponent).max() < exponent


def _cast(rows, dtype, name):
    """Numbers in another type; those that it cannot hold are an error."""
    with np.errstate(over="raise"):
        try:
            return rows.astype(dtype, copy=False)
        except FloatingPointError as error:
            raise ValueError(
                f"dtype must hold the numbers of the weights. Received: {dtype}"
                f', with larger ones in {name}. Pass dtype="bfloat16" or '
                '"float32".'
            ) from error


def fill_variable(variable, parts):
    """Set a variable from parts that together cover it.

    On TensorFlow each part is written into the variable's own memory, that of
    every replica. Other backends have no such operation: they get the whole
    array at once, with zeros where there is no part: a table that is padded
    for several devices has more rows than there are ids.
    """
    if keras.backend.backend() == "tensorflow":
        for slices, array in parts:
            _assign_in_place(variable, slices, array)
        return
    whole = np.zeros(variable.shape, variable.dtype)
    for slices, array in parts:
        whole[slices] = array
    variable.assign(whole)


def _assign_in_place(variable, slices, array):
    """Write into the memory of a variable, or of each of its replicas."""
    import tensorflow as tf

    value = variable.value
    for component in getattr(value, "values", (value,)):
        # `component[slices].assign` reads the variable first, and what is
        # being read is copied as a whole before it is written to.
        tf.raw_ops.ResourceStridedSliceAssign(
            ref=component.handle,
            begin=[part.start for part in slices],
            end=[part.stop for part in slices],
            strides=[1] * len(slices),
            value=tf.cast(array, component.dtype),
        )
