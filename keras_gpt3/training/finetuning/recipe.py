"""Settings of a fine-tuning run as one object."""

import dataclasses

from keras_gpt3.argument_checks import check_integer
from keras_gpt3.argument_checks import check_number
from keras_gpt3.argument_checks import echoed
from keras_gpt3.data.completion_dataset import LAYOUTS
from keras_gpt3.layers.block_pattern import rematerialized_layers
from keras_gpt3.training.recipe.token_clock import TokenClock
from keras_gpt3.training.step.adamw import AdamW

_INTEGERS = {"epochs": 1, "batch_size": 1, "seed": 0, "lora_rank": 0}
_NUMBERS = {
    "learning_rate": ("above 0", "Rates are from 1e-6 to 1e-2 as a rule."),
    "weight_decay": ("of at least 0", "Use 0 for none."),
    "clip_norm": ("above 0", "Use None to clip nothing."),
    "lora_alpha": ("above 0", "Leave it out for the rank."),
}
# For all weights, and for adapters alone, which start from nothing.
_LEARNING_RATE, _LORA_LEARNING_RATE = 2e-5, 2e-4


@dataclasses.dataclass(frozen=True)
class FinetuningRecipe:
    """The recipe of fine-tuning on prompts and completions.

    The paper compares few-shot answers with fine-tuned models of others
    (section 2) and gives no settings of its own. These are the constants of
    its pretraining (Appendix B: AdamW, gradients clipped at 1.0, warm-up, then
    cosine decay to a tenth) on a clock of steps, with a smaller rate.

    Args:
        epochs: int. Passes over the pairs. Defaults to `3`.
        batch_size: int. Rows of a batch. Defaults to `16`.
        micro_batch_size: int. Rows whose gradients are computed at a time; see
            `GPT3.compile`. Defaults to `None`, all.
        learning_rate: float. The peak. Defaults to `None`: 2e-5 for all
            weights, 2e-4 for adapters.
        warmup_fraction: float. Share of the steps that warm up. Defaults to
            `0.05`.
        weight_decay: float. Defaults to `0.01`.
        clip_norm: float. Bound on the global norm of the gradient; `None`
            for none. Defaults to `1.0`.
        layout: string. `"padded"` gives each pair a row, `"packed"` puts
            several into each context, where none sees another; see
            `keras_gpt3.data.completion_dataset`. Defaults to `"padded"`.
        lora_rank: int. Rank of adapters; `0` trains all weights. Defaults to
            `0`.
        lora_alpha: float. An adapter counts `lora_alpha / lora_rank` times.
            Defaults to `None`, the rank.
        lora_layers: sequence of strings. Names of the layers to adapt.
            Defaults to `None`: `("query_key_value",)`.
        rematerialization: string or int. Blocks that run forward again in the
            backward pass: `"none"`, `"block"` for all, or `k` for every
            `k`-th. Defaults to `"none"`.
        seed: int. Determines the order of the pairs. Defaults to `0`.

    Raises:
        ValueError: If a number is out of its range, the layout unknown, or
            something is said of adapters where there are none.

    Example:

    ```python
    import keras_gpt3

    recipe = keras_gpt3.training.FinetuningRecipe(epochs=2, lora_rank=8)
    optimizer = recipe.optimizer(num_steps=100)
    ```
    """

    epochs: int = 3
    batch_size: int = 16
    micro_batch_size: int | None = None
    learning_rate: float | None = None
    warmup_fraction: float = 0.05
    weight_decay: float = 0.01
    clip_norm: float = 1.0
    layout: str = "padded"
    lora_rank: int = 0
    lora_alpha: float | None = None
    lora_layers: tuple[str, ...] | None = None
    rematerialization: str | int = "none"
    seed: int = 0

    def __post_init__(self):
        if self.learning_rate is None:
            rate = _LORA_LEARNING_RATE if self.lora_rank else _LEARNING_RATE
            object.__setattr__(self, "learning_rate", rate)
        if isinstance(self.lora_layers, str):
            object.__setattr__(self, "lora_layers", (self.lora_layers,))
        for name, minimum in _INTEGERS.items():
            check_integer(name, getattr(self, name), minimum)
        for name, (bound, remedy) in _NUMBERS.items():
            value = getattr(self, name)
            # One that must be given is so by its default.
            if value is not None or name not in ("clip_norm", "lora_alpha"):
                check_number(name, value, remedy, bound)
        if self.layout not in LAYOUTS:
            raise ValueError(
                f"layout must be one of {LAYOUTS}. Received: layout="
                f"{echoed(self.layout)}. Use 'packed' for several pairs in a "
                "context, 'padded' for one."
            )
        if not 0 <= self.warmup_fraction < 1:
            raise ValueError(
                "warmup_fraction must be from 0 to below 1. Received: "
                f"warmup_fraction={self.warmup_fraction}. It is the share of "
                "the steps that warm up."
            )
        rematerialized_layers(self.rematerialization, num_layers=1)
        self._check_adapters()
        self._check_micro_batches()

    def schedule(self, num_steps):
        """Return the learning rate as a function of the step.

        Args:
            num_steps: int. Updates in the whole run.

        Returns:
            A `TokenClock` that counts steps.
        """
        return TokenClock(
            self.learning_rate,
            batch_tokens=1,
            warmup_tokens=self.warmup_fraction * num_steps,
            decay_tokens=num_steps,
        )

    def optimizer(self, num_steps):
        """Make an AdamW optimizer that follows the schedule.

        Args:
            num_steps: int. Updates in the whole run.

        Returns:
            A `keras_gpt3.training.AdamW`.
        """
        return AdamW(
            self.schedule(num_steps),
            weight_decay=self.weight_decay,
            global_clipnorm=self.clip_norm,
        )

    def _check_adapters(self):
        if self.lora_layers is not None and not self.lora_layers:
            raise ValueError(
                "lora_layers must name at least one layer. Received: "
                f"lora_layers={echoed(self.lora_layers)}. Leave it out for "
                "('query_key_value',)."
            )
        for name in ("lora_alpha", "lora_layers"):
            value = getattr(self, name)
            if value is not None and not self.lora_rank:
                raise ValueError(
                    f"{name} must come with a lora_rank of at least 1. "
                    f"Received: {name}={value}, lora_rank=0. Leave it out to "
                    "train all weights."
                )

    def _check_micro_batches(self):
        size = self.micro_batch_size
        if size is None:
            return
        check_integer("micro_batch_size", size, minimum=1)
        if self.batch_size % size:
            raise ValueError(
                "micro_batch_size must divide batch_size. Received: "
                f"micro_batch_size={size}, batch_size={self.batch_size}. Pass "
                "a divisor."
            )
