"""The section `validation` of a pretraining run's config."""

import dataclasses

from keras_gpt3.integer_argument import check_integers


@dataclasses.dataclass(frozen=True)
class ValidationSection:
    """When and how much is validated.

    Args:
        every_steps: int. Steps between two validations. Defaults to `500`;
            `None` for never but at the end.
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

    every_steps: int | None = 500
    at_start: bool = True
    max_batches: int | None = None
    batch_size: int = 8

    def __post_init__(self):
        check_integers(
            self, "validation", every_steps=1, max_batches=1, batch_size=1
        )
