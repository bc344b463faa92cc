"""Why a plan fits, or what would fit, in words."""

from keras_gpt3.planning.byte_size import format_bytes
from keras_gpt3.planning.dtype_bytes import bytes_per_weight
from keras_gpt3.planning.training_choice import MARGIN
from keras_gpt3.planning.training_choice import choose_training


def plan_reason(config, batch_size, choice, budget, **options):
    """Says how the memory of a choice compares with what may be used.

    Args:
        config: dict. The arguments of `GPT3Backbone`.
        batch_size: int. Rows of one replica.
        choice: `TrainingChoice`.
        budget: int. Bytes of a device that may be used.
        **options: As in `choose_training`, `dtype` among them.

    Returns:
        A str, one or two sentences.
    """
    total = choice.memory["total"]
    usable = (
        f"the {format_bytes(budget)} that may be used ({MARGIN:.0%} of a "
        "device stays free)"
    )
    if total <= budget:
        return f"The step takes {format_bytes(total)} at its peak, of {usable}."
    return (
        f"Even with {choice.arguments} the step takes {format_bytes(total)} at "
        f"its peak, {format_bytes(total - budget)} more than {usable}. Use "
        f"{_remedies(config, batch_size, total, budget, options)}; each "
        "device holds the whole model, as this package cannot split it over "
        "devices yet."
    )


def _remedies(config, batch_size, total, budget, options):
    """What would fit: a larger device, and perhaps half of the bytes."""
    device = f"devices of {format_bytes(total / (1 - MARGIN))}"
    if bytes_per_weight(options["dtype"])[1] <= 2:
        return device
    half = options | {"dtype": "bfloat16"}
    choice, fits = choose_training(config, batch_size, budget, **half)
    if not fits:
        return device
    return f"{device}, or dtype='bfloat16' with {choice.arguments}"
