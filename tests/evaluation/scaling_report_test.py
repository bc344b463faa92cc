import json

import pytest

from keras_gpt3.evaluation.scaling import scaling_report
from keras_gpt3.evaluation.scaling.scaling_fit import fit_runs
from keras_gpt3.evaluation.scaling.scaling_report import scaling_section
from keras_gpt3.evaluation.scaling.scaling_report import write_scaling_report
from tests.evaluation.some_runs import noisy_runs

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

    def fail(*arguments):
        raise OSError("No space left on device")

    monkeypatch.setattr(scaling_report, "plot_scaling", fail)
    with pytest.raises(OSError, match="No space left"):
        write_scaling_report(RUNS[:3], fit_runs(RUNS[:3]), tmp_path)
    assert names(tmp_path) == FILES
    assert (tmp_path / "scaling.json").read_bytes() == before
