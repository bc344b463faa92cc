import base64
import html.parser
import json
import math

import pytest
from matplotlib.figure import Figure

from keras_gpt3.reporting import report
from keras_gpt3.reporting.report import ReportSection
from keras_gpt3.reporting.report import write_report

VOID = {"meta", "img"}
SECTIONS = [
    ReportSection("Words & more", ("A <b> and\nanother.", "Second.")),
    ReportSection(
        'Table of "x"', (), ("<K>",), (("<i>|x",),), Figure(), "plot.png"
    ),
]


class Outline(html.parser.HTMLParser):
    """Whether tags are closed in order, and which attributes they have."""

    def __init__(self, text):
        super().__init__()
        self.open, self.attributes, self.texts = [], {}, []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.attributes.setdefault(tag, []).append(dict(attrs))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


def test_in_markdown_nothing_is_taken_as_a_tag(tmp_path):
    write_report(tmp_path, "some", "Title", SECTIONS)
    assert {path.name for path in tmp_path.iterdir()} == {
        *("some.md", "some.html", "plot.png")
    }
    assert (tmp_path / "some.md").read_text() == (
        "# Title\n\n## Words & more\n\nA &lt;b&gt; and\nanother.\n\nSecond.\n\n"
        '## Table of "x"\n\n| &lt;K&gt; |\n| --- |\n| &lt;i&gt;\\|x |\n\n'
        '![Table of "x"](plot.png)\n'
    )


def test_the_page_is_closed_escaped_and_holds_its_pictures(tmp_path):
    write_report(tmp_path, "some", "a <b> & c", SECTIONS)
    outline = Outline((tmp_path / "some.html").read_text())
    assert outline.open == []
    assert outline.texts.count("a <b> & c") == 2
    for text in ("A <b> and\nanother.", "<i>|x", "<K>", "Words & more"):
        assert text in outline.texts
    assert not {"b", "i", "k"} & outline.attributes.keys()
    assert len(outline.attributes["tr"]) == 2
    (image,) = outline.attributes["img"]
    assert image["alt"] == 'Table of "x"'
    prefix, _, data = image["src"].partition(",")
    assert prefix == "data:image/png;base64"
    picture = (tmp_path / "plot.png").read_bytes()
    assert base64.b64decode(data) == picture


def test_what_a_report_shows_is_also_written_as_json(tmp_path):
    content = {"words": [1, 0.5], "unknown": (math.nan, math.inf)}
    write_report(tmp_path, "some", "Title", [], content)
    text = (tmp_path / "some.json").read_text()
    assert json.loads(text, parse_constant=pytest.fail) == {
        "words": [1, 0.5],
        "unknown": [None, None],
    }


def test_an_earlier_report_goes_and_other_files_stay(tmp_path):
    (tmp_path / "mine.txt").write_text("stays")
    write_report(tmp_path, "some", "Title", SECTIONS, {})
    write_report(tmp_path, "some", "Title", [], pictures=("*.png",))
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"mine.txt", "some.md", "some.html"}


def test_what_fails_leaves_the_earlier_report(tmp_path, monkeypatch):
    write_report(tmp_path, "some", "Title", SECTIONS)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}

    def fail(*_):
        raise OSError("No space left on device")

    monkeypatch.setattr(report, "json_text", fail)
    with pytest.raises(OSError, match="No space left"):
        write_report(tmp_path, "some", "Other", [], {})
    assert {p: p.read_bytes() for p in tmp_path.iterdir()} == before
