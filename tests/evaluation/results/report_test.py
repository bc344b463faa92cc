import dataclasses
import re

import pytest

from keras_gpt3.evaluation.results import plots as plots_module
from keras_gpt3.evaluation.results import size_plots as size_plots_module
from keras_gpt3.evaluation.results.report import superglue_averages
from keras_gpt3.evaluation.results.report import write_report
from keras_gpt3.evaluation.results.results_file import read_results
from keras_gpt3.evaluation.results.results_table import results_table
from keras_gpt3.evaluation.task_definitions.task_file import shipped_tasks
from keras_gpt3.evaluation.task_definitions.task_file import task_groups
from keras_gpt3.reporting import report as report_module
from tests.evaluation.some_results import PIQA
from tests.evaluation.some_results import result

# === Report ===


ALL = ["report.html", "report.md", "results.json", "shots.png", "sizes.png"]


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_report_holds_table_plots_and_results(tmp_path):
    folder = tmp_path / "report"
    results = [result(0), result(4, 0.7)]
    write_report(results, folder, [PIQA], "My <model>")
    assert names(folder) == ALL
    assert read_results(folder / "results.json") == results
    text = (folder / "report.md").read_text("utf-8")
    assert text.startswith("# My <model>\n")
    assert results_table(results, [PIQA]) in text
    for plot in re.findall(r"!\[[^]]*\]\((.*)\)", text):
        assert (folder / plot).read_bytes().startswith(b"\x89PNG")
    assert text.count("![") == 2


def test_the_page_needs_no_other_file_and_escapes_names(tmp_path):
    write_report([result(0, model="<i>&"), result(4)], tmp_path)
    page = (tmp_path / "report.html").read_text("utf-8")
    sources = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert len(sources) == 2
    assert all(s.startswith("data:image/png;base64,") for s in sources)
    assert "<i>" not in page
    assert "&lt;i&gt;&amp;" in page
    assert "http" not in page


@pytest.mark.parametrize(
    "results, plots",
    [
        ([result()], ["sizes.png"]),
        ([result(num_parameters=None)], []),
        ([result(k, num_parameters=None) for k in (0, 1)], ["shots.png"]),
        ([result(), result(1, task="other")], ["sizes.png"]),
    ],
)
def test_only_plots_with_something_to_show_are_drawn(results, plots, tmp_path):
    write_report(results, tmp_path)
    assert [n for n in names(tmp_path) if n.endswith(".png")] == plots


def panels(monkeypatch):
    """The keys of the panels of each plot that is drawn."""
    drawn, original = [], plots_module.task_panels

    def task_panels(results, tasks):
        figure, found = original(results, tasks)
        drawn.append(list(found))
        return figure, found

    for module in (plots_module, size_plots_module):
        monkeypatch.setattr(module, "task_panels", task_panels)
    return drawn


def test_all_metrics_are_told_and_the_first_is_drawn(tmp_path, monkeypatch):
    drawn = panels(monkeypatch)
    metrics = ("f1", "squad_exact_match")
    results = [
        result(k, task="squadv2", metric=metric)
        for k in (0, 16)
        for metric in metrics
    ]
    write_report(results, tmp_path)
    assert drawn == [[("squadv2", "f1")]] * 2
    rows = [
        [cell.strip() for cell in line.split("|")]
        for line in (tmp_path / "report.md").read_text("utf-8").splitlines()
        if line.startswith("| squadv2")
    ]
    # Metric, and the paper's for it.
    assert [(row[5], row[10]) for row in rows] == [
        ("F1 (%)", "59.5"),
        ("F1 (%)", "69.8"),
        ("Exact match (%)", "52.6"),
        ("Exact match (%)", "64.9"),
    ]
    assert read_results(tmp_path / "results.json") == results


def test_what_differs_from_the_paper_is_said_beside_it(tmp_path):
    noted = dataclasses.replace(PIQA, note="Of other <records>.")
    mine = dataclasses.replace(PIQA, name="mine", title="Mine", note="No.")
    write_report([result(), result(task="mine")], tmp_path, [noted, mine])
    text = (tmp_path / "report.md").read_text("utf-8")
    assert "\nPIQA: Of other &lt;records&gt;.\n" in text
    assert "Mine: " not in text
    assert "SuperGLUE" not in text
    page = (tmp_path / "report.html").read_text("utf-8")
    assert "<p>PIQA: Of other &lt;records&gt;.</p>" in page


def test_superglue_s_average_is_shown_where_all_of_it_was_run(
    tmp_path, monkeypatch
):
    drawn = panels(monkeypatch)
    tasks = [shipped_tasks()[name] for name in task_groups()["superglue"]]
    results = [
        result(32, 0.5, task=task.name, metric=metric, num_parameters=None)
        for task in tasks
        for metric in task.metrics
    ]
    write_report(results, tmp_path, tasks)
    text = (tmp_path / "report.md").read_text("utf-8")
    row = "| SuperGLUE | mine | 32 | 0 | Average (%) | 50 ± 0.354 |"
    assert row in text
    assert (
        text.partition(row)[2].splitlines()[0].endswith("| 73.2 | 71.8 | 89 |")
    )
    assert read_results(tmp_path / "results.json") == results
    assert "\nSuperGLUE: The average over the eight tasks" in text
    assert drawn == []


def test_an_earlier_report_goes_and_other_files_stay(tmp_path):
    write_report([result(0), result(4)], tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    write_report([result(num_parameters=None)], tmp_path)
    kept = ["notes.txt", "report.html", "report.md", "results.json"]
    assert names(tmp_path) == kept


def test_what_fails_leaves_the_earlier_report(tmp_path, monkeypatch):
    write_report([result(0), result(4)], tmp_path)

    def fail(*_):
        raise OSError("No space left on device")

    monkeypatch.setattr(report_module, "json_text", fail)
    with pytest.raises(OSError, match="No space left"):
        write_report([result(model="other")], tmp_path)
    assert names(tmp_path) == ALL
    assert {r.model for r in read_results(tmp_path / "results.json")} == {
        "mine"
    }


def test_without_results_it_raises_and_writes_nothing(tmp_path):
    with pytest.raises(ValueError) as caught:
        write_report([], tmp_path / "report")
    assert str(caught.value) == (
        "A report must have results to show. Received: results=[]. Evaluate a "
        "model first."
    )
    assert names(tmp_path) == []


# === Superglue average ===


TASKS = [shipped_tasks()[name] for name in task_groups()["superglue"]]
PAIRS = [(task.name, metric) for task in TASKS for metric in task.metrics]


def results(**fields):
    return [result(task=t, metric=m, **fields) for t, m in PAIRS]


def test_a_task_counts_once_with_the_mean_of_its_metrics():
    values = {pair: 0.5 for pair in PAIRS}
    values["cb", "macro_f1"] = 0.9
    values["copa", "accuracy"] = 0.7
    found = [
        result(32, value, task=task, metric=metric)
        for (task, metric), value in values.items()
    ]
    (average,) = superglue_averages(found)
    assert (average.task, average.metric) == ("superglue", "average")
    assert (average.shots, average.mean_shots) == (32, 32.0)
    # cb has 0.7.
    assert average.value == pytest.approx(0.5 + (0.2 + 0.2) / 8)
    # Eight errors of 0.01: 0.01 * 8 ** 0.5 / 8.
    assert average.standard_error == pytest.approx(0.01 / 8**0.5)
    low, high = average.interval
    assert high - low == pytest.approx(2 * 1.96 * average.standard_error)
    assert average.num_examples == 8 * 1838


def test_each_model_k_and_seed_has_its_own():
    found = superglue_averages(
        [*results(), *results(shots=1), *results(model="other", seed=3)]
    )
    assert [(r.model, r.shots, r.seed) for r in found] == [
        ("mine", 0, 0),
        ("mine", 1, 0),
        ("other", 0, 3),
    ]


@pytest.mark.parametrize("missing", range(len(PAIRS)))
def test_without_one_of_them_there_is_none(missing):
    found = results()
    found[missing] = result(1, task=found[missing].task)
    assert superglue_averages(found) == []
