"""Refusal of a model that cannot fit, before anything is allocated."""

import math

from keras_gpt3.converters.weight_shapes import weight_shapes
from keras_gpt3.parallel.layout_rules import layout_map
from keras_gpt3.parallel.layout_rules import number_of_parts
from keras_gpt3.planning.available_memory import accelerator_memory
from keras_gpt3.planning.available_memory import available_memory
from keras_gpt3.planning.memory import BYTES_PER_WEIGHT
from keras_gpt3.planning.memory import bytes_per_weight
from keras_gpt3.planning.memory import estimate_memory
from keras_gpt3.planning.memory import format_bytes
from keras_gpt3.planning.parameter_count import complete_config
from keras_gpt3.planning.parameter_count import count_parameters
from keras_gpt3.planning.training_choice import choose_training
from keras_gpt3.planning.training_choice import given_choice
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
    import keras

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


# The estimate may be this much too high, and what might fit is not refused.
_ERROR = 0.15


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
    raise MemoryError(
        f"A training step of {name} must fit into memory: "
        f"{format_bytes(needed)} in {options.get('dtype', 'float32')} for "
        f"{batch_size} rows of {length} tokens, {format_bytes(allocated)} of "
        "them taken already. Received: available="
        f"{format_bytes(available)}, {given.arguments}. "
        f"{_remedies(config, batch_size, available + allocated, others)}"
    )


def _remedies(config, batch_size, budget, options):
    choice, fits = choose_training(config, batch_size, budget, **options)
    if fits:
        return f"Compile with {choice.arguments}."
    least = format_bytes(choice.memory["total"])
    return (
        f"Even {choice.arguments} takes {least}: use a smaller model, shorter "
        "rows or a device with more memory."
    )
