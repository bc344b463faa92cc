"""The `model_args` of lm-evaluation-harness for the package's models."""

from keras_gpt3.echoed_value import echoed
from keras_gpt3.integer_argument import check_integer
from keras_gpt3.models.gpt3 import GPT3

_KNOWN = (
    "preset",
    "model",
    "dtype",
    "batch_size",
    "max_length",
    "max_gen_toks",
    "seed",
)
# The harness passes them to each model; TensorFlow finds its devices itself.
_UNUSED = ("device", "max_batch_size", "trust_remote_code")
_AUTO_BATCH_SIZE = 8


def check_unused(arguments):
    """Raises unless arguments are those that the harness passes to any
    model.
    """
    unknown = sorted(set(arguments) - set(_UNUSED))
    if unknown:
        raise ValueError(
            f"model_args must be among {', '.join(_KNOWN)}. Received: "
            f"{', '.join(unknown)}. Name the model as preset=..."
        )


def read_batch_size(batch_size):
    """Brings a batch size to an integer."""
    if isinstance(batch_size, str):
        # "auto:4" asks to look for the size four times.
        if batch_size.partition(":")[0] == "auto":
            return _AUTO_BATCH_SIZE
        if batch_size.isdecimal():
            batch_size = int(batch_size)
    check_integer("batch_size", batch_size, minimum=1)
    return batch_size


def read_model(preset, model, dtype):
    """Loads a model, unless there is one."""
    if (preset is None) == (model is None):
        raise ValueError(
            "Exactly one of preset and model must be given. Received: preset="
            f"{echoed(preset)}, model of type {type(model).__name__}. Name a "
            "folder, a handle or a preset as preset=..."
        )
    if model is None:
        # The harness makes numbers of strings of digits.
        model = GPT3.from_preset(str(preset), dtype=dtype)
    elif dtype is not None:
        raise ValueError(
            "dtype must be left out with a model. Received: dtype="
            f"{echoed(dtype)}. Load the model with it."
        )
    if getattr(model, "preprocessor", None) is None:
        raise ValueError(
            "A model must have a preprocessor to be evaluated on texts. "
            f"Received: {type(model).__name__} without one. Attach a "
            "GPT3Preprocessor."
        )
    return model


def read_max_length(max_length, model):
    """The tokens that a model is to read."""
    context = model.backbone.max_sequence_length
    max_length = context if max_length is None else max_length
    # A context and a token behind it.
    check_integer("max_length", max_length, minimum=2)
    if max_length > context:
        raise ValueError(
            "max_length must be at most the model's max_sequence_length="
            f"{context}. Received: max_length={max_length}. Leave it out for "
            "the whole context."
        )
    return max_length
