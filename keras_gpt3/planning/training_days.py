"""How long a run takes, and its arithmetic in the paper's unit."""

_SECONDS_OF_DAY = 86400
_PETA = 1e15


def training_days(total_tokens, batch_tokens, step_seconds):
    """Computes the days of a run whose batches are all of one size."""
    return total_tokens / batch_tokens * step_seconds / _SECONDS_OF_DAY


def petaflop_days(flops):
    """Writes a number of FLOPs in petaflop/s-days, as Table D.1 does."""
    return flops / (_PETA * _SECONDS_OF_DAY)
