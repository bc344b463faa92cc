"""The section `validation` of a pretraining run's config."""

import dataclasses

from keras_gpt3.echoed_value import echoed
from keras_gpt3.integer_argument import check_integers

# A curve of fewer points tells little, and a step of 500 is soon over.
_VALIDATIONS, _LONGEST_INTERVAL = 20, 500


@dataclasses.dataclass(frozen=True)
class ValidationSection:
    """When and how much is validated.

    Args:
        every_steps: int. Steps between two validations; `None` for never but
            at the end. Defaults to `"auto"`: 20 in a run, and at least one in
            500 steps.
        at_start: bool. Whether also before step 1. Defaults to `True`.
        max_batches: int. Bound on the batches of each held-out set. Defaults
            to `None`: all full batches.
        batch_size: int. Contexts in a batch of all replicas. Defaults to `8`.

    Raises:
        ValueError: If a number is out of its range.

    Example:

    ```python
    from keras_gpt3.training import ValidationSection

    ValidationSection(every_steps=100, max_batches=10)
    ```
    """

    every_steps: int | str | None = "auto"
    at_start: bool = True
    max_batches: int | None = None
    batch_size: int = 8

    def __post_init__(self):
        check_integers(self, "validation", max_batches=1, batch_size=1)
        if isinstance(self.every_steps, str) and self.every_steps != "auto":
            raise ValueError(
                "validation.every_steps must be an integer, 'auto' or None. "
                "Received: validation.every_steps="
                f"{echoed(self.every_steps)}. Leave it out for 20 in a run."
            )
        if self.every_steps != "auto":
            check_integers(self, "validation", every_steps=1)

    def resolved(self, num_steps):
        """Fits the interval to a run.

        Args:
            num_steps: int. Steps of the whole run.

        Returns:
            A `ValidationSection` without `"auto"`.
        """
        if self.every_steps != "auto":
            return self
        every = max(1, min(_LONGEST_INTERVAL, num_steps // _VALIDATIONS))
        return dataclasses.replace(self, every_steps=every)
