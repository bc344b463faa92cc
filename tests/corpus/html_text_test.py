import time

import pytest

from keras_gpt3.corpus.read.common_crawl_records import html_text

STORY = "It was a bright cold day in April, and the café was open. " * 5
PAGE = f"""<html><head><title>Times</title><style>p {{}}</style></head><body>
<nav><ul><li><a href="/">Home page</a></li><li><a href="/c">Contact us</a></li>
</ul></nav><script>var hidden = 1;</script>
<article><h1>The heading</h1><p>{STORY}</p><p>A second one. {STORY}</p>
</article>
<footer><a href="/imprint">Imprint of the page</a></footer></body></html>"""


@pytest.mark.parametrize("page", [PAGE, PAGE.encode(), PAGE.encode("latin-1")])
def test_the_content_stays_and_navigation_goes(page):
    text = html_text(page, "http://a.org/times")
    assert STORY.strip() in text
    assert "A second one." in text
    for gone in ("Home page", "Contact us", "Imprint", "hidden", "<p>"):
        assert gone not in text


@pytest.mark.parametrize(
    "page",
    [
        "",
        b"",
        "<html><body></body></html>",
        b"\x00\x01<<<" * 50,
        b"\x89PNG\r\n\x1a\n" + bytes(range(256)),
        "<div>" * 5000,
    ],
)
def test_a_page_without_content_has_no_text(page, caplog):
    assert html_text(page) is None
    assert not caplog.records


def test_what_the_library_raises_is_no_text(monkeypatch):
    import trafilatura

    def extract(*arguments, **options):
        raise AttributeError("'NoneType' object has no attribute 'text'")

    monkeypatch.setattr(trafilatura, "extract", extract)
    assert html_text(PAGE) is None


@pytest.mark.parametrize("between", [b" ", b" b='>' "])
def test_a_tag_that_the_parser_would_not_end_with_is_not_parsed(between):
    attributes = between.join(b"a%d=1" % number for number in range(20_000))
    page = PAGE.encode().replace(b"<p>", b"<p " + attributes + b">", 1)
    start = time.perf_counter()
    assert html_text(page) is None
    assert html_text(page.decode()) is None
    # The parser takes 4 seconds of it.
    assert time.perf_counter() - start < 1


def test_an_image_within_its_tag_is_no_reason(monkeypatch):
    image = f"<img src='data:image/png;base64,{'aGVs/bG8' * 10**5}=='>"
    assert STORY.strip() in html_text(PAGE.replace("<p>", image + "<p>", 1))
