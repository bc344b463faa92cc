"""What a fine-tuning run went through, as plain numbers."""

import dataclasses


@dataclasses.dataclass
class FinetuningHistory:
    """Losses and learning rates of a run, as plain numbers."""

    loss: list = dataclasses.field(default_factory=list)
    learning_rate: list = dataclasses.field(default_factory=list)
    epochs: list = dataclasses.field(default_factory=list)
    best_epoch: int | None = None
