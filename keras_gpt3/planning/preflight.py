"""Refusal of a model that cannot fit, before anything is allocated."""

import math

import keras
import numpy as np
import psutil

from keras_gpt3.converters.weight_shapes import weight_shapes
from keras_gpt3.ops.op_compilation import has_gpu
from keras_gpt3.parallel.layout_rules import layout_map
from keras_gpt3.parallel.layout_rules import number_of_parts
from keras_gpt3.parallel.replicas import num_workers
from keras_gpt3.planning.available_memory import accelerator_memory
from keras_gpt3.planning.available_memory import available_memory
from keras_gpt3.planning.available_memory import device_memory
from keras_gpt3.planning.memory import BYTES_PER_WEIGHT
from keras_gpt3.planning.memory import SLOTS_PER_WEIGHT
from keras_gpt3.planning.memory import bytes_per_weight
from keras_gpt3.planning.memory import estimate_memory
from keras_gpt3.planning.memory import format_bytes
from keras_gpt3.planning.parameter_count import complete_config
from keras_gpt3.planning.parameter_count import count_parameters
from keras_gpt3.planning.training_memory import choose_training
from keras_gpt3.planning.training_memory import given_choice
from keras_gpt3.preset_loader import load_shipped_preset
from keras_gpt3.preset_loader import shipped_presets


def check_fits(config, name, dtype=None, available=None):
    """Raise if the weights of a model alone exceed the available memory.

    Under a distribution over several devices, those count that lie in the
    memory of which `available_memory` speaks.

    Args:
        config: dict. The arguments of `GPT3Backbone`, overrides included.
        name: string. What to call the model: its preset's name or folder.
        dtype: string, `keras.DTypePolicy` or its config. The policy to build
            the model with. Defaults to Keras' global policy.
        available: int. Bytes available. Defaults to `available_memory()`.

    Raises:
        MemoryError: If the weights do not fit. The message says how much is
            needed, how much there is, and what would fit.

    Example:

    ```python
    from keras_gpt3.planning import check_fits
    from keras_gpt3.preset_loader import load_shipped_preset

    config = load_shipped_preset("gpt3_small_en")["backbone"]
    check_fits(config, "gpt3_small_en", "float32")  # passes: 0.5 GB
    ```
    """
    available = available_memory() if available is None else available
    dtype, width = bytes_per_weight(dtype)
    num_parameters = process_weights(config)
    if num_parameters * width <= available:
        return
    needed = format_bytes(num_parameters * width)
    raise MemoryError(
        f"The weights of {name} must fit into memory: "
        f"{needed} in {dtype}{_to_train(num_parameters, dtype)}. "
        f"Received: available={format_bytes(available)}. "
        f"{_remedy(name, num_parameters, width, available)}"
    )


def _to_train(num_parameters, dtype):
    if dtype not in BYTES_PER_WEIGHT:  # quantized: not to be trained
        return ""
    total = estimate_memory(num_parameters, dtype, "adamw")["total"]
    return f" ({format_bytes(total)} with gradients and AdamW, to train)"


def _remedy(name, num_parameters, width, available):
    ways = []
    if width > 2 and num_parameters * 2 <= available:
        ways.append('dtype="bfloat16", ')
    smaller = _largest_fitting_preset(width, available)
    if smaller is not None:
        ways.append(f"a smaller preset such as {smaller}, ")
    # describe reads what is on this machine only.
    remote = str(name).startswith("hf://")
    described = "config" if remote else f'"{name}"'
    plan = f"keras_gpt3.describe({described}) to plan"
    return f"Use {''.join(ways)}{'or ' if ways else ''}{plan}."


def _largest_fitting_preset(width, available):
    fitting = None
    for name in shipped_presets():
        config = load_shipped_preset(name)["backbone"]
        if sum(count_parameters(config).values()) * width <= available:
            fitting = name
    return fitting


def process_weights(config):
    """Count the weights that a new model puts into the available memory.

    That is the memory that `available_memory` finds: of one accelerator, or,
    where devices are CPUs, of the host that those of this process share. Under
    a `keras.distribution` that splits weights, each device holds a part of
    them; what is not split, each holds whole.
    """
    count = sum(count_parameters(config).values())
    distribution = _distribution()
    if distribution is None:
        return count
    layouts = layout_map()
    # Layers are alike, but each has its own layouts in a map.
    shapes = weight_shapes(complete_config(config))
    of_device = sum(
        -(-math.prod(shape) // number_of_parts(layouts, path))
        for path, shape in shapes.items()
    )
    return of_device * _devices_of_a_memory(distribution)


def _distribution():
    """The distribution that is set, if the backend uses it."""
    if keras.config.backend() != "jax":
        return None
    return keras.distribution.distribution()


def _devices_of_a_memory(distribution):
    """How many devices of a distribution share the available memory."""
    import jax

    if accelerator_memory() is not None:
        return 1
    devices = math.prod(distribution.device_mesh.shape)
    return min(jax.local_device_count(), devices)


# === Training ===

# The estimate may be this much too high, and what might fit is not refused.
_ERROR = 0.15


class StepMemoryError(MemoryError):
    """A training step that does not fit, and arguments with which it would.

    Where these are given differs: in `compile`, in a recipe, a config or on
    the command line. Who takes them there words the remedy.
    """

    def __init__(self, problem, choice, remedy):
        super().__init__(f"{problem} {remedy}")
        self._problem, self._choice = problem, choice

    def with_remedy(self, remedy):
        """The same error with another remedy, a function of the choice."""
        if self._choice is None:  # Nothing fits, however it is said.
            return self
        return type(self)(self._problem, self._choice, remedy(self._choice))


def check_training_fits(
    config, name, *, batch_size=1, allocated=0, available=None, **options
):
    """Raise if a training step needs more memory than there is.

    A model that is about to be trained is in memory already, and what is
    available has shrunk by it. So the step's peak is compared with what is
    available and what is `allocated` together. The estimate counts as 15% too
    high: a step that might fit is not refused, one that `plan` finds too large
    may pass.

    Args:
        config: dict. The arguments of `GPT3Backbone`.
        name: string. What to call the model: its preset's name or folder.
        batch_size: int. Rows of one replica. Defaults to `1`.
        allocated: int. Bytes of the model's variables (weights, and optimizer
            slots if they exist) that `available` no longer includes. It stays
            0 on a GPU, whose memory counts as a whole. Defaults to `0`.
        available: int. Bytes available beside them, to one replica. Defaults
            to `None`, `available_memory()`.
        **options: Other arguments of `estimate_training_memory`.

    Raises:
        MemoryError: If the step does not fit. The message says how much is
            needed, how much there is, and which arguments of `compile` would
            fit.

    Example:

    ```python
    from keras_gpt3.planning import check_training_fits
    from keras_gpt3.preset_loader import load_shipped_preset

    config = load_shipped_preset("gpt3_small_en")["backbone"]
    check_training_fits(config, "gpt3_small_en", available=24 * 10**9)
    ```
    """
    given = given_choice(config, batch_size, **options)
    needed = given.memory["total"]
    available = available_memory() if available is None else available
    if (1 - _ERROR) * needed <= available + allocated:
        return
    length = options.get("length") or config["max_sequence_length"]
    others = {k: options[k] for k in options if k not in vars(given)}
    problem = (
        f"A training step of {name} must fit into memory: "
        f"{format_bytes(needed)} in {options.get('dtype', 'float32')} for "
        f"{batch_size} rows of {length} tokens, {format_bytes(allocated)} of "
        "them taken already. Received: available="
        f"{format_bytes(available)}, {given.arguments}."
    )
    budget = available + allocated
    choice, fits = choose_training(config, batch_size, budget, **others)
    if fits:
        remedy = f"Compile with {choice.arguments}."
        raise StepMemoryError(problem, choice, remedy)
    least = format_bytes(choice.memory["total"])
    raise StepMemoryError(
        problem,
        None,
        f"Even {choice.arguments} takes {least}: use a smaller model, shorter "
        "rows or a device with more memory.",
    )


def check_step_fits(model, rows, length, name=None):
    """Raise if the step of a compiled model cannot fit, where that is known.

    The planner knows the package's own loss, with all weights trained by Adam
    or SGD: on TensorFlow without a pipeline, on JAX on one accelerator. Of
    other steps nothing is said. The rows are those of all replicas.
    """
    step = model.compiled_step
    optimizer = _optimizer_name(model.optimizer)
    dtype = model.backbone.dtype_policy.name
    accelerator = _accelerator(step)
    can_estimate = (
        _is_known(accelerator)
        and step.is_fused
        and step.pipeline_stages == 1
        and optimizer in SLOTS_PER_WEIGHT
        and dtype in BYTES_PER_WEIGHT
        and len(model.trainable_weights) == len(model.weights)
    )
    if not can_estimate:
        return
    replicas = 1
    if keras.config.backend() == "tensorflow":
        replicas = model.distribute_strategy.num_replicas_in_sync
    check_training_fits(
        model.backbone.get_config(),
        name or model.name,
        dtype=dtype,
        optimizer=optimizer,
        batch_size=max(1, rows // replicas),
        length=length,
        micro_batch_size=step.micro_batch_size,
        rematerialization=step.rematerialization,
        accelerator=accelerator,
        **_memory_of_a_replica(model, replicas // num_workers()),
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


def _optimizer_name(optimizer):
    """The name by which the planner knows an optimizer."""
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    name = type(optimizer).__name__.lower()
    # Momentum takes a slot of which the planner does not know.
    return "momentum" if getattr(optimizer, "momentum", 0) else name


def _memory_of_a_replica(model, replicas):
    """What is left, and what the model takes; `replicas` share a host."""
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
