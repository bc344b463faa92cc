"""Everything that a pretraining run is told, as one dataclass."""

import dataclasses

from keras_gpt3.integer_argument import check_integer
from keras_gpt3.training.checkpoint_section import CheckpointSection
from keras_gpt3.training.data_section import DataSection
from keras_gpt3.training.devices_section import DevicesSection
from keras_gpt3.training.health_section import HealthSection
from keras_gpt3.training.log_section import LogSection
from keras_gpt3.training.model_section import ModelSection
from keras_gpt3.training.positive_fields import check_positive
from keras_gpt3.training.recipe_section import RecipeSection
from keras_gpt3.training.validation_section import ValidationSection


@dataclasses.dataclass(frozen=True)
class PretrainingConfig:
    """A pretraining run, whole: what `run.yaml` says and the run saves.

    Args:
        folder: string. The run folder: config, checkpoints, logs.
        model: `ModelSection`.
        data: `DataSection`.
        seed: int. Of the weights and of the order of the data. Defaults to
            `0`.
        stop_after_minutes: float. Saves and stops then, for batch queues.
            Defaults to `None`.
        recipe: `RecipeSection`.
        checkpoints: `CheckpointSection`.
        validation: `ValidationSection`.
        health: `HealthSection`.
        log: `LogSection`.
        devices: `DevicesSection`.

    Raises:
        ValueError: If a number is out of its range.

    Example:

    ```python
    from keras_gpt3.training import DataSection
    from keras_gpt3.training import ModelSection
    from keras_gpt3.training import PretrainingConfig

    config = PretrainingConfig(
        folder="runs/small",
        model=ModelSection(preset="gpt3_small_en"),
        data=DataSection(shards={"books": "shards/books"}),
    )
    ```
    """

    folder: str
    model: ModelSection
    data: DataSection
    seed: int = 0
    stop_after_minutes: float | None = None
    recipe: RecipeSection = dataclasses.field(default_factory=RecipeSection)
    checkpoints: CheckpointSection = dataclasses.field(
        default_factory=CheckpointSection
    )
    validation: ValidationSection = dataclasses.field(
        default_factory=ValidationSection
    )
    health: HealthSection = dataclasses.field(default_factory=HealthSection)
    log: LogSection = dataclasses.field(default_factory=LogSection)
    devices: DevicesSection = dataclasses.field(default_factory=DevicesSection)

    def __post_init__(self):
        check_integer("seed", self.seed, minimum=0)
        check_positive(self, "", "stop_after_minutes")
