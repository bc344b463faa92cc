"""The training recipe of Appendix B as one object."""

import dataclasses
import functools

import keras
import numpy as np

from keras_gpt3 import preset_loader
from keras_gpt3.argument_checks import check_integer
from keras_gpt3.argument_checks import check_number
from keras_gpt3.data.batch_ramp import BatchRamp
from keras_gpt3.reporting.figures import Curve
from keras_gpt3.reporting.figures import Panel
from keras_gpt3.reporting.figures import plot_panels
from keras_gpt3.training.recipe.token_clock import TokenClock
from keras_gpt3.training.step.adamw import AdamW

# Appendix B, for the 300 billion tokens that every size was trained on.
PAPER_TOTAL_TOKENS = 300e9
PAPER_WARMUP_TOKENS = 375e6
PAPER_DECAY_TOKENS = 260e9

# Fields that may be left open.
_OPEN = (
    "warmup_tokens",
    "decay_tokens",
    "clip_norm",
    "start_batch_tokens",
    "ramp_tokens",
    "sequence_length",
)
_REMEDY = "Pass it without quotes, such as 1e6."


@dataclasses.dataclass(frozen=True)
class PretrainingRecipe:
    """Schedule, batches and optimizer of a pretraining run (Appendix B).

    The clocks count tokens. For a run shorter than the paper's 300 billion
    tokens, the warm-up and the decay shrink in proportion.

    Args:
        batch_tokens: int. Tokens in a batch, in a full one where it grows.
        learning_rate: float. The peak learning rate.
        total_tokens: float. Length of the run. Defaults to `300e9`.
        warmup_tokens: float. Defaults to `None`: 375M of 300B, in proportion.
        decay_tokens: float. Defaults to `None`: 260B of 300B, in proportion.
        weight_decay: float. Defaults to `0.1`.
        clip_norm: float. Bound on the global norm of the gradient. Defaults
            to `1.0`.
        start_batch_tokens: int. Tokens in the first batch, 32k in the paper.
            Defaults to `None`, a constant batch.
        ramp_tokens: float. Tokens over which the batch grows, to be given with
            `start_batch_tokens`; `0` for a constant batch. Defaults to `None`.
        sequence_length: int. Tokens in a context, of which a batch holds a
            whole number. Needed where the batch grows. Defaults to `None`,
            not known.
        batch_multiple: int. Contexts that a batch holds a multiple of, such as
            replicas times rows that a replica takes at once. Defaults to `1`.

    Raises:
        ValueError: If a number is out of its range, the run is shorter than
            one batch, or a batch does not fill a multiple of `batch_multiple`
            contexts.

    Example:

    ```python
    import keras_gpt3

    recipe = keras_gpt3.training.PretrainingRecipe(
        batch_tokens=1024, learning_rate=1e-3, total_tokens=1e6
    )
    recipe.at(0).learning_rate
    optimizer = recipe.optimizer()
    ```
    """

    batch_tokens: int
    learning_rate: float
    total_tokens: float = PAPER_TOTAL_TOKENS
    warmup_tokens: float | None = None
    decay_tokens: float | None = None
    weight_decay: float = 0.1
    clip_norm: float = 1.0
    start_batch_tokens: int | None = None
    ramp_tokens: float | None = None
    sequence_length: int | None = None
    batch_multiple: int = 1

    def __post_init__(self):
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if value is not None or field.name not in _OPEN:
                check_number(field.name, value, _REMEDY)
        for name, paper in (
            ("warmup_tokens", PAPER_WARMUP_TOKENS),
            ("decay_tokens", PAPER_DECAY_TOKENS),
        ):
            if getattr(self, name) is None:
                object.__setattr__(self, name, _share(paper, self.total_tokens))
        if (self.start_batch_tokens is None) != (self.ramp_tokens is None):
            raise ValueError(
                "start_batch_tokens and ramp_tokens must be given together. "
                f"Received: start_batch_tokens={self.start_batch_tokens}, "
                f"ramp_tokens={self.ramp_tokens}. Leave out both for a "
                "constant batch."
            )
        _ = self.schedule  # Raises where a number is out of its range.
        if self.total_tokens < self.batch_tokens:
            raise ValueError(
                "total_tokens must be at least one batch. Received: "
                f"total_tokens={self.total_tokens}, batch_tokens="
                f"{self.batch_tokens}. Train longer or on smaller batches."
            )
        self._check_contexts()

    @classmethod
    def for_preset(cls, preset, total_tokens=PAPER_TOTAL_TOKENS, **overrides):
        """Make the recipe of a shipped preset: its batches and learning rate.

        The ramp of the batch shrinks in proportion with the run. A smaller
        `batch_tokens` of yours starts no larger than it ends: at or below the
        paper's 32k tokens it is constant.

        Args:
            preset: string. A shipped size, such as `"gpt3_small_en"`.
            total_tokens: float. Length of the run. Defaults to `300e9`.
            **overrides: Fields of `PretrainingRecipe`. `sequence_length` is
                that of the preset, 2048, unless given.

        Returns:
            A `PretrainingRecipe`.

        Example:

        ```python
        import keras_gpt3

        recipe = keras_gpt3.training.PretrainingRecipe.for_preset(
            "gpt3_small_en"
        )
        recipe.batch_tokens  # 524288
        ```
        """
        preset = preset_loader.load_shipped_preset(preset)
        recipe = preset["recipe"]
        fields = {
            "batch_tokens": recipe["batch_tokens"],
            "learning_rate": recipe["learning_rate"],
            "total_tokens": total_tokens,
            "sequence_length": preset["backbone"]["max_sequence_length"],
        }
        fields |= overrides
        for name in ("batch_tokens", "total_tokens"):
            check_number(name, fields[name], _REMEDY)
        return cls(**(_ramp_fields(recipe, fields) | fields))

    @functools.cached_property
    def batch_ramp(self):
        """Contexts in each batch, a `keras_gpt3.data.BatchRamp`."""
        if self.sequence_length is None:
            raise ValueError(
                "sequence_length must be known to count a batch in contexts. "
                "Received: sequence_length=None. Pass the length of the "
                "model's contexts, 2048 in the paper."
            )
        start, ramp = self.batch_tokens, 0
        if self.grows:
            start, ramp = self.start_batch_tokens, self.ramp_tokens
        return BatchRamp(
            int(self.batch_tokens // self.sequence_length),
            int(start // self.sequence_length),
            ramp / self.sequence_length,
            multiple=self.batch_multiple,
        )

    @property
    def grows(self):
        """Whether there is a ramp of the batch, and one that leads anywhere."""
        return (
            self.ramp_tokens not in (None, 0)
            and self.start_batch_tokens != self.batch_tokens
        )

    @property
    def num_steps(self):
        """Number of whole batches in the run."""
        if not self.grows:
            return int(self.total_tokens // self.batch_tokens)
        ramp = self.batch_ramp
        return ramp.steps_within(int(self.total_tokens // self.sequence_length))

    @property
    def schedule(self):
        """The learning rate as a function of the step, a `TokenClock`."""
        start, ramp = None, 0.0
        if self.grows:
            start, ramp = self.start_batch_tokens, self.ramp_tokens
        return TokenClock(
            self.learning_rate,
            self.batch_tokens,
            warmup_tokens=self.warmup_tokens,
            decay_tokens=self.decay_tokens,
            start_batch_tokens=start,
            ramp_tokens=ramp,
        )

    def optimizer(self):
        """Make an AdamW optimizer that follows the schedule.

        Returns:
            A `keras_gpt3.training.AdamW`.
        """
        return AdamW(
            self.schedule,
            weight_decay=self.weight_decay,
            global_clipnorm=self.clip_norm,
        )

    def tokens_before(self, step):
        """Count the tokens in all batches before a step.

        Args:
            step: int or numpy array of ints. Number of updates made so far.

        Returns:
            An int, or an int64 array of the shape of `step`.

        Raises:
            ValueError: If the batch grows and `sequence_length` is not known.
        """
        if not self.grows:
            return step * self.batch_tokens
        return self.batch_ramp.sequences_before(step) * self.sequence_length

    def at(self, step):
        """Compute where the run stands at a step, in closed form.

        Args:
            step: int. Number of updates made so far.

        Returns:
            A `RecipePoint` of the tokens seen so far, and the tokens and the
            learning rate of the next update.

        Raises:
            ValueError: If `step` is not an integer of at least 0, or the
                batch grows and `sequence_length` is not known.
        """
        check_integer("step", step, minimum=0)
        before = self.tokens_before(step)
        return RecipePoint(
            tokens_seen=before,
            batch_tokens=self.tokens_before(step + 1) - before,
            learning_rate=float(self.schedule(step)),
        )

    def plot(self, path=None):
        """Draw learning rate, batch and updates over the tokens seen.

        Args:
            path: path. Where to save the figure; its ending is the format.
                Defaults to `None`, nowhere.

        Returns:
            A `matplotlib.figure.Figure` of three panels.

        Raises:
            ValueError: If the batch grows and `sequence_length` is not known.

        Example:

        ```python
        import keras_gpt3

        recipe = keras_gpt3.training.PretrainingRecipe.for_preset(
            "gpt3_small_en"
        )
        figure = recipe.plot("recipe.png")
        ```
        """
        return recipe_plot(self, path)

    def _check_contexts(self):
        """Raise unless batches hold whole numbers of contexts, if known."""
        check_integer("batch_multiple", self.batch_multiple, minimum=1)
        if self.sequence_length is None:
            if self.batch_multiple > 1:
                raise ValueError(
                    "sequence_length must be given with batch_multiple, which "
                    "counts contexts. Received: sequence_length=None, "
                    f"batch_multiple={self.batch_multiple}. Pass the length "
                    "of the model's contexts."
                )
            return
        check_integer("sequence_length", self.sequence_length, minimum=1)
        unit = self.sequence_length * self.batch_multiple
        for name in ("batch_tokens", "start_batch_tokens"):
            tokens = getattr(self, name)
            if tokens is not None and tokens % unit:
                raise ValueError(
                    f"{name} must fill a multiple of batch_multiple contexts. "
                    f"Received: {name}={tokens}, sequence_length="
                    f"{self.sequence_length}, batch_multiple="
                    f"{self.batch_multiple}. Pass a multiple of {unit}, or "
                    "your own sequence_length."
                )


def _ramp_fields(recipe, fields):
    """The ramp of a preset's recipe, fitted to the other fields of a run."""
    start = min(recipe["start_batch_tokens"], fields["batch_tokens"])
    ramp = {
        "start_batch_tokens": start,
        "ramp_tokens": _share(recipe["ramp_tokens"], fields["total_tokens"]),
    }
    # A caller who passes `None` for one of the two wants no ramp.
    is_off = any(fields.get(name, 0) is None for name in ramp)
    return {} if is_off else ramp


def _share(paper, total_tokens):
    """What a clock of the paper's is in a run of another length."""
    # Multiplied first: 1/300e9 has no exact form, and 500 tokens came out as
    # 500.00000000000006.
    return paper * total_tokens / PAPER_TOTAL_TOKENS


@dataclasses.dataclass(frozen=True)
class RecipePoint:
    """Where a run stands at a step: see `PretrainingRecipe.at`."""

    tokens_seen: int
    batch_tokens: int
    learning_rate: float


# More than a figure of ordinary size has pixels across.
_MAX_POINTS = 2000


def recipe_plot(recipe, path=None):
    """Draw what Appendix B lets change while a model trains.

    The tokens seen run on a logarithmic scale: the warm-up is over after an
    800th of the paper's run.
    """
    steps = _drawn_steps(recipe.num_steps)
    tokens = recipe.tokens_before(steps + 1)
    rates = keras.ops.convert_to_numpy(recipe.schedule(steps))
    batches = Curve(
        tokens,
        tokens - recipe.tokens_before(steps),
        # Whole contexts: between two sizes there is nothing.
        style={"drawstyle": "steps-pre"},
    )
    panels = (
        Panel("Learning rate", (Curve(tokens, rates),), from_zero=True),
        Panel("Batch size (tokens)", (batches,), from_zero=True),
        Panel("Updates", (Curve(tokens, steps + 1),), from_zero=True),
    )
    return plot_panels(panels, "Tokens seen", "log", path)


def _drawn_steps(num_steps):
    """Steps, first and last included, as dense at the start as at the end."""
    even = np.linspace(0, num_steps - 1, _MAX_POINTS // 2)
    early = np.geomspace(1, num_steps, _MAX_POINTS // 2) - 1
    return np.unique(np.rint([*even, *early]).astype("int64"))
