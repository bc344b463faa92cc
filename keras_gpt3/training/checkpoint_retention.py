"""Which checkpoints of a run are kept."""


def best_step(metrics):
    """Return the step with the lowest metric, the latest of equal ones.

    Args:
        metrics: dict. Step to metric, a float or `None`.

    Returns:
        An int; `None` where no step has a metric.

    Example:

    ```python
    from keras_gpt3.training.checkpoint_retention import best_step

    print(best_step({100: 2.5, 200: 2.0, 300: None}))  # 200
    ```
    """
    known = [
        (metric, -step)
        for step, metric in metrics.items()
        if metric is not None
    ]
    return -min(known)[1] if known else None


def kept_steps(metrics, keep_last, keep_every=None, keep_best=True):
    """Return the steps whose checkpoints stay.

    Args:
        metrics: dict. Step to metric, a float or `None`, of all checkpoints.
        keep_last: int. How many of the last steps stay.
        keep_every: int or None. Multiples of it stay. Defaults to `None`.
        keep_best: bool. Whether the one with the lowest metric stays.
            Defaults to `True`.

    Returns:
        A set of ints.

    Example:

    ```python
    from keras_gpt3.training.checkpoint_retention import kept_steps

    print(kept_steps({10: 2.0, 20: 3.0, 30: 4.0}, keep_last=1))  # {10, 30}
    ```
    """
    kept = set(sorted(metrics)[-keep_last:])
    if keep_every is not None:
        kept.update(step for step in metrics if step % keep_every == 0)
    if keep_best:
        kept.update({best_step(metrics)} - {None})
    return kept
