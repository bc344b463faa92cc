"""A fitted scaling law as files: Markdown, HTML, JSON and a plot."""

import dataclasses

import numpy as np

from keras_gpt3.evaluation.scaling.scaling_fit import PAPER_LAW
from keras_gpt3.reporting.figures import PAPER_TEXT
from keras_gpt3.reporting.figures import legend_below
from keras_gpt3.reporting.figures import open_figure
from keras_gpt3.reporting.figures import save_figure
from keras_gpt3.reporting.figures import shades
from keras_gpt3.reporting.report import ReportSection
from keras_gpt3.reporting.report import write_report

_COLUMNS = ("Run", "Parameters", "Tokens", "PF-days", "Loss", "Loss of")
_NAMES = {"coefficient": "a", "exponent": "b", "floor": "irreducible loss"}


def scaling_section(runs, fit, with_embeddings=True):
    """Write a law and its runs as a section of a report."""
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
    return ReportSection("Loss over compute", paragraphs, _COLUMNS, rows)


def write_scaling_report(runs, fit, folder, with_embeddings=True):
    """Write a report into a folder, whole or not at all.

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
    section = dataclasses.replace(
        scaling_section(runs, fit, with_embeddings),
        figure=plot_scaling(runs, fit),
        picture="scaling.png",
    )
    write_report(folder, "scaling", "Scaling law", [section], content)


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


# The bootstrap of fewer has so few different draws that 95% of them is a name
# alone: of three runs there are ten.
FEW_RUNS = 6
_LINE_POINTS = 100
# So many can be distinguished.
_FEW_POINTS = 30


def plot_scaling(runs, fit, path=None):
    """Draw runs, the law fitted to them and the paper's.

    Both axes are logarithmic, as in Figure 3.1: a power law is a straight
    line. The band holds 95% of the bootstrap's laws at each compute; of fewer
    than six runs the legend says that it is rough.
    """
    figure, (axes,) = open_figure((8, 5.5))
    _draw_runs(axes, runs)
    first, last = min(fit.compute), max(fit.compute)
    compute = np.geomspace(first / 1.5, last * 1.5, _LINE_POINTS)
    _draw_fit(axes, fit, compute, len(runs))
    axes.plot(
        compute,
        PAPER_LAW.loss(compute),
        color=PAPER_TEXT,
        linestyle="--",
        label=f"paper: {law_text(PAPER_LAW)}",
    )
    _scale(axes)
    legend_below(figure, columns=2)
    return save_figure(figure, path)


def law_text(law):
    """Write a law as the paper does."""
    floor = f"{law.floor:.3g} + " if law.floor else ""
    return f"L = {floor}{law.coefficient:.3g} C^{-law.exponent:.3g}"


def _draw_runs(axes, runs):
    runs = sorted(runs, key=lambda run: run.num_parameters)
    for run, shade in zip(runs, shades(len(runs)), strict=True):
        axes.plot(
            run.compute,
            run.losses,
            color=shade,
            alpha=0.6,
            linewidth=1,
            marker="." if len(run.losses) < _FEW_POINTS else None,
            label=f"{run.name}, {short_count(run.num_parameters)} parameters",
        )


def short_count(count):
    """Write a count of parameters or tokens in three digits."""
    letters = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "K"))
    for size, letter in letters:
        if count >= 0.9995 * size:
            return f"{count / size:.3g}{letter}"
    return f"{count:.3g}"


def _draw_fit(axes, fit, compute, num_runs):
    curves = np.array([law.loss(compute) for law in fit.resamples])
    low, high = np.percentile(curves, [2.5, 97.5], axis=0)
    axes.fill_between(
        compute, low, high, color="tab:red", alpha=0.15, linewidth=0
    )
    band = "95% band"
    if num_runs < FEW_RUNS:
        band = f"rough band, of {num_runs} runs"
    axes.plot(
        compute,
        fit.law.loss(compute),
        color="tab:red",
        label=f"fitted: {law_text(fit.law)}, with {band}",
    )
    # A frontier has so many points that they are a line.
    axes.plot(
        fit.compute,
        fit.loss,
        "o" if len(fit.compute) < _FEW_POINTS else ":",
        color="tab:red",
        markersize=5,
        linewidth=2,
        label="points of the fit",
    )


def _scale(axes):
    from matplotlib.ticker import LogLocator
    from matplotlib.ticker import NullFormatter

    axes.set_xscale("log")
    axes.set_yscale("log")
    # Losses span less than a decade, so what lies between 1 and 10 is shown.
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 1.5, *range(2, 10))))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("Compute (PF-days)")
    axes.set_ylabel("Loss (nats per token)")
