"""How long a run takes, and its arithmetic in the paper's unit."""

_SECONDS_OF_DAY = 86400
_PETA = 1e15


def training_days(total_tokens, batch_tokens, step_seconds):
    """Computes the days of a run whose batches are all of one size.

    Args:
        total_tokens: float. Tokens of the run.
        batch_tokens: int. Tokens of a step.
        step_seconds: float. What a step takes.

    Returns:
        A float.

    Example:

    ```python
    from keras_gpt3.planning.training_days import training_days

    training_days(300e9, batch_tokens=3145728, step_seconds=30)  # 33.1
    ```
    """
    return total_tokens / batch_tokens * step_seconds / _SECONDS_OF_DAY


def petaflop_days(flops):
    """Writes a number of FLOPs in petaflop/s-days, as Table D.1 does.

    Args:
        flops: float. Operations of a run.

    Returns:
        A float.

    Example:

    ```python
    from keras_gpt3.planning.training_days import petaflop_days

    petaflop_days(3.14e23)  # 3634, of which Table D.1 makes 3640
    ```
    """
    return flops / (_PETA * _SECONDS_OF_DAY)
