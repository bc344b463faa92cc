"""Refusal of a model that cannot fit, before anything is allocated."""

from keras_gpt3.planning.available_memory import available_memory
from keras_gpt3.planning.byte_size import format_bytes
from keras_gpt3.planning.dtype_bytes import BYTES_PER_WEIGHT
from keras_gpt3.planning.dtype_bytes import bytes_per_weight
from keras_gpt3.planning.memory import estimate_memory
from keras_gpt3.planning.parameter_count import count_parameters
from keras_gpt3.planning.process_weights import process_weights
from keras_gpt3.preset_loader import load_shipped_preset
from keras_gpt3.preset_loader import shipped_presets


def check_fits(config, name, dtype=None, available=None):
    """Raises if the weights of a model alone exceed the available memory.

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
