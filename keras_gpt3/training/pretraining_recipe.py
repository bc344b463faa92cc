"""The training recipe of Appendix B as one object."""

import dataclasses

from keras_gpt3 import preset_loader
from keras_gpt3.training.adamw import AdamW
from keras_gpt3.training.recipe_point import RecipePoint
from keras_gpt3.training.token_clock import TokenClock

# Appendix B, for the 300 billion tokens that every size was trained on.
PAPER_TOTAL_TOKENS = 300e9
PAPER_WARMUP_TOKENS = 375e6
PAPER_DECAY_TOKENS = 260e9


@dataclasses.dataclass(frozen=True)
class PretrainingRecipe:
    """Schedule and optimizer of a pretraining run (Appendix B).

    The clocks count tokens. For a run shorter than the paper's 300 billion
    tokens they shrink in proportion.

    Args:
        batch_tokens: int. Tokens in a batch.
        learning_rate: float. The peak learning rate.
        total_tokens: float. Length of the run. Defaults to `300e9`.
        warmup_tokens: float. Defaults to `None`: 375M of 300B, in proportion.
        decay_tokens: float. Defaults to `None`: 260B of 300B, in proportion.
        weight_decay: float. Defaults to `0.1`.
        clip_norm: float. Bound on the global norm of the gradient. Defaults
            to `1.0`.

    Raises:
        ValueError: If a number is out of its range, or the run is shorter than
            one batch.

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

    def __post_init__(self):
        scale = self.total_tokens / PAPER_TOTAL_TOKENS
        for name, paper in (
            ("warmup_tokens", PAPER_WARMUP_TOKENS),
            ("decay_tokens", PAPER_DECAY_TOKENS),
        ):
            if getattr(self, name) is None:
                object.__setattr__(self, name, paper * scale)
        _ = self.schedule  # Raises where a number is out of its range.
        if self.total_tokens < self.batch_tokens:
            raise ValueError(
                "total_tokens must be at least one batch. Received: "
                f"total_tokens={self.total_tokens}, batch_tokens="
                f"{self.batch_tokens}. Train longer or on smaller batches."
            )

    @classmethod
    def for_preset(cls, preset, total_tokens=PAPER_TOTAL_TOKENS, **overrides):
        """The recipe of a shipped preset: its batch and learning rate.

        Args:
            preset: string. A name of `GPT3.presets`.
            total_tokens: float. Length of the run. Defaults to `300e9`.
            **overrides: Fields of `PretrainingRecipe`.

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
        recipe = preset_loader.load_shipped_preset(preset)["recipe"]
        fields = {
            "batch_tokens": recipe["batch_tokens"],
            "learning_rate": recipe["learning_rate"],
            "total_tokens": total_tokens,
        }
        return cls(**(fields | overrides))

    @property
    def num_steps(self):
        """Number of whole batches in the run."""
        return int(self.total_tokens // self.batch_tokens)

    @property
    def schedule(self):
        """The learning rate as a function of the step, a `TokenClock`."""
        return TokenClock(
            self.learning_rate,
            self.batch_tokens,
            warmup_tokens=self.warmup_tokens,
            decay_tokens=self.decay_tokens,
        )

    def optimizer(self):
        """A new AdamW optimizer that follows the schedule."""
        return AdamW(
            self.schedule,
            weight_decay=self.weight_decay,
            global_clipnorm=self.clip_norm,
        )

    def at(self, step):
        """Where the run stands at a step, in closed form.

        Args:
            step: int. Number of updates made so far.

        Returns:
            A `RecipePoint` of the tokens seen so far, and the tokens and the
            learning rate of the next update.
        """
        return RecipePoint(
            tokens_seen=step * self.batch_tokens,
            batch_tokens=self.batch_tokens,
            learning_rate=float(self.schedule(step)),
        )
