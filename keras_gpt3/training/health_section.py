"""The section `health` of a pretraining run's config."""

import dataclasses

from keras_gpt3.integer_argument import check_integers
from keras_gpt3.training.positive_fields import check_positive


@dataclasses.dataclass(frozen=True)
class HealthSection:
    """What the run does when something goes wrong.

    Args:
        max_skipped_in_a_row: int. Updates that may be skipped one after the
            other, as their loss or gradient is not finite, before the run
            stops. Defaults to `10`.
        spike_deviations: float. A loss that lies this many standard
            deviations above the mean of the last `spike_window` losses rolls
            the run back to its last checkpoint and skips the batches between.
            Defaults to `None`, never.
        spike_window: int. Losses to compare with. Defaults to `100`.
        max_rollbacks: int. Rollbacks before the run stops. Defaults to `10`.

    Raises:
        ValueError: If a number is out of its range.

    Example:

    ```python
    from keras_gpt3.training import HealthSection

    HealthSection(spike_deviations=6.0, max_rollbacks=3)
    ```
    """

    max_skipped_in_a_row: int = 10
    spike_deviations: float | None = None
    spike_window: int = 100
    max_rollbacks: int = 10

    def __post_init__(self):
        check_integers(self, "health", max_skipped_in_a_row=1, max_rollbacks=0)
        check_integers(self, "health", spike_window=4)
        check_positive(self, "health", "spike_deviations")
