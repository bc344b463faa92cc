import json

import pytest

from keras_gpt3.evaluation.contamination.contamination import Contamination
from keras_gpt3.evaluation.contamination.contamination_report import (
    contamination_table,
)
from keras_gpt3.evaluation.contamination.contamination_report import (
    plot_contamination,
)
from keras_gpt3.evaluation.contamination.contamination_report import (
    write_contamination_report,
)
from keras_gpt3.evaluation.contamination.contamination_scores import (
    contamination_scores,
)
from keras_gpt3.evaluation.contamination.table_c1 import published_contamination
from keras_gpt3.reporting import report

FOUND = Contamination(8, (True, False, False, False), (False, False) * 2)
RESULTS = {
    "plain": (FOUND, None),
    "scored": (FOUND, contamination_scores(FOUND, [1.0, 1.0, 0.0, 0.0])),
}


def cells(line):
    return [cell.strip() for cell in line.strip("|\n").split("|")]


def test_the_table_has_scores_side_by_side():
    head, _, plain, scored = contamination_table(RESULTS).splitlines()
    assert len(cells(head)) == 12
    assert cells(plain) == [
        *("plain", "8", "4", "0", "4", "", "1", "", "3", "", "75.0", "")
    ]
    everything, dirty, clean = (cells(scored)[i] for i in (5, 7, 9))
    assert everything.startswith("0.5 (0 to ")
    # One tells little: 0.025 ** 1.
    assert dirty == "1 (0.025 to 1)"
    assert clean.startswith("0.333 (0 to 1")
    assert cells(scored)[11].startswith("-33.3 (-100.0 to ")


def rows(is_dirty, is_short, scores):
    found = Contamination(8, is_dirty, is_short)
    pair = (found, contamination_scores(found, scores))
    return cells(contamination_table({"x": pair}).splitlines()[-1])


def test_what_is_too_short_is_neither_dirty_nor_clean():
    row = rows((True, False, False), (False, False, True), [1.0, 1.0, 0.0])
    assert row[:5] == ["x", "8", "3", "1", "2"]
    assert row[5].startswith("1 (")
    assert (row[6], row[8], row[10]) == ("1", "1", "50.0")
    assert row[11] == "+0.0 (+0.0 to +0.0)"


def test_where_none_can_be_compared_the_cells_are_empty():
    row = rows((False, False), (True, True), [1.0, 0.0])
    assert row == ["x", "8", "2", "2", "0", *[""] * 7]


def test_files_are_written_with_the_numbers_of_dirty_examples(tmp_path):
    (tmp_path / "mine.txt").write_text("stays")
    write_contamination_report(RESULTS, tmp_path)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {
        "mine.txt",
        *(f"contamination.{n}" for n in ("md", "html", "json", "png")),
    }
    content = json.loads((tmp_path / "contamination.json").read_text())
    assert content["plain"] == {
        "n": 8,
        "num_examples": 4,
        "share_clean": 0.75,
        "dirty_examples": [0],
        "short_examples": [],
    }
    assert content["scored"]["dirty_examples"] == [0]
    assert content["scored"]["dirty"]["score"] == 1
    assert content["scored"]["clean"]["score"] == pytest.approx(1 / 3)
    text = (tmp_path / "contamination.md").read_text()
    assert "(contamination.png)" in text
    # The plot of an earlier report goes.
    write_contamination_report({"plain": (FOUND, None)}, tmp_path)
    assert not (tmp_path / "contamination.png").exists()


def test_a_report_that_fails_leaves_nothing(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError("no space")

    monkeypatch.setattr(report, "save_figure", fail)
    with pytest.raises(OSError, match="no space"):
        write_contamination_report(RESULTS, tmp_path / "report")
    assert list(tmp_path.iterdir()) == []


def test_the_paper_s_row_stands_below_its_task():
    results = {"piqa": RESULTS["scored"], "mine": RESULTS["plain"]}
    published = published_contamination(results)
    *_, own, paper, mine = contamination_table(results, published).splitlines()
    assert (cells(own)[0], cells(mine)[0]) == ("piqa", "mine")
    assert cells(paper) == [
        *("PIQA (dev, acc) in Table C.1", "8", "1,838", "", "1,838", "0.823"),
        *("526", "0.899", "1,312", "0.793", "71", "-4"),
    ]


def test_a_row_without_a_dirty_example_has_no_score_of_them():
    results = {"winogrande": RESULTS["plain"]}
    published = published_contamination(results)
    row = cells(contamination_table(results, published).splitlines()[-1])
    assert row[6:8] == ["0", ""]


def test_the_report_has_the_paper_s_row_and_says_how_its_change_is_meant(
    tmp_path,
):
    results = {"drop": RESULTS["scored"]}
    published = published_contamination(results)
    write_contamination_report(results, tmp_path, published)
    content = json.loads((tmp_path / "contamination.json").read_text())
    assert content["drop"]["table_c1"]["change"] == -21
    for suffix in ("md", "html"):
        text = (tmp_path / f"contamination.{suffix}").read_text()
        assert "DROP (dev, f1) in Table C.1" in text
        assert "is of the mean of both scores" in text


def test_the_picture_has_the_paper_s_points_where_it_has_the_task():
    results = {"piqa": RESULTS["scored"], "drop": RESULTS["scored"]}
    published = published_contamination(results)
    (axes,) = plot_contamination(results, published=published).axes
    (paper,) = (line for line in axes.lines if "Table C.1" in line.get_label())
    assert paper.get_xydata().tolist() == [[71, -4], [7, -21]]
    assert plot_contamination(results).legends == []
