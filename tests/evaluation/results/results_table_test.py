import dataclasses

import pytest

from keras_gpt3.evaluation.results.results_table import COLUMNS
from keras_gpt3.evaluation.results.results_table import metric_title
from keras_gpt3.evaluation.results.results_table import model_labels
from keras_gpt3.evaluation.results.results_table import results_table
from keras_gpt3.evaluation.results.results_table import shown_value
from keras_gpt3.evaluation.results.results_table import table_rows
from keras_gpt3.evaluation.task_definitions.task import METRICS
from keras_gpt3.reporting.report import markdown_table
from tests.evaluation.some_results import PIQA
from tests.evaluation.some_results import result

# === Results table ===


def cells(**changes):
    (row,) = table_rows([result(**changes)], [PIQA])
    return dict(zip(COLUMNS, row, strict=True))


def test_a_row_holds_value_error_interval_guessing_and_paper():
    assert cells(value=0.6) == {
        "Task": "PIQA",
        "Model": "mine",
        "K": "0",
        "Seed": "0",
        "Metric": "Accuracy (%)",
        "Value ± standard error": "60 ± 1",
        "95% interval": "58 to 62",
        "Examples": "1,838",
        "Guessing": "50",
        "Paper, 175B": "81",
        "Test server, 175B": "",
        "Fine-tuned SOTA": "77.1",
    }


def test_the_test_server_s_value_stands_beside_few_shot_ones_alone():
    shown = [cells(shots=k)["Test server, 175B"] for k in (0, 1, 2, 50)]
    assert shown == ["", "", "82.8", "82.8"]


def test_the_paper_s_k_is_told_where_it_is_another():
    assert cells(shots=50)["Paper, 175B"] == "82.3"
    assert cells(shots=4)["Paper, 175B"] == "82.3 (K = 50)"
    assert cells(shots=1)["Paper, 175B"] == "80.5"


def test_demonstrations_that_did_not_fit_are_told():
    assert cells(shots=50, mean_shots=12.25)["K"] == "50 (12.2 fitted)"


@pytest.mark.parametrize(
    ("draws", "fitted", "shown"),
    [
        (None, 50.0, "50"),
        (4, 50.0, "50 (4 shared draws)"),
        (1, 12.25, "50 (12.2 fitted, 1 shared draw)"),
    ],
)
def test_draws_that_examples_share_are_told(draws, fitted, shown):
    assert cells(shots=50, mean_shots=fitted, draws=draws)["K"] == shown


@pytest.mark.parametrize(
    ("name", "title", "shown"),
    [
        ("five_digit_addition", "5D+", "five_digit_addition (5D+)"),
        ("arc_easy", "ARC easy", "ARC easy"),
        ("winograd", "Winograd (WSC273)", "Winograd (WSC273)"),
        ("cb", "CommitmentBank", "cb (CommitmentBank)"),
    ],
)
def test_a_task_is_named_as_the_command_wants_it(name, title, shown):
    task = dataclasses.replace(PIQA, name=name, title=title)
    ((first, *_),) = table_rows([result(task=name)], [task])
    assert first == shown


def test_a_model_s_long_path_is_cut():
    rows = table_rows([result(model="/data/runs/a/model"), result()])
    assert [row[1] for row in rows] == ["a/model", "mine"]


def test_what_is_unknown_is_empty():
    row = cells(task="my_task")
    assert row["Task"] == "my_task"
    assert row["Guessing"] == row["Paper, 175B"] == ""
    assert row["Test server, 175B"] == row["Fine-tuned SOTA"] == ""
    # Guessing is known in accuracy alone.
    assert cells(metric="f1")["Guessing"] == ""


def test_bleu_is_shown_as_it_is():
    row = cells(
        task="wmt14_fr_en",
        metric="bleu",
        shots=64,
        value=12.34,
        interval=(11.0, 13.0),
        standard_error=0.5,
    )
    assert row["Value ± standard error"] == "12.3 ± 0.5"
    assert row["Paper, 175B"] == "41.4"


@pytest.mark.parametrize(("shots", "paper"), [(0, "20.5"), (1, ""), (9, "")])
def test_the_penn_tree_bank_has_a_value_without_demonstrations(shots, paper):
    row = cells(task="penn_treebank", metric="word_perplexity", shots=shots)
    assert row["Metric"] == "Perplexity of words"
    assert row["Paper, 175B"] == paper


def test_rows_of_a_task_follow_each_other_with_rising_k():
    results = [
        result(4),
        result(0, task="b"),
        result(0),
        result(0, model="other"),
        result(0, seed=1),
    ]
    rows = [(r[0], r[1], r[2], r[3]) for r in table_rows(results)]
    assert rows == [
        ("piqa", "mine", "0", "0"),
        ("piqa", "mine", "0", "1"),
        ("piqa", "mine", "4", "0"),
        ("piqa", "other", "0", "0"),
        ("b", "mine", "0", "0"),
    ]


def test_markdown_escapes_what_would_end_a_cell_or_begin_a_tag():
    table = markdown_table(("a", "b"), [("x|y\nz", "<b>")])
    assert table == "| a | b |\n| --- | --- |\n| x\\|y z | &lt;b&gt; |\n"


def test_the_table_is_markdown_of_the_rows():
    results = [result()]
    assert results_table(results) == markdown_table(
        COLUMNS, table_rows(results)
    )


# === Metric display ===


@pytest.mark.parametrize("metric", METRICS)
def test_every_metric_has_a_title_of_its_own(metric):
    assert metric_title(metric)[0].isupper()
    assert "_" not in metric_title(metric)


@pytest.mark.parametrize(
    "metric, title, shown",
    [
        ("accuracy", "Accuracy (%)", 50),
        ("f1_answers", "F1 over answers (%)", 50),
        ("bleu", "SacreBLEU", 0.5),
        ("perplexity", "Perplexity", 0.5),
        ("my_metric", "my_metric (%)", 50),
    ],
)
def test_shares_are_shown_in_percent(metric, title, shown):
    assert metric_title(metric) == title
    assert shown_value(metric, 0.5) == shown


# === Model labels ===


@pytest.mark.parametrize(
    ("model", "label"),
    [
        ("/data/runs/first/model", "first/model"),
        ("runs/first/model/", "first/model"),
        ("first/model", "first/model"),
        ("gpt3_small_en", "gpt3_small_en"),
        ("hf://org/name@main", "hf://org/name@main"),
        ("", ""),
    ],
)
def test_a_path_is_shown_by_its_last_two_parts(model, label):
    assert model_labels([model, model]) == {model: label}


def test_paths_that_end_alike_are_shown_whole():
    alike = ["/a/run/model", "/b/run/model"]
    labels = model_labels([*alike, "/c/other/model"])
    assert labels == {
        **{path: path for path in alike},
        "/c/other/model": "other/model",
    }
