"""One point of a training run."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class RecipePoint:
    """Where a run stands at a step: see `PretrainingRecipe.at`.

    Args:
        tokens_seen: int. Tokens of all updates so far.
        batch_tokens: int. Tokens of the next update.
        learning_rate: float. Learning rate of the next update.
    """

    tokens_seen: int
    batch_tokens: int
    learning_rate: float
