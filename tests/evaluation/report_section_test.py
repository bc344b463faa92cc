from matplotlib.figure import Figure

from keras_gpt3.reporting.report_section import ReportSection
from keras_gpt3.reporting.report_section import write_sections


def test_sections_stand_in_both_files_with_nothing_taken_as_a_tag(tmp_path):
    Figure().savefig(tmp_path / "plot.png")
    sections = [
        ReportSection("Words & more", ("A <b> and\nanother.", "Second.")),
        ReportSection("Table", (), ("Word",), (("<i>|x",),), "plot.png"),
    ]
    write_sections("Title", sections, tmp_path, "report")
    assert not (tmp_path / "report.json").exists()
    assert (tmp_path / "report.md").read_text() == (
        "# Title\n\n## Words & more\n\nA &lt;b&gt; and\nanother.\n\nSecond.\n\n"
        "## Table\n\n| Word |\n| --- |\n| &lt;i&gt;\\|x |\n\n"
        "![Table](plot.png)\n"
    )
    page = (tmp_path / "report.html").read_text()
    for part in (
        "<h2>Words &amp; more</h2>",
        "<p>A &lt;b&gt; and\nanother.</p>",
        "<td>&lt;i&gt;|x</td>",
        'src="data:image/png;base64,',
    ):
        assert part in page
    assert "<b>" not in page and "<i>" not in page


def test_what_a_report_shows_is_also_written_as_json(tmp_path):
    write_sections("Title", [], tmp_path, "report", {"words": [1, 0.5]})
    assert (tmp_path / "report.json").read_text() == (
        '{\n  "words": [\n    1,\n    0.5\n  ]\n}\n'
    )
