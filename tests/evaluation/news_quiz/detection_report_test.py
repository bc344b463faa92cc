import json
import re

import numpy as np
import pytest

from keras_gpt3.evaluation.news_quiz.detection import Detection
from keras_gpt3.evaluation.news_quiz.detection_report import detection_section
from keras_gpt3.evaluation.news_quiz.detection_report import plot_detection
from keras_gpt3.evaluation.news_quiz.detection_report import published_tables
from keras_gpt3.evaluation.news_quiz.detection_report import quiz_scores
from keras_gpt3.evaluation.news_quiz.detection_report import quiz_summary
from keras_gpt3.evaluation.news_quiz.detection_report import write_quiz_report
from keras_gpt3.evaluation.results.results_table import paper_sizes
from keras_gpt3.reporting import report
from tests.evaluation.some_quiz import participant
from tests.evaluation.some_quiz import some_key

KEY = some_key()
PARTICIPANTS = [
    participant(KEY, 0, 6, name="a"),
    participant(KEY, 0, 4, 1, name="b"),
    participant(KEY, 1, 3, name="c"),
    participant(KEY, 1, 4, name="d", check="six", looked_up=True),
    participant(KEY, 1, 4, 2, name="e"),
]

# Tables 3.11 and 3.12, typed once more by hand.
PRINTED = """
control 86 83-90 - 3.6
gpt3_small_en 76 72-80 3.9 (2e-4) 4.9
gpt3_medium_en 61 58-65 10.3 (7e-21) 6.0
gpt3_large_en 68 64-72 7.3 (3e-11) 8.7
gpt3_extra_large_en 62 59-65 10.7 (1e-19) 7.5
gpt3_2.7b_en 62 58-65 10.4 (5e-19) 7.1
gpt3_6.7b_en 60 56-63 11.2 (3e-21) 6.2
gpt3_13b_en 55 52-58 15.3 (1e-32) 7.1
gpt3_175b_en 52 49-54 16.9 (1e-34) 7.8
control 88 84-91 - 2.7
gpt3_175b_en 52 48-57 12.7 (3.2e-23) 10.6
"""


def test_the_papers_values_are_those_of_its_tables():
    rows = [row for table in published_tables() for row in table["rows"]]
    lines = PRINTED.strip().splitlines()
    for row, line in zip(rows, lines, strict=True):
        name, accuracy, interval, test, *p, neutral = line.split()
        low, high = map(int, interval.split("-"))
        assert (row["model"], row["accuracy"]) == (name, int(accuracy))
        assert row["interval"] == [low, high]
        assert row["neutral"] == float(neutral)
        if p:
            assert (row["t"], row["p"]) == (float(test), float(p[0][1:-1]))
        else:
            assert "t" not in row and "p" not in row
    assert [row["model"] for row in rows[1:9]] == list(paper_sizes())


def test_the_table_has_the_columns_of_the_papers():
    section = detection_section(quiz_scores(KEY, PARTICIPANTS))
    control, model = section.rows
    # By hand: (1 + 4/5) / 2; t(0.975, 1) = 12.7062, and half of 0.2 between.
    assert control == (
        *("Control (bad)", "2", "90.0", "-37.1 to 217.1", "", "8.3", "3.0"),
    )
    # (3/6 + 4/6 + 4/4) / 3, t(0.975, 2) = 4.3027, error 0.14699.
    assert model[:4] == ("runs/good", "3", "72.2", "9.0 to 135.5")
    assert re.fullmatch(r"\d\.\d \(0\.\d\)", model[4])
    assert model[5:] == ("11.1", "3.0")


def test_what_is_left_out_is_said():
    summary = quiz_summary(quiz_scores(KEY, PARTICIPANTS, ["check"]))
    assert (
        "Left out: participants who failed the check question (1)." in summary
    )
    assert "Not left out: participants who said that they " in summary
    assert (
        "Not left out: answers about articles that had been seen before (0)."
        in summary
    )
    assert "| runs/good | 2 |" in summary
    without = some_key(check=None)
    people = [participant(without, 0, 6, check=None)]
    assert "the check question" not in quiz_summary(
        quiz_scores(without, people)
    )


def test_a_report_holds_the_papers_values_beside_ones_own(tmp_path):
    (tmp_path / "mine.txt").write_text("stays")
    write_quiz_report(tmp_path, quiz_scores(KEY, PARTICIPANTS))
    names = {path.name for path in tmp_path.iterdir()}
    files = {f"news_quiz.{end}" for end in ("md", "html", "json", "png")}
    assert names == {"mine.txt", *files}
    text = (tmp_path / "news_quiz.md").read_text("utf-8")
    for part in (
        "## Who tells them apart",
        "| Control (bad) | 2 | 90.0 |",
        "| gpt3_175b_en | 52 | 49 to 54 | 16.9 (1e-34) | 7.8 |",
        "## The paper: Articles of about 500 words (Table 3.12)",
        "## The models' articles, hardest first",
        "![Who tells them apart](news_quiz.png)",
    ):
        assert part in text
    page = (tmp_path / "news_quiz.html").read_text("utf-8")
    assert page.count("data:image/png;base64,") == 1
    content = json.loads((tmp_path / "news_quiz.json").read_text("utf-8"))
    assert content["models"][1]["test"]["t"] > 0
    assert content["models"][0]["test"] is None
    assert content["models"][1]["accuracies"][0] == 0.5
    assert content["counts"] == {"looked-up": 1, "seen": 0, "check": 1}


def test_one_participant_has_a_row_and_no_interval(tmp_path):
    scores = quiz_scores(KEY, PARTICIPANTS[:1])
    write_quiz_report(tmp_path, scores)
    control, model = detection_section(scores).rows
    assert control[2:] == ("100.0", "", "", "0.0", "3.0")
    assert model[1:] == ("0", "", "", "", "", "")


def labels(figure):
    (axes,) = figure.axes
    return axes.get_legend_handles_labels()[1]


def test_the_plot_is_figure_3_13_with_ones_own_models():
    figure = plot_detection(quiz_scores(KEY, PARTICIPANTS).rows)
    shown = labels(figure)
    for label in ("chance", "control", "measured", "control of the paper"):
        assert label in shown
    assert not any("of the measured" in label for label in shown)
    (axes,) = figure.axes
    assert axes.get_xscale() == "log"


def test_the_papers_power_law_is_that_of_numpys_least_squares():
    values = [row["accuracy"] for row in published_tables()[0]["rows"][1:]]
    sizes = [*paper_sizes().values()]
    slope, constant = np.polyfit(np.log(sizes), np.log(values), 1)
    law = f"{np.exp(constant):.3g} N^-{-slope:.3g}"
    shown = labels(plot_detection(quiz_scores(KEY, PARTICIPANTS).rows))
    assert f"power law of these: {law}" in shown


def test_three_models_get_a_power_law_of_their_own():
    fields = {"num_participants": 2, "num_answers": 9, "num_neutral": 0}
    rows = [
        Detection("m", n == 0, 10**n, (a, a), minutes=(), **fields)
        # 0.9 N^-0.05, and the control.
        for n, a in [
            (0, 0.95),
            *((k, 0.9 * 10 ** (-0.05 * k)) for k in (3, 5, 8)),
        ]
    ]
    assert "power law of the measured: 90 N^-0.05" in labels(
        plot_detection(rows)
    )


def test_a_report_that_fails_leaves_nothing(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError("no space")

    monkeypatch.setattr(report, "save_figure", fail)
    with pytest.raises(OSError, match="no space"):
        write_quiz_report(tmp_path / "report", quiz_scores(KEY, PARTICIPANTS))
    assert list(tmp_path.iterdir()) == []
