"""Lets sides take steps in turn; reports each one's time and memory."""

import statistics

from harness.progress import log


def alternate(sides, repetitions):
    """Lets every side take its steps, one of each side in every round.

    Args:
        sides: dict from name to `SideProcess`.
        repetitions: int. Steps of each side.

    Returns:
        A dict from name to a dict: `seconds` (the median step),
        `all_seconds`, `all_processor_seconds`, `peak_bytes`, on a GPU
        `device_peak_bytes`, and `results`, or `error` alone where the side
        died.
    """
    answers = {name: [side.ready] for name, side in sides.items()}
    for repetition in range(repetitions):
        for name, side in sides.items():
            if "error" not in answers[name][-1]:
                log(f"{name}: step {repetition + 1} of {repetitions}")
                answers[name].append(side.step())
    return {name: _summary(*x) for name, x in answers.items()}


def ratio(numerator, denominator, key):
    """The ratio of two sides' values.

    Args:
        numerator: dict. What is reported of a side.
        denominator: dict. What is reported of another.
        key: string, such as `"seconds"`.

    Returns:
        A float, or `None` where one of them has no such value.
    """
    if key not in numerator or key not in denominator:
        return None
    return round(numerator[key] / denominator[key], 3)


def _summary(ready, *steps):
    """The report of one side."""
    last = steps[-1] if steps else ready
    if "error" in last:
        return last
    peaks = {
        name: max(x[name] for x in steps)
        for name in ("peak_bytes", "device_peak_bytes")
        if name in last
    }
    return {
        "seconds": statistics.median(x["seconds"] for x in steps),
        "all_seconds": [round(x["seconds"], 4) for x in steps],
        "all_processor_seconds": [
            round(x["processor_seconds"], 4) for x in steps
        ],
        **peaks,
        "results": [x["result"] for x in steps],
    }
