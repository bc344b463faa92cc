"""One point of a training run."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class RecipePoint:
    """Where a run stands at a step: see `PretrainingRecipe.at`."""

    tokens_seen: int
    batch_tokens: int
    learning_rate: float
