"""Everything that a pretraining run is told, as one dataclass."""

import dataclasses

from keras_gpt3.argument_checks import check_integer
from keras_gpt3.argument_checks import check_integers
from keras_gpt3.echoed_value import echoed


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


@dataclasses.dataclass(frozen=True)
class DataSection:
    """What it is trained on (section 2.2 of the paper).

    Args:
        shards: dict of name to folder of token shards.
        weights: dict of name to weight in the mixture (Table 2.2). Defaults to
            `None`: by their tokens.
        validation: dict of name to folder of held-out shards. Defaults to
            none.
        sequence_length: int. Tokens of a context. Defaults to `None`: the
            model's `max_sequence_length`.
        skip_batches: list of ints. Batches, counted from 0, whose contexts are
            passed over. Defaults to none.

    Raises:
        ValueError: If a number is out of its range.

    Example:

    ```python
    from keras_gpt3.training import DataSection

    DataSection({"books": "shards/books"}, sequence_length=1024)
    ```
    """

    shards: dict[str, str]
    weights: dict[str, float] | None = None
    validation: dict[str, str] = dataclasses.field(default_factory=dict)
    sequence_length: int | None = None
    skip_batches: list[int] = dataclasses.field(default_factory=list)

    def __post_init__(self):
        check_integers(self, "data", sequence_length=1)
        for batch in self.skip_batches:
            check_integer("A batch of data.skip_batches", batch, minimum=0)


@dataclasses.dataclass(frozen=True)
class RecipeSection:
    """Fields of `PretrainingRecipe`; `None` is what the preset's recipe has.

    `PretrainingRecipe` checks them; the paper's values are in its Table 2.1
    and Appendix B.

    Args:
        total_tokens: float. Length of the run. Defaults to `300e9`; all clocks
            shrink in proportion.
        batch_tokens: int. Tokens in a full batch. Defaults to `None`.
        start_batch_tokens: int. Tokens in the first batch. Defaults to `None`.
        ramp_tokens: float. Tokens over which the batch grows, `0` for a
            constant one. Defaults to `None`.
        batch_multiple: int. Contexts that every batch is a multiple of, itself
            a multiple of replicas x micro-batch, also of later continuations.
            Defaults to `None`: those of the first start.
        learning_rate: float. The peak. Defaults to `None`.
        warmup_tokens: float. Tokens until the peak. Defaults to `None`.
        decay_tokens: float. Tokens until the rate stays low. Defaults to
            `None`.
        weight_decay: float. Defaults to `None`.
        clip_norm: float. Bound on the gradient's global norm. Defaults to
            `None`.

    Raises:
        ValueError: If `batch_multiple` is below 1.

    Example:

    ```python
    from keras_gpt3.training import RecipeSection

    RecipeSection(total_tokens=1e9, learning_rate=3e-4)
    ```
    """

    total_tokens: float = 300e9
    batch_tokens: int | None = None
    start_batch_tokens: int | None = None
    ramp_tokens: float | None = None
    batch_multiple: int | None = None
    learning_rate: float | None = None
    warmup_tokens: float | None = None
    decay_tokens: float | None = None
    weight_decay: float | None = None
    clip_norm: float | None = None

    def __post_init__(self):
        check_integers(self, "recipe", batch_multiple=1)


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


def check_positive(section, name, *fields):
    """Raises unless a section's numbers are above 0, or `None`."""
    for field in fields:
        value = getattr(section, field)
        if value is not None and not value > 0:
            field = f"{name}.{field}" if name else field
            raise ValueError(
                f"{field} must be above 0. Received: {field}={value}. Use "
                "None to do without."
            )
