import importlib.resources

import numpy as np
import pytest
import yaml

from keras_gpt3.evaluation.results.aggregate import accuracy_rows
from keras_gpt3.evaluation.results.aggregate import aggregate
from keras_gpt3.evaluation.results.aggregate import mean_of
from keras_gpt3.evaluation.results.aggregate import paper_means
from tests.evaluation.some_results import result

# Read off the pixels of Figure 1.3 as the book "Dive into Deep Learning" shows
# it, at 3.4 pixels a point; few-shot of the smallest is below another mark.
PICTURE = [
    [23.1, 26.3, 27.8, 29.1, 30.8, 32.3, 34.0, 42.5],
    [25.0, 28.2, 30.2, 31.7, 34.2, 35.5, 40.5, 50.9],
    [np.nan, 29.5, 31.7, 33.6, 36.6, 38.5, 43.4, 57.2],
]


def test_42_rows_average_to_what_the_files_hold():
    folder = importlib.resources.files("keras_gpt3.evaluation") / "published"
    rows = [
        row
        for file in folder.iterdir()
        for row in yaml.safe_load(file.read_text("utf-8"))
        if row["metric"] in ("acc", "em")
    ]
    assert len(rows) == len(accuracy_rows()) == 42
    names = ("zero_shot", "one_shot", "few_shot")
    expected = np.mean([[row[name] for name in names] for row in rows], axis=0)
    means = 100 * paper_means(accuracy_rows())
    assert means == pytest.approx(expected)
    assert means[:, -1].round(1).tolist() == [42.7, 51.1, 57.4]


def test_means_are_those_of_the_paper_s_picture():
    means = 100 * paper_means(accuracy_rows())
    known = ~np.isnan(PICTURE)
    assert means[known] == pytest.approx(np.array(PICTURE)[known], abs=0.3)


def test_two_tasks_are_averaged_by_hand():
    rows = [r for r in accuracy_rows() if r.task in ("piqa", "copa")]
    means = 100 * paper_means(rows)
    # PIQA has 81.0, 80.5 and 82.3, COPA 91, 87 and 92.
    assert means[:, -1] == pytest.approx([86, 83.75, 87.15])
    value, error = mean_of([result(0, 0.5), result(0, 0.75)])
    assert value == 0.625
    assert error == pytest.approx(0.01 / 2**0.5)


def names(found):
    return [row.benchmark for row in found.rows]


def test_a_task_that_lacks_a_setting_is_left_out_by_name():
    results = [result(k, task=t) for t in ("piqa", "copa") for k in (0, 1)]
    found = aggregate(
        [*results, result(0, task="rte"), result(task="mine")]
        + [result(task="drop", metric="drop_exact_match")]
    )
    assert sorted(names(found)) == ["copa", "piqa"]
    assert found.settings == (0, 1)
    assert found.left_out == {
        "rte": "not evaluated in all of these settings by all",
        "mine": "Table H.1 has no accuracy of it",
        "drop": "Table H.1 has no accuracy of it",
    }


def test_the_settings_are_those_that_keep_most():
    results = [result(50, task=t) for t in ("piqa", "copa", "rte", "boolq")]
    found = aggregate([*results, result(0)])
    assert found.settings == (2,) and len(found.rows) == 4


def test_the_paper_s_k_counts_and_two_forms_are_one_task():
    results = [result(k, k / 100) for k in (4, 50, 64)]
    forms = [result(0, task="lambada"), result(15, task="lambada_cloze")]
    found = aggregate([*results, *forms])
    (run,) = found.runs.values()
    by_task = dict(zip(names(found), run[2], strict=True))
    assert by_task["piqa"].shots == 50
    assert by_task["lambada"].task == "lambada_cloze"


def test_a_run_with_too_few_tasks_is_left_out_by_name():
    tasks = ("piqa", "copa", "rte")
    results = [result(task=t) for t in tasks] + [result(model="other")]
    found = aggregate(results)
    assert list(found.runs) == [("mine", 0)]
    assert "other, seed 0" in found.left_out
    assert len(found.rows) == 3
