"""A fitted scaling law as files: Markdown, HTML, JSON and a plot."""

import dataclasses

from keras_gpt3.evaluation.report_section import ReportSection
from keras_gpt3.evaluation.report_section import write_sections
from keras_gpt3.evaluation.scaling_law import PAPER_LAW
from keras_gpt3.evaluation.scaling_plot import FEW_RUNS
from keras_gpt3.evaluation.scaling_plot import law_text
from keras_gpt3.evaluation.scaling_plot import plot_scaling
from keras_gpt3.evaluation.scaling_plot import short_count
from keras_gpt3.replaced_folder import replaced_folder

_OWNED = ("scaling.md", "scaling.html", "scaling.json", "scaling.png")
_COLUMNS = ("Run", "Parameters", "Tokens", "PF-days", "Loss", "Loss of")
_NAMES = {"coefficient": "a", "exponent": "b", "floor": "irreducible loss"}


def scaling_section(runs, fit, with_embeddings=True):
    """Writes a law and its runs as a section of a report."""
    counted = "all parameters, as Table D.1 does; the paper's law leaves "
    counted += "embeddings out"
    if not with_embeddings:
        counted = "parameters without embeddings, as the paper's law does"
    paragraphs = (
        f"Fitted: {law_text(fit.law)}",
        f"Paper, Figure 3.1: {law_text(PAPER_LAW)}",
        *_interval_lines(fit, len(runs)),
        "Compute C is in PF-days, 6 FLOPs a parameter and token. It counts "
        f"{counted}.",
    )
    runs = sorted(runs, key=lambda run: run.num_parameters)
    rows = tuple(map(_row, runs))
    return ReportSection(
        "Loss over compute", paragraphs, _COLUMNS, rows, "scaling.png"
    )


def write_scaling_report(runs, fit, folder, with_embeddings=True):
    """Writes a report into a folder, whole or not at all.

    The files are `scaling.md`, `scaling.html`, which needs no other file,
    `scaling.json` and `scaling.png`. Those of an earlier report are replaced;
    other files stay.
    """
    content = {
        "law": dataclasses.asdict(fit.law),
        "intervals": fit.intervals,
        "paper": dataclasses.asdict(PAPER_LAW),
        "with_embeddings": with_embeddings,
        "points": {"compute": fit.compute, "loss": fit.loss},
        "runs": [
            dataclasses.asdict(run) | {"compute": run.compute.tolist()}
            for run in runs
        ],
    }
    section = scaling_section(runs, fit, with_embeddings)
    with replaced_folder(folder, lambda path: True, _OWNED) as new:
        plot_scaling(runs, fit, new / section.plot)
        write_sections("Scaling law", [section], new, "scaling", content)


def _interval_lines(fit, num_runs):
    interval = "interval" if num_runs < FEW_RUNS else "95% interval"
    for name, (low, high) in fit.intervals.items():
        value = getattr(fit.law, name)
        yield (
            f"{_NAMES[name]} = {value:.4g}, {interval} {low:.4g} to "
            f"{high:.4g} (bootstrap over runs)"
        )
    if num_runs < FEW_RUNS:
        yield (
            f"Of {num_runs} runs the bootstrap has few different draws: its "
            "intervals, and the band in the plot, are rough and hold the law "
            f"less often than 95%. Train {FEW_RUNS} models or more for these."
        )


def _row(run):
    return (
        run.name,
        short_count(run.num_parameters),
        short_count(run.tokens[-1]),
        f"{run.compute[-1]:.3g}",
        f"{run.losses[-1]:.4g}",
        run.loss_kind,
    )
