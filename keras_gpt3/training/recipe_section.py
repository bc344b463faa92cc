"""The section `recipe` of a pretraining run's config."""

import dataclasses

from keras_gpt3.integer_argument import check_integers


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
