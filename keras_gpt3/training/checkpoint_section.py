"""The section `checkpoints` of a pretraining run's config."""

import dataclasses

from keras_gpt3.integer_argument import check_integers
from keras_gpt3.training.positive_fields import check_positive


@dataclasses.dataclass(frozen=True)
class CheckpointSection:
    """When the run is saved, and what is kept.

    Args:
        every_steps: int. Steps between two checkpoints. Defaults to `1000`;
            `None` for never.
        every_minutes: float. Minutes between two. Defaults to `None`, never.
        keep_last: int. How many of the newest are kept. Defaults to `3`.
        keep_every: int. Keeps those at multiples of this step for good.
            Defaults to `None`.
        keep_best: bool. Keeps the one of the lowest validation loss. Defaults
            to `True`.

    Raises:
        ValueError: If a number is out of its range.

    Example:

    ```python
    from keras_gpt3.training import CheckpointSection

    CheckpointSection(every_steps=100, every_minutes=30, keep_last=2)
    ```
    """

    every_steps: int | None = 1000
    every_minutes: float | None = None
    keep_last: int = 3
    keep_every: int | None = None
    keep_best: bool = True

    def __post_init__(self):
        check_integers(
            self, "checkpoints", every_steps=1, keep_last=1, keep_every=1
        )
        check_positive(self, "checkpoints", "every_minutes")
