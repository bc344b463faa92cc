"""A fitted scaling law as files: Markdown, HTML, JSON and a plot."""

import collections
import dataclasses

import numpy as np

from keras_gpt3.evaluation.scaling.scaling_fit import PAPER_LAW
from keras_gpt3.evaluation.scaling.scaling_fit import SIZE_LAW
from keras_gpt3.reporting.figures import PAPER_TEXT
from keras_gpt3.reporting.figures import legend_below
from keras_gpt3.reporting.figures import open_figure
from keras_gpt3.reporting.figures import save_figure
from keras_gpt3.reporting.figures import shades
from keras_gpt3.reporting.report import ReportSection
from keras_gpt3.reporting.report import write_report

_COLUMNS = ("Run", "Parameters", "Tokens", "PF-days", "Loss", "Loss of")
_NAMES = {"coefficient": "a", "exponent": "b", "floor": "irreducible loss"}


def scaling_section(runs, fit, with_embeddings=True, sizes=None):
    """Write the law over compute and its runs as a section of a report.

    With `sizes`, the law over parameters that `fit_sizes` fitted, too.
    """
    counted = "all parameters, as Table D.1 does; the paper's law leaves "
    counted += "embeddings out"
    if not with_embeddings:
        counted = "parameters without embeddings, as the paper's law does"
    paragraphs = (
        f"Fitted: {law_text(fit.law)}",
        f"Paper, Figure 3.1: {law_text(PAPER_LAW)}",
        *_interval_lines(fit, len(runs)),
        *(_size_lines(sizes, len(runs)) if sizes else ()),
        *_rough_lines(len(runs)),
        "Compute C is in PF-days, 6 FLOPs a parameter and token. It counts "
        f"{counted}.",
    )
    runs = sorted(runs, key=lambda run: run.num_parameters)
    rows = tuple(map(_row, runs))
    return ReportSection("Loss over compute", paragraphs, _COLUMNS, rows)


def write_scaling_report(runs, fit, folder, with_embeddings=True, sizes=None):
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
        "points": {"compute": fit.scale, "loss": fit.loss},
        "runs": [
            dataclasses.asdict(run) | {"compute": run.compute.tolist()}
            for run in runs
        ],
    }
    if sizes:
        content["over_parameters"] = {
            "law": dataclasses.asdict(sizes.law),
            "intervals": sizes.intervals,
            "kaplan": dataclasses.asdict(SIZE_LAW),
            "points": {"parameters": sizes.scale, "loss": sizes.loss},
        }
    section = dataclasses.replace(
        scaling_section(runs, fit, with_embeddings, sizes),
        figure=plot_scaling(runs, fit, sizes=sizes),
        picture="scaling.png",
    )
    write_report(folder, "scaling", "Scaling law", [section], content)


def _size_lines(sizes, num_runs):
    yield f"Fitted over parameters: {law_text(sizes.law, 'N')}"
    yield (
        f"Kaplan et al. 2020, to convergence: {law_text(SIZE_LAW, 'N')}. It "
        "leaves embeddings out."
    )
    yield from _interval_lines(sizes, num_runs)


def _interval_lines(fit, num_runs):
    interval = "interval" if num_runs < FEW_RUNS else "95% interval"
    for name, (low, high) in fit.intervals.items():
        value = getattr(fit.law, name)
        yield (
            f"{_NAMES[name]} = {value:.4g}, {interval} {low:.4g} to "
            f"{high:.4g} (bootstrap over runs)"
        )


def _rough_lines(num_runs):
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


def plot_scaling(runs, fit, path=None, sizes=None):
    """Draw runs, the law fitted to them and the paper's.

    Both axes are logarithmic, as in Figure 3.1: a power law is a straight
    line. The band holds 95% of the bootstrap's laws at each compute; of fewer
    than six runs the legend says that it is rough. With `sizes`, the fit of
    `fit_sizes`, a second panel has the loss at the end over parameters.
    """
    panels = 2 if sizes else 1
    figure, (axes, *others) = open_figure((1 + 7 * panels, 5.5), 1, panels)
    _draw_runs(axes, runs)
    _draw_fit(axes, fit, len(runs), "C")
    _draw_reference(axes, fit, PAPER_LAW, f"paper: {law_text(PAPER_LAW)}")
    _scale(axes, "Compute (PF-days)")
    for axes in others:
        _draw_fit(axes, sizes, len(runs), "N")
        text = f"Kaplan et al. 2020: {law_text(SIZE_LAW, 'N')}"
        _draw_reference(axes, sizes, SIZE_LAW, text)
        _scale(axes, "Parameters")
    legend_below(figure, columns=2)
    return save_figure(figure, path)


def law_text(law, scale="C"):
    """Write a law as the paper does."""
    floor = f"{law.floor:.3g} + " if law.floor else ""
    return f"L = {floor}{law.coefficient:.3g} {scale}^{-law.exponent:.3g}"


def _draw_runs(axes, runs):
    counts = collections.Counter(run.num_parameters for run in runs)
    colours = dict(zip(sorted(counts), shades(len(counts)), strict=True))
    labels = {run.num_parameters: _label(run, counts) for run in runs}
    for run in sorted(runs, key=lambda run: run.num_parameters):
        axes.plot(
            run.compute,
            run.losses,
            color=colours[run.num_parameters],
            alpha=0.6,
            linewidth=1,
            marker="." if len(run.losses) < _FEW_POINTS else None,
            label=labels.pop(run.num_parameters, None),  # One a size.
        )


def _label(run, counts):
    count = counts[run.num_parameters]
    name = run.name if count == 1 else f"{count} runs"
    return f"{name}, {short_count(run.num_parameters)} parameters"


def short_count(count):
    """Write a count of parameters or tokens in three digits."""
    letters = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "K"))
    for size, letter in letters:
        if count >= 0.9995 * size:
            return f"{count / size:.3g}{letter}"
    return f"{count:.3g}"


def _draw_fit(axes, fit, num_runs, letter):
    scale = _around(fit)
    curves = np.array([law.loss(scale) for law in fit.resamples])
    low, high = np.percentile(curves, [2.5, 97.5], axis=0)
    axes.fill_between(
        scale, low, high, color="tab:red", alpha=0.15, linewidth=0
    )
    band = "95% band"
    if num_runs < FEW_RUNS:
        band = f"rough band, of {num_runs} runs"
    axes.plot(
        scale,
        fit.law.loss(scale),
        color="tab:red",
        label=f"fitted: {law_text(fit.law, letter)}, with {band}",
    )
    # A frontier has so many points that they are a line.
    axes.plot(
        fit.scale,
        fit.loss,
        "o" if len(fit.scale) < _FEW_POINTS else ":",
        color="tab:red",
        markersize=5,
        linewidth=2,
        label="points of the fit",
    )


def _draw_reference(axes, fit, law, label):
    scale = _around(fit)
    axes.plot(
        scale, law.loss(scale), color=PAPER_TEXT, linestyle="--", label=label
    )


def _around(fit):
    first, last = min(fit.scale), max(fit.scale)
    return np.geomspace(first / 1.5, last * 1.5, _LINE_POINTS)


def _scale(axes, x_label):
    from matplotlib.ticker import LogLocator
    from matplotlib.ticker import NullFormatter

    axes.set_xscale("log")
    axes.set_yscale("log")
    # Losses span less than a decade, so what lies between 1 and 10 is shown.
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 1.5, *range(2, 10))))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(x_label)
    axes.set_ylabel("Loss (nats per token)")
