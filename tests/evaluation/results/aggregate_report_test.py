import sys

import pytest

from keras_gpt3.evaluation.results.aggregate import aggregate
from keras_gpt3.evaluation.results.aggregate_report import aggregate_section
from keras_gpt3.evaluation.results.aggregate_report import plot_aggregate
from keras_gpt3.evaluation.results.report import write_report
from tests.evaluation.some_results import result


def two_tasks(**fields):
    return [
        result(k, task=task, **fields)
        for task in ("piqa", "copa")
        for k in (0, 1)
    ]


def test_the_paper_s_mean_beside_is_over_the_same_tasks():
    section = aggregate_section(two_tasks(value=0.5))
    # PIQA and COPA: 64.6 and 66 of the smallest, 81 and 91 of the largest.
    assert section.rows[0] == (
        "mine",
        "zero-shot",
        "50 ± 0.707",
        "48.6 to 51.4",
        "65.3",
        "86",
    )
    assert [row[1] for row in section.rows] == ["zero-shot", "one-shot"]
    assert "42.7, 51.1 and 57.4" in section.paragraphs[1]


def test_what_is_left_out_is_said():
    other = two_tasks(model="other", num_parameters=None)
    results = [*two_tasks(), *other, result(0, task="rte")]
    text = " ".join(aggregate_section(results).paragraphs)
    assert "Left out: rte (not evaluated in all of these settings" in text
    assert "Not drawn, as the size is unknown: other." in text


def test_another_k_is_said():
    results = [result(4), result(32, task="copa")]
    text = " ".join(aggregate_section(results).paragraphs)
    assert "With another K than the paper's few-shot: piqa." in text


def test_one_task_has_no_mean_and_no_common_one_is_said():
    assert aggregate_section([result(0), result(1)]) is None
    apart = aggregate_section([result(0), result(1, task="copa")])
    assert apart.paragraphs[0].startswith("There is no mean: no two tasks")
    assert apart.figure is None and apart.rows == ()


def test_the_figure_has_three_curves_and_the_runs_beside():
    models = {"a": 10**7, "b": 10**8}
    results = [
        r
        for m, n in models.items()
        for r in two_tasks(model=m, num_parameters=n)
    ]
    paper, measured = plot_aggregate(aggregate(results)).axes
    labels = {line.get_label() for line in paper.get_lines()}
    assert {
        f"GPT-3 of the paper, {n}-shot" for n in ("zero", "one", "few")
    } <= (labels)
    (zero,) = (
        line
        for line in paper.get_lines()
        if line.get_label() == "GPT-3 of the paper, zero-shot"
    )
    assert zero.get_xydata()[-1] == pytest.approx([174.6e9, 42.7], abs=0.05)
    labels = [line.get_label() for line in measured.get_lines()]
    assert "measured, zero-shot" in labels and "a" in labels
    assert "measured, few-shot" not in labels
    assert paper.get_xscale() == measured.get_xscale() == "log"


def test_the_report_has_the_figure_without_pyplot(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    write_report(two_tasks(), tmp_path)
    picture = (tmp_path / "aggregate.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert "(aggregate.png)" in (tmp_path / "report.md").read_text("utf-8")
    write_report([result()], tmp_path)
    assert not (tmp_path / "aggregate.png").exists()
