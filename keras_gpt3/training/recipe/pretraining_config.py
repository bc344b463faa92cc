"""The config of a pretraining run: one section a concern."""

import dataclasses
import typing

import pydantic

from keras_gpt3.config_model import Bool
from keras_gpt3.config_model import Dict
from keras_gpt3.config_model import Float
from keras_gpt3.config_model import Int
from keras_gpt3.config_model import NonNegativeInt
from keras_gpt3.config_model import PositiveFloat
from keras_gpt3.config_model import PositiveInt
from keras_gpt3.config_model import Section
from keras_gpt3.config_model import Str
from keras_gpt3.config_model import config_section


@config_section
class ModelSection:
    """The section `model`: which one, and how its step is computed.

    Args:
        preset: string. A name of `GPT3.presets`, or a folder to continue from.
        overrides: dict. Arguments of `GPT3Backbone` that differ from the
            preset's. Defaults to none.
        preprocessor: bool. Whether the preset's tokenizer comes with the
            model; `False` for a vocabulary of your own. Defaults to `True`.
        dtype: string. A Keras dtype policy. Defaults to `"float32"`.
        micro_batch_size: int. Rows whose gradients a replica computes at a
            time. Defaults to `None`, all.
        rematerialization: string or int. Blocks that run forward again in the
            backward pass: `"none"`, `"block"` for all, or `k` for every
            `k`-th. Defaults to `"none"`.
        jit_compile: bool or `"auto"`. Whether XLA compiles the whole step.
            Defaults to `"auto"`: always under JAX, on TensorFlow on GPUs only.

    Raises:
        ValueError: If a number is out of its range.

    Example:

    ```python
    from keras_gpt3.training import ModelSection

    ModelSection("gpt3_small_en", {"num_layers": 2}, micro_batch_size=4)
    ```
    """

    preset: Str
    overrides: Dict = dataclasses.field(default_factory=dict)
    preprocessor: Bool = True
    dtype: Str = "float32"
    micro_batch_size: PositiveInt | None = None
    rematerialization: Str | Int = "none"
    jit_compile: Bool | typing.Literal["auto"] = "auto"


@config_section
class DataSection:
    """The section `data`: what is trained on (section 2.2 of the paper).

    Args:
        shards: dict of name to folder of token shards.
        weights: dict of name to weight in the mixture (Table 2.2). Defaults to
            `None`: by their tokens.
        validation: dict of name to folder of held-out shards. Defaults to
            none.
        sequence_length: int. Tokens of a context. Defaults to `None`: the
            model's `max_sequence_length`.
        skip_batches: list of ints. Batches, counted from 0, whose contexts are
            skipped. Defaults to none.
        attend_across_documents: bool. `False` masks the documents of a context
            from each other; see `keras_gpt3.data.packed_dataset`. Defaults to
            `True`, as in the paper.

    Raises:
        ValueError: If a number is out of its range.

    Example:

    ```python
    from keras_gpt3.training import DataSection

    DataSection({"books": "shards/books"}, sequence_length=1024)
    ```
    """

    shards: dict[Str, Str]
    weights: dict[Str, Float] | None = None
    validation: dict[Str, Str] = dataclasses.field(default_factory=dict)
    sequence_length: PositiveInt | None = None
    skip_batches: list[NonNegativeInt] = dataclasses.field(default_factory=list)
    attend_across_documents: Bool = True


@config_section
class RecipeSection:
    """The section `recipe`, in which `None` is what the preset's has.

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
            Defaults to `None`: the most that divides all batches and leaves a
            ramp 16 steps; where that does not suit the devices, replicas x
            micro-batch.
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

    total_tokens: Float = 300e9
    batch_tokens: Int | None = None
    start_batch_tokens: Int | None = None
    ramp_tokens: Float | None = None
    batch_multiple: PositiveInt | None = None
    learning_rate: Float | None = None
    warmup_tokens: Float | None = None
    decay_tokens: Float | None = None
    weight_decay: Float | None = None
    clip_norm: Float | None = None


Axis = typing.Literal["batch", "model", "stages"]


@config_section
class DevicesSection:
    """The section `devices`: how a run is spread over them.

    On TensorFlow `TF_CONFIG` names several workers. Under JAX the variables of
    `keras.distribution.initialize` name several processes.

    Args:
        replicas: int. On TensorFlow, GPUs of each worker to use. Defaults to
            `None`, all.
        cpu_replicas: int. Logical devices to split the CPU into, where there
            is no GPU. Defaults to `None`, one.
        mesh: dict of axis to size. `batch` is the number of parts of a batch
            that are computed side by side, in all processes; left out, it
            takes the devices that there are. Each part has, under JAX, `model`
            devices that share every layer; on TensorFlow, `stages` of
            consecutive blocks. `"auto"` is what `keras_gpt3.plan` proposes
            for these devices, with what they share. Defaults to `None`: all
            devices on `batch`.
        shard_weights: bool. Under JAX, whether weights, gradients and the
            optimizer's slots are split over the batch axis as well. Defaults
            to `False`.
        shard_optimizer: bool. Under JAX, whether the slots alone are. Defaults
            to `False`.

    Raises:
        ValueError: If a number is below 1, or an axis is unknown.

    Example:

    ```python
    from keras_gpt3.training import DevicesSection

    DevicesSection(replicas=2)
    ```
    """

    replicas: PositiveInt | None = None
    cpu_replicas: PositiveInt | None = None
    mesh: dict[Axis, PositiveInt] | typing.Literal["auto"] | None = None
    shard_weights: Bool = False
    shard_optimizer: Bool = False


# A curve of fewer points shows little, and a step of 500 is soon over.
_VALIDATIONS, _LONGEST_INTERVAL = 20, 500


@config_section
class ValidationSection:
    """The section `validation`: when and how much is validated.

    Args:
        every_steps: int. Steps between two validations; `None` for never but
            at the end. Defaults to `"auto"`: 20 in a run, and at least one in
            500 steps.
        at_start: bool. Whether also before step 1. Defaults to `True`.
        max_batches: int. Bound on the batches of each held-out set. Defaults
            to `None`: all full batches.
        batch_size: int. Contexts in a batch of all replicas. Defaults to
            `None`: 8, or as many more as the replicas divide.
        tasks: list of strings. Tasks of `keras_gpt3.evaluation` that the model
            is put through as well. Defaults to none.
        shots: int. Demonstrations in their prompts. Defaults to `None`, each
            task's own of Table H.1.
        limit: int. Examples of each task, the first. Defaults to `100`; `None`
            for all.
        samples: list of strings. Prompts that the model continues. Defaults to
            none.
        sample_tokens: int. Tokens of each continuation. Defaults to `40`.

    Raises:
        ValueError: If a number is out of its range.

    Example:

    ```python
    from keras_gpt3.training import ValidationSection

    ValidationSection(every_steps=100, max_batches=10)
    ```
    """

    every_steps: PositiveInt | typing.Literal["auto"] | None = "auto"
    at_start: Bool = True
    max_batches: PositiveInt | None = None
    batch_size: PositiveInt | None = None
    tasks: list[Str] = dataclasses.field(default_factory=list)
    shots: NonNegativeInt | None = None
    limit: PositiveInt | None = 100
    samples: list[Str] = dataclasses.field(default_factory=list)
    sample_tokens: PositiveInt = 40

    def resolved(self, num_steps):
        """Fit the interval to a run.

        Args:
            num_steps: int. Steps of the whole run.

        Returns:
            A `ValidationSection` without `"auto"`.
        """
        if self.every_steps != "auto":
            return self
        every = max(1, min(_LONGEST_INTERVAL, num_steps // _VALIDATIONS))
        return dataclasses.replace(self, every_steps=every)


@config_section
class CheckpointSection:
    """The section `checkpoints`: when the run is saved, and what is kept.

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

    every_steps: PositiveInt | None = 1000
    every_minutes: PositiveFloat | None = None
    keep_last: PositiveInt = 3
    keep_every: PositiveInt | None = None
    keep_best: Bool = True


@config_section
class LogSection:
    """The section `log`: what is written during the run.

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

    every_steps: PositiveInt = 10
    plot: Bool = True
    tensorboard: Bool = True
    wandb_project: Str | None = None
    peak_flops: PositiveFloat | typing.Literal["measure"] | None = "measure"


@config_section
class HealthSection:
    """The section `health`: what the run does when something goes wrong.

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

    max_skipped_in_a_row: PositiveInt = 10
    spike_deviations: PositiveFloat | None = None
    spike_window: typing.Annotated[Int, pydantic.Field(ge=4)] = 100
    max_rollbacks: NonNegativeInt = 10


@config_section
class PretrainingConfig:
    """A pretraining run, whole: what `run.yaml` says and the run saves.

    Args:
        folder: string. The run folder: config, checkpoints, logs.
        model: `ModelSection`. Which model is trained.
        data: `DataSection`. What it is trained on.
        seed: int. Of the weights and of the order of the data. Defaults to
            `0`.
        stop_after_minutes: float. Saves and stops then, for batch queues.
            Defaults to `None`.
        recipe: `RecipeSection`. Batches, learning rate, length. Defaults to its
            defaults.
        checkpoints: `CheckpointSection`. When the run is saved. Defaults to
            its defaults.
        validation: `ValidationSection`. When it is validated. Defaults to its
            defaults.
        health: `HealthSection`. What happens when something goes wrong.
            Defaults to its defaults.
        log: `LogSection`. What is written. Defaults to its defaults.
        devices: `DevicesSection`. What it runs on. Defaults to its defaults.

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

    folder: Str
    model: Section[ModelSection]
    data: Section[DataSection]
    seed: NonNegativeInt = 0
    stop_after_minutes: PositiveFloat | None = None
    recipe: Section[RecipeSection] = RecipeSection()
    checkpoints: Section[CheckpointSection] = CheckpointSection()
    validation: Section[ValidationSection] = ValidationSection()
    health: Section[HealthSection] = HealthSection()
    log: Section[LogSection] = LogSection()
    devices: Section[DevicesSection] = DevicesSection()
