import sys

import numpy as np
import pytest

from keras_gpt3.evaluation.scaling.scaling_fit import PAPER_LAW
from keras_gpt3.evaluation.scaling.scaling_fit import ScalingLaw
from keras_gpt3.evaluation.scaling.scaling_fit import fit_runs
from keras_gpt3.evaluation.scaling.scaling_report import law_text
from keras_gpt3.evaluation.scaling.scaling_report import plot_scaling
from keras_gpt3.evaluation.scaling.scaling_report import short_count
from tests.evaluation.some_runs import noisy_runs

RUNS = noisy_runs(0)[:3]


def lines(figure):
    (axes,) = figure.axes
    return {n.get_label(): n.get_xydata() for n in axes.get_lines()}


@pytest.mark.parametrize("points", ["last", "frontier"])
def test_runs_fit_and_paper_are_drawn(points):
    fit = fit_runs(RUNS, points, num_resamples=20)
    drawn = lines(plot_scaling(RUNS, fit))
    for run in RUNS:
        count = short_count(run.num_parameters)
        curve = drawn[f"{run.name}, {count} parameters"]
        np.testing.assert_allclose(curve[:, 0], run.compute)
        np.testing.assert_allclose(curve[:, 1], run.losses)
    paper = drawn["paper: L = 2.57 C^-0.048"]
    np.testing.assert_allclose(paper[:, 1], PAPER_LAW.loss(paper[:, 0]))
    # Of three runs it is no real one of 95%.
    band = "rough band, of 3 runs"
    fitted = drawn[f"fitted: {law_text(fit.law)}, with {band}"]
    np.testing.assert_allclose(fitted[:, 1], fit.law.loss(fitted[:, 0]))
    points_drawn = drawn["points of the fit"]
    np.testing.assert_allclose(points_drawn[:, 0], fit.compute)
    assert fitted[0, 0] < min(fit.compute) < max(fit.compute) < fitted[-1, 0]


def test_of_many_runs_the_band_is_one_of_95_percent():
    runs = noisy_runs(0)[:6]
    fit = fit_runs(runs, num_resamples=20)
    label = f"fitted: {law_text(fit.law)}, with 95% band"
    assert label in lines(plot_scaling(runs, fit))


def test_both_axes_are_logarithmic():
    (axes,) = plot_scaling(RUNS, fit_runs(RUNS, num_resamples=20)).axes
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")


def test_the_figure_is_saved_without_pyplot(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    path = tmp_path / "scaling.png"
    plot_scaling(RUNS, fit_runs(RUNS, num_resamples=20), path)
    assert path.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "law, text",
    [
        (PAPER_LAW, "L = 2.57 C^-0.048"),
        (ScalingLaw(1.5, 0.15, 1.69), "L = 1.69 + 1.5 C^-0.15"),
    ],
)
def test_a_law_is_written_as_in_the_paper(law, text):
    assert law_text(law) == text


@pytest.mark.parametrize(
    "count, text",
    [
        (12, "12"),
        (1.5e12, "1.5T"),
        (999_700, "1M"),
        (999_400, "999K"),
        (125_226_240, "125M"),
        (174_604_259_328, "175B"),
    ],
)
def test_a_count_is_written_in_three_digits(count, text):
    assert short_count(count) == text
