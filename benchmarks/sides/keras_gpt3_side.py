"""The package's own GPT-3, one training step at a time."""

from harness.backend_device import keep_gpu_for_jax
from harness.dtype_policies import POLICIES
from harness.keras_step import TrainingStep
from harness.keras_step import bare_bytes
from harness.side_server import serve

import keras_gpt3


def training_step(
    preset="gpt3_small_en",
    dtype="float32",
    batch_size=1,
    length=2048,
    micro_batch_size=None,
    rematerialization=None,
    document_length=None,
    jit_compile=None,
    **overrides,
):
    """Builds and compiles a model.

    Args:
        preset: string. Defaults to `"gpt3_small_en"`.
        dtype: string. `"float32"` or `"bfloat16"`. Defaults to `"float32"`.
        batch_size: int. Defaults to `1`.
        length: int. Tokens in a sequence. Defaults to `2048`.
        micro_batch_size: int. See `GPT3.compile`. Defaults to `None`.
        rematerialization: string. See `GPT3.compile`. Defaults to `None`, its
            default.
        document_length: int. The mean length of documents, which are masked
            from each other. Defaults to `None`, no masks.
        jit_compile: bool. See `GPT3.compile`. Defaults to `None`, its default.
        **overrides: Arguments of the backbone that differ from the preset's,
            such as `num_layers`; `None` is the preset's.

    Returns:
        A pair of the step, a `TrainingStep`, and the model.
    """
    overrides = _given(overrides)
    model = keras_gpt3.GPT3.from_preset(
        preset,
        preprocessor=None,
        dtype=POLICIES[dtype],
        max_sequence_length=length,
        **overrides,
    )
    model.compile(
        optimizer=keras_gpt3.training.AdamW(6e-4),
        **_given(
            {
                "micro_batch_size": micro_batch_size,
                "rematerialization": rematerialization,
                "jit_compile": jit_compile,
            }
        ),
    )
    sizes = (batch_size, length, model.backbone.vocabulary_size)
    return TrainingStep(model, *sizes, document_length), model


def build(**arguments):
    """The step, and the memory of the process without a model."""
    keep_gpu_for_jax()
    bare = bare_bytes()
    step, model = training_step(**arguments)
    return step, {"bare_bytes": bare, "parameters": model.count_params()}


def _given(arguments):
    return {name: x for name, x in arguments.items() if x is not None}


if __name__ == "__main__":
    serve(build, "keras-gpt3", "tensorflow", "keras", "keras-hub", "jax")
