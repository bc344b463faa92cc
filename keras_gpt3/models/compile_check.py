"""Checks of what `GPT3.compile` is given."""

import keras
import keras_hub


def checked_optimizer(optimizer):
    """Finds the optimizer, and raises if the step cannot drive it.

    Args:
        optimizer: as in `GPT3.compile`.

    Returns:
        A `keras.optimizers.Optimizer`; `"auto"` or `None` as it came.

    Raises:
        ValueError: As `check_optimizer`.
    """
    if optimizer is None or isinstance(optimizer, str) and optimizer == "auto":
        return optimizer
    from keras_gpt3.training.optimizer_check import check_optimizer

    optimizer = keras.optimizers.get(optimizer)
    check_optimizer(optimizer)
    return optimizer


def check_loss_weights(loss, loss_weights):
    """Raises where Keras would ignore the weights of losses.

    Args:
        loss: as in `GPT3.compile`.
        loss_weights: See `keras.Model.compile`.

    Raises:
        ValueError: If there are weights, but no loss of the user's own.
    """
    is_own = isinstance(loss, str) and loss == "auto"
    if loss_weights is not None and (loss is None or is_own):
        raise ValueError(
            "loss_weights must be None without a loss of your own. Received: "
            f"loss_weights={loss_weights}. Leave them out, or pass a loss."
        )


def checked_sampler(sampler):
    """Finds the sampler that `compile` was given, or that of a name.

    Args:
        sampler: as in `GPT3.compile`.

    Returns:
        A `keras_hub.samplers.Sampler`.

    Raises:
        ValueError: If it is no sampler, nor the name of one.
    """
    sampler = keras_hub.samplers.get(sampler)
    if not isinstance(sampler, keras_hub.samplers.Sampler):
        raise ValueError(
            "sampler must be a keras_hub.samplers.Sampler or the name of one. "
            f"Received: sampler={sampler!r}. Use 'greedy', 'top_k', 'top_p', "
            "'random', 'beam' or 'contrastive'."
        )
    return sampler
