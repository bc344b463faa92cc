"""What a fine-tuning run went through, as plain numbers."""

import dataclasses


@dataclasses.dataclass
class FinetuningHistory:
    """Losses and learning rates of a run, as plain numbers.

    Args:
        loss: list of floats. The mean over a step's completion tokens, in
            nats.
        learning_rate: list of floats, one a step.
        epochs: list of dicts, with `"step"`, the steps until its end, and
            what Keras logs at it, such as `"loss"` and `"val_loss"`.
        best_epoch: int. The epoch that the final weights are of, from 0 on;
            `None` before the end. Defaults to `None`.

    Example:

    ```python
    from keras_gpt3.training.finetuning_history import FinetuningHistory

    history = FinetuningHistory()
    history.loss.append(2.5)
    ```
    """

    loss: list = dataclasses.field(default_factory=list)
    learning_rate: list = dataclasses.field(default_factory=list)
    epochs: list = dataclasses.field(default_factory=list)
    best_epoch: int | None = None
