"""The section `log` of a pretraining run's config."""

import dataclasses

from keras_gpt3.echoed_value import echoed
from keras_gpt3.integer_argument import check_integers
from keras_gpt3.training.positive_fields import check_positive


@dataclasses.dataclass(frozen=True)
class LogSection:
    """What is written while the run goes on.

    Args:
        every_steps: int. Steps between two lines. Defaults to `10`.
        plot: bool. Whether to draw the curves, after each validation and at
            the end. Defaults to `True`.
        tensorboard: bool. Whether to write scalars for TensorBoard. Defaults
            to `True`.
        wandb_project: string. Project of Weights & Biases, which must be
            installed. Defaults to `None`, none.
        peak_flops: float or `"measure"`. FLOP/s of all devices, for the
            utilisation: a device's data sheet, or a product timed at the
            start. Defaults to `"measure"`; `None` for no utilisation.

    Raises:
        ValueError: If a number is out of its range.

    Example:

    ```python
    from keras_gpt3.training import LogSection

    LogSection(every_steps=1, peak_flops=312e12)  # An A100.
    ```
    """

    every_steps: int = 10
    plot: bool = True
    tensorboard: bool = True
    wandb_project: str | None = None
    peak_flops: float | str | None = "measure"

    def __post_init__(self):
        check_integers(self, "log", every_steps=1)
        if self.peak_flops == "measure":
            return
        if isinstance(self.peak_flops, str):
            raise ValueError(
                "log.peak_flops must be a number or 'measure'. Received: "
                f"log.peak_flops={echoed(self.peak_flops)}. Write FLOP/s such "
                "as 312e12."
            )
        check_positive(self, "log", "peak_flops")
