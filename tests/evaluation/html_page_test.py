import base64
import html.parser

import pytest

from keras_gpt3.reporting.report_section import html_image
from keras_gpt3.reporting.report_section import html_page
from keras_gpt3.reporting.report_section import html_table

VOID = {"meta", "img"}


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


def test_a_page_is_closed_and_its_title_escaped():
    page = html_page("a <b> & c", "<p>text</p>\n")
    outline = Outline(page)
    assert outline.open == []
    assert outline.texts.count("a <b> & c") == 2
    assert "b" not in outline.attributes


def test_a_table_escapes_its_cells():
    outline = Outline(html_table(("<K>",), [("<script>alert(1)</script>",)]))
    assert "script" not in outline.attributes
    assert "<script>alert(1)</script>" in outline.texts
    assert len(outline.attributes["tr"]) == 2
    assert outline.open == []


@pytest.mark.parametrize("text", ["a plot", 'of "x" & <y>'])
def test_an_image_is_in_the_page_itself(text, tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(b"\x89PNG of test")
    (image,) = Outline(html_image(path, text)).attributes["img"]
    assert image["alt"] == text
    prefix, _, data = image["src"].partition(",")
    assert prefix == "data:image/png;base64"
    assert base64.b64decode(data) == b"\x89PNG of test"
