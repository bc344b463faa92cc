import re

import pytest

from keras_gpt3.evaluation import report
from keras_gpt3.evaluation.report import write_report
from keras_gpt3.evaluation.results_file import read_results
from keras_gpt3.evaluation.results_table import results_table
from tests.evaluation.some_results import PIQA
from tests.evaluation.some_results import result

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


def test_an_earlier_report_goes_and_other_files_stay(tmp_path):
    write_report([result(0), result(4)], tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    write_report([result(num_parameters=None)], tmp_path)
    kept = ["notes.txt", "report.html", "report.md", "results.json"]
    assert names(tmp_path) == kept


def test_what_fails_leaves_the_earlier_report(tmp_path, monkeypatch):
    write_report([result(0), result(4)], tmp_path)

    def fail(title, body):
        raise OSError("No space left on device")

    monkeypatch.setattr(report, "html_page", fail)
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
