import dataclasses
import json
import sys

import numpy as np
import pytest

from keras_gpt3.evaluation.scaling import scaling_report
from keras_gpt3.evaluation.scaling.scaling_fit import PAPER_LAW
from keras_gpt3.evaluation.scaling.scaling_fit import SIZE_LAW
from keras_gpt3.evaluation.scaling.scaling_fit import ScalingLaw
from keras_gpt3.evaluation.scaling.scaling_fit import fit_runs
from keras_gpt3.evaluation.scaling.scaling_fit import fit_sizes
from keras_gpt3.evaluation.scaling.scaling_report import law_text
from keras_gpt3.evaluation.scaling.scaling_report import plot_scaling
from keras_gpt3.evaluation.scaling.scaling_report import scaling_section
from keras_gpt3.evaluation.scaling.scaling_report import short_count
from keras_gpt3.evaluation.scaling.scaling_report import write_scaling_report
from tests.evaluation.some_runs import noisy_runs

# === Scaling report ===


RUNS = noisy_runs(0)[:4]
FIT = fit_runs(RUNS, num_resamples=20)
FILES = [f"scaling.{name}" for name in ("html", "json", "md", "png")]


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_section_tells_law_intervals_and_runs():
    # A shell sorts folders by name.
    section = scaling_section(RUNS[::-1], FIT)
    assert section.paragraphs[1] == "Paper, Figure 3.1: L = 2.57 C^-0.048"
    text = " ".join(section.paragraphs)
    low, high = FIT.intervals["exponent"]
    assert f"b = {FIT.law.exponent:.4g}, interval {low:.4g} to " in text
    assert (
        "It counts all parameters, as Table D.1 does; the paper's law" in text
    )
    assert "irreducible" not in text
    assert [row[0] for row in section.rows] == [run.name for run in RUNS]
    # Twenty tokens a parameter.
    assert section.rows[0][1:3] == ("1M", "20M")


@pytest.mark.parametrize(("count", "is_rough"), [(3, True), (6, False)])
def test_of_few_runs_the_intervals_are_called_rough(count, is_rough):
    runs = noisy_runs(0)[:count]
    section = scaling_section(runs, fit_runs(runs, num_resamples=20))
    text = " ".join(section.paragraphs)
    assert (f"Of {count} runs the bootstrap has few" in text) is is_rough
    assert (", 95% interval " in text) is not is_rough


def test_without_embeddings_or_with_a_floor_the_text_says_so():
    fit = fit_runs(RUNS, irreducible=True, num_resamples=20)
    section = scaling_section(RUNS, fit, with_embeddings=False)
    text = " ".join(section.paragraphs)
    assert "parameters without embeddings, as the paper's law does." in text
    assert "irreducible loss = " in text


def test_the_report_is_four_files_of_which_one_is_data(tmp_path):
    write_scaling_report(RUNS, FIT, tmp_path / "new")
    assert names(tmp_path / "new") == FILES
    content = json.loads((tmp_path / "new" / "scaling.json").read_text())
    assert content["law"]["exponent"] == FIT.law.exponent
    assert content["paper"]["coefficient"] == 2.57
    assert content["intervals"]["exponent"] == list(FIT.intervals["exponent"])
    assert [run["name"] for run in content["runs"]] == [r.name for r in RUNS]
    text = (tmp_path / "new" / "scaling.md").read_text("utf-8")
    assert text.startswith("# Scaling law\n") and "](scaling.png)" in text
    text = (tmp_path / "new" / "scaling.html").read_text("utf-8")
    assert "<td>1M</td>" in text and "data:image/png;base64," in text


def test_what_fails_leaves_the_earlier_report(tmp_path, monkeypatch):
    write_scaling_report(RUNS, FIT, tmp_path)
    before = (tmp_path / "scaling.json").read_bytes()

    def fail(*arguments, **options):
        raise OSError("No space left on device")

    monkeypatch.setattr(scaling_report, "plot_scaling", fail)
    with pytest.raises(OSError, match="No space left"):
        write_scaling_report(RUNS[:3], fit_runs(RUNS[:3]), tmp_path)
    assert names(tmp_path) == FILES
    assert (tmp_path / "scaling.json").read_bytes() == before


# === Scaling plot ===


THREE_RUNS = noisy_runs(0)[:3]


def lines(figure):
    (axes,) = figure.axes
    return {n.get_label(): n.get_xydata() for n in axes.get_lines()}


@pytest.mark.parametrize("points", ["last", "frontier"])
def test_runs_fit_and_paper_are_drawn(points):
    fit = fit_runs(THREE_RUNS, points, num_resamples=20)
    drawn = lines(plot_scaling(THREE_RUNS, fit))
    for run in THREE_RUNS:
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
    np.testing.assert_allclose(points_drawn[:, 0], fit.scale)
    assert fitted[0, 0] < min(fit.scale) < max(fit.scale) < fitted[-1, 0]


def test_of_many_runs_the_band_is_one_of_95_percent():
    runs = noisy_runs(0)[:6]
    fit = fit_runs(runs, num_resamples=20)
    label = f"fitted: {law_text(fit.law)}, with 95% band"
    assert label in lines(plot_scaling(runs, fit))


def test_the_loss_over_parameters_is_a_second_panel():
    # Kaplan et al. 2020, equation 1.1, as it is printed.
    assert SIZE_LAW.loss(8.8e13) == pytest.approx(1)
    sizes = fit_sizes(THREE_RUNS, num_resamples=20)
    fit = fit_runs(THREE_RUNS, num_resamples=20)
    _, axes = plot_scaling(THREE_RUNS, fit, sizes=sizes).axes
    drawn = {n.get_label(): n.get_xydata() for n in axes.get_lines()}
    ends = [(run.num_parameters, run.losses[-1]) for run in THREE_RUNS]
    np.testing.assert_allclose(drawn["points of the fit"], ends)
    kaplan = drawn["Kaplan et al. 2020: L = 11.5 N^-0.076"]
    np.testing.assert_allclose(kaplan[:, 1], SIZE_LAW.loss(kaplan[:, 0]))


def test_runs_of_one_size_have_one_label_and_one_colour():
    again = dataclasses.replace(THREE_RUNS[0], name="again")
    runs = [*THREE_RUNS, again]
    fit = fit_runs(runs, num_resamples=20)
    (axes,) = plot_scaling(runs, fit).axes
    curves = axes.get_lines()[: len(runs)]
    colours = [curve.get_color() for curve in curves]
    assert tuple(colours[0]) == tuple(colours[1]) != tuple(colours[2])
    labels = [curve.get_label() for curve in curves]
    assert labels[0] == "2 runs, 1M parameters"
    assert labels[1].startswith("_")  # Not in the legend.


def test_both_axes_are_logarithmic():
    (axes,) = plot_scaling(
        THREE_RUNS, fit_runs(THREE_RUNS, num_resamples=20)
    ).axes
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")


def test_the_figure_is_saved_without_pyplot(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    path = tmp_path / "scaling.png"
    plot_scaling(
        THREE_RUNS,
        fit_runs(THREE_RUNS, num_resamples=20),
        path,
    )
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
