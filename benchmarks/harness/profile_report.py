"""Shows the profile of a step: tables in a terminal, bars in a picture."""

from rich.table import Table

from keras_gpt3.reporting import figures


def show(report, console):
    """Prints the parts and the most expensive operations as tables.

    Args:
        report: dict. What `benchmarks/profile_step.py` prints.
        console: `rich.console.Console`.
    """
    table = Table("part", title="one step, in milliseconds")
    for column in ("time", "share", "busy", "matrix products alone"):
        table.add_column(column, justify="right")
    for part, row in report["parts"].items():
        table.add_row(
            part,
            _milliseconds(row["seconds"]),
            f"{100 * row['share']:.1f}%",
            _milliseconds(row["busy_seconds"]),
            _milliseconds(row["roofline_seconds"]),
        )
    table.add_row("idle", _milliseconds(report["idle_seconds"]))
    table.add_row(
        "all",
        _milliseconds(report["profiled_seconds_per_step"]),
        "",
        _milliseconds(report["busy_seconds"]),
        _milliseconds(report["roofline_seconds"]),
    )
    console.print(table)
    console.print(_operations(report))


def draw(report, path):
    """Draws the parts as bars beside their matrix products.

    Args:
        report: dict. What `benchmarks/profile_step.py` prints.
        path: `pathlib.Path` of the picture; its folder is made.
    """
    names = list(report["parts"])[::-1]
    figure, (axes,) = figures.open_figure((8, 4.5))
    for offset, key, label in (
        (0.2, "seconds", "in the step"),
        (-0.2, "roofline_seconds", "matrix products alone"),
    ):
        values = [report["parts"][name][key] for name in names]
        places = [i + offset for i in range(len(names))]
        axes.barh(places, values, 0.4, label=label)
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("seconds of one step")
    axes.legend()
    figures.save_figure(figure, path)


def _operations(report):
    """The table of the most expensive operations."""
    table = Table("operation", "part")
    for column in ("busy", "count"):
        table.add_column(column, justify="right")
    for row in report["most_expensive"]:
        table.add_row(
            row["operation"],
            row["part"],
            _milliseconds(row["busy_seconds"]),
            f"{row['count']:g}",
        )
    return table


def _milliseconds(seconds):
    """A time as the tables print it."""
    return f"{1000 * seconds:.1f}"
