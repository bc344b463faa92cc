"""The section `model` of a pretraining run's config."""

import dataclasses

from keras_gpt3.echoed_value import echoed
from keras_gpt3.integer_argument import check_integers


@dataclasses.dataclass(frozen=True)
class ModelSection:
    """Which model, and how its step is computed.

    Args:
        preset: string. A name of `GPT3.presets`, or a folder to go on from.
        overrides: dict. Arguments of `GPT3Backbone` that differ from the
            preset's. Defaults to none.
        preprocessor: bool. Whether the preset's tokenizer comes with the
            model; `False` for a vocabulary of your own. Defaults to `True`.
        dtype: string. A Keras dtype policy. Defaults to `"float32"`.
        micro_batch_size: int. As in `GPT3.compile`. Defaults to `None`.
        rematerialization: string or int. As in `GPT3.compile`. Defaults to
            `"none"`.
        jit_compile: bool or `"auto"`. As in `GPT3.compile`. Defaults to
            `"auto"`.

    Raises:
        ValueError: If a number is out of its range.

    Example:

    ```python
    from keras_gpt3.training import ModelSection

    ModelSection("gpt3_small_en", {"num_layers": 2}, micro_batch_size=4)
    ```
    """

    preset: str
    overrides: dict = dataclasses.field(default_factory=dict)
    preprocessor: bool = True
    dtype: str = "float32"
    micro_batch_size: int | None = None
    rematerialization: str | int = "none"
    jit_compile: bool | str = "auto"

    def __post_init__(self):
        check_integers(self, "model", micro_batch_size=1)
        if self.jit_compile not in (True, False, "auto"):
            raise ValueError(
                "model.jit_compile must be a bool or 'auto'. Received: "
                f"model.jit_compile={echoed(self.jit_compile)}. Leave it out "
                "to compile whole steps on GPUs only."
            )
