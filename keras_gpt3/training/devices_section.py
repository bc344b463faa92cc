"""The section `devices` of a pretraining run's config."""

import dataclasses

from keras_gpt3.integer_argument import check_integers


@dataclasses.dataclass(frozen=True)
class DevicesSection:
    """On what the run goes; several workers are told by `TF_CONFIG`.

    Args:
        replicas: int. GPUs of each worker to use. Defaults to `None`, all.
        cpu_replicas: int. Logical devices to split the CPU into, where there
            is no GPU. Defaults to `None`, one.

    Raises:
        ValueError: If a number is below 1.

    Example:

    ```python
    from keras_gpt3.training import DevicesSection

    DevicesSection(replicas=2)
    ```
    """

    replicas: int | None = None
    cpu_replicas: int | None = None

    def __post_init__(self):
        check_integers(self, "devices", replicas=1, cpu_replicas=1)
