"""Refusal of a `fit` that would run out of memory."""

import math

import keras
import numpy as np
import psutil

from keras_gpt3.ops.op_compilation import has_gpu
from keras_gpt3.planning.available_memory import available_memory
from keras_gpt3.planning.available_memory import device_memory
from keras_gpt3.planning.memory import BYTES_PER_WEIGHT
from keras_gpt3.planning.memory import SLOTS_PER_WEIGHT
from keras_gpt3.planning.preflight import check_training_fits


def check_memory(model, x, batch_size=None):
    """Raise if a step of `fit` cannot fit, as far as that can be estimated.

    The planner knows the package's own loss, with all weights trained by Adam
    or SGD: on TensorFlow without a pipeline, on JAX on one accelerator. Of
    other steps, and of batches of a size that is not known, nothing is said.
    """
    optimizer = _optimizer_name(model.optimizer)
    dtype = model.backbone.dtype_policy.name
    accelerator = _accelerator(model.compiled_step)
    can_estimate = (
        _is_known(accelerator)
        and model.compiled_step.is_fused
        and model.compiled_step.pipeline_stages == 1
        and optimizer in SLOTS_PER_WEIGHT
        and dtype in BYTES_PER_WEIGHT
        and len(model.trainable_weights) == len(model.weights)
    )
    if not can_estimate:
        return
    rows, length = _batch_shape(model, x, batch_size or 32)
    if not rows or not length:
        return
    replicas = 1
    if keras.config.backend() == "tensorflow":
        replicas = model.distribute_strategy.num_replicas_in_sync
    check_training_fits(
        model.backbone.get_config(),
        model.name,
        dtype=dtype,
        optimizer=optimizer,
        batch_size=max(1, rows // replicas),
        length=length,
        micro_batch_size=model.compiled_step.micro_batch_size,
        rematerialization=model.compiled_step.rematerialization,
        accelerator=accelerator,
        **_memory(model, replicas),
    )


def _accelerator(step):
    """The backend if it compiles the whole step for a GPU, else `None`."""
    backend = keras.config.backend()
    compiles = backend == "jax" or step.jit_compile_step
    return backend if compiles and has_gpu() else None


def _is_known(accelerator):
    """Whether the planner knows the step and the memory of where it runs."""
    if keras.config.backend() == "tensorflow":
        return accelerator is None or device_memory() is not None
    is_whole = keras.distribution.distribution() is None
    return accelerator == "jax" and is_whole and device_memory() is not None


def _batch_shape(model, x, batch_size):
    """Rows and length of a batch of all replicas; `None` where not known."""
    if hasattr(x, "element_spec"):
        inputs = x.element_spec
        inputs = inputs[0] if isinstance(inputs, tuple) else inputs
        if isinstance(inputs, dict) and "token_ids" in inputs:
            shape = inputs["token_ids"].shape
            return tuple(shape) if shape.rank == 2 else (None, None)
        return None, None
    if isinstance(x, dict) and np.ndim(x.get("token_ids")) == 2:
        rows, length = np.shape(x["token_ids"])
        return min(rows, batch_size), length
    if isinstance(x, (list, tuple)) and model.preprocessor is not None:
        return min(len(x), batch_size), model.preprocessor.sequence_length
    return None, None


def _optimizer_name(optimizer):
    """The name by which the planner knows an optimizer."""
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    name = type(optimizer).__name__.lower()
    # Momentum takes a slot of which the planner does not know.
    return "momentum" if getattr(optimizer, "momentum", 0) else name


def _memory(model, replicas):
    """What is left, and what the model takes of what there was."""
    if device_memory() is not None:  # Counted as a whole, taken or not.
        return {"available": available_memory(), "allocated": 0}
    variables = model.variables + model.optimizer.variables
    allocated = sum(
        math.prod(v.shape) * np.dtype(v.dtype).itemsize for v in variables
    )
    # TensorFlow keeps what an earlier step has freed, for the next one.
    held = psutil.Process().memory_info().rss
    kept = max(0, held - replicas * allocated)
    return {
        "available": (available_memory() + kept) // replicas,
        "allocated": allocated,
    }
