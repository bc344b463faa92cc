"""Which checkpoints of a run are kept."""


def best_step(metrics):
    """Return the step with the lowest metric, the latest of equal ones."""
    known = [
        (metric, -step)
        for step, metric in metrics.items()
        if metric is not None
    ]
    return -min(known)[1] if known else None


def kept_steps(metrics, keep_last, keep_every=None, keep_best=True):
    """Return the steps whose checkpoints stay."""
    kept = set(sorted(metrics)[-keep_last:])
    if keep_every is not None:
        kept.update(step for step in metrics if step % keep_every == 0)
    if keep_best:
        kept.update({best_step(metrics)} - {None})
    return kept
