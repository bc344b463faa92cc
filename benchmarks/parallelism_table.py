"""The table of docs/parallelism.md: what the planner says for every size.

    python benchmarks/parallelism_table.py

Prints Markdown, in seconds; nothing is measured. A test compares it with what
the guide shows.
"""

import keras_gpt3

DEVICES = (8, 64, 1024)
MEMORIES = ("16GB", "40GB", "80GB")


def main():
    """Prints the table of all sizes."""
    print("\n".join(table_lines(paper_presets())))


def paper_presets():
    """The names of the paper's sizes: models with weights have no
    batch to plan for.
    """
    presets = keras_gpt3.GPT3.presets
    return [
        name for name in presets if "licence" not in presets[name]["metadata"]
    ]


def table_lines(presets):
    """The lines of the table: for each preset one for each number of devices.

    Args:
        presets: iterable of names.
    """
    columns = ["preset", "devices", *(f"of {size}" for size in MEMORIES)]
    yield _line(columns)
    yield _line(["---"] * len(columns))
    for preset in presets:
        for devices in DEVICES:
            yield table_line(preset, devices)


def table_line(preset, devices):
    """The line of a preset on some devices."""
    plans = (keras_gpt3.plan(preset, size, devices) for size in MEMORIES)
    return _line([f"`{preset}`", str(devices), *map(cell, plans)])


def cell(plan):
    """What a plan proposes, and for how many days; a dash if nothing fits."""
    if not plan.fits:
        return "–"
    shared = " o" * plan.shard_optimizer + " w" * plan.shard_weights
    days = f"{plan.days:.{1 if plan.days < 10 else 0}f}"
    mesh = "x".join(map(str, plan.mesh))
    return f"{mesh}{shared}, {days} d"


def _line(cells):
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
