import gzip
import io
import time
import zlib

import pytest
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from keras_gpt3.corpus.pipeline.document import Document
from keras_gpt3.corpus.read.common_crawl_records import html_text
from keras_gpt3.corpus.read.common_crawl_records import (
    read_common_crawl_records,
)
from keras_gpt3.corpus.read.decode_text import DamagedFileError
from keras_gpt3.corpus.read.decode_text import OtherRecord

# === Common crawl records ===


STORY = "It was a bright cold day in April, and the café was open. " * 5
PAGE = (
    "<html><body><nav><a href='/'>Home page</a></nav>"
    f"<article><p>{STORY}</p></article></body></html>"
)
PAGE_BYTES = PAGE.encode()


def archive(records, compressed=True):
    """The bytes of a file of records, each of its type, body and headers."""
    file = io.BytesIO()
    writer = WARCWriter(file, gzip=compressed)
    for number, (kind, body, *headers) in enumerate(records):
        status = "200 OK"
        if headers and isinstance(headers[0], str):
            status, *headers = headers
        http = headers and StatusAndHeaders(status, headers, "HTTP/1.1")
        record = writer.create_warc_record(
            f"http://a.org/{number}",
            kind,
            payload=io.BytesIO(body),
            http_headers=http or None,
            warc_headers_dict={"WARC-Record-ID": f"<urn:uuid:{number}>"},
        )
        writer.write_record(record)
        record.raw_stream.close()
    return file.getvalue()


@pytest.fixture
def read(tmp_path):
    def read(data, max_bytes=2**20, name="a.warc.gz"):
        path = tmp_path / name
        path.write_bytes(data)
        return read_common_crawl_records(str(path), "crawl", "a", max_bytes)

    return read


def html(body=PAGE_BYTES, kind="text/html; charset=utf-8", *headers):
    return "response", body, ("Content-Type", kind), *headers


def test_texts_of_a_wet_file_are_documents_and_its_other_records_none(read):
    data = archive(
        [
            ("warcinfo", b"a: b"),
            ("conversion", STORY.encode()),
            ("metadata", b"c: d"),
            ("conversion", b"Once"),
        ]
    )
    others = [item.kind for item in read(data) if type(item) is OtherRecord]
    assert others == ["warcinfo", "metadata"]
    first, second = (item for item in read(data) if type(item) is Document)
    assert (first.text, second.text) == (STORY, "Once")
    assert (first.id, first.url) == ("urn:uuid:1", "http://a.org/1")
    assert first.source == "crawl"


@pytest.mark.parametrize("compressed", [True, False])
def test_the_text_of_pages_comes_without_navigation(read, compressed):
    name = "a.warc.gz" if compressed else "a.warc"
    records = [html(), html(PAGE.encode("latin-1"), "TEXT/HTML")]
    documents = list(read(archive(records, compressed), name=name))
    assert [document.text for document in documents] == [STORY.strip()] * 2


def test_compressed_and_chunked_bodies_are_read(read):
    body = b"Once upon a time"
    chunked = b"4\r\nOnce\r\nc\r\n upon a time\r\n0\r\n\r\n"
    data = archive(
        [
            html(
                gzip.compress(body), "text/plain", ("Content-Encoding", "gzip")
            ),
            html(chunked, "text/plain", ("Transfer-Encoding", "chunked")),
        ]
    )
    assert [document.text for document in read(data)] == [body.decode()] * 2


def test_what_holds_no_text_is_rejected_with_its_reason(read, capfd):
    data = archive(
        [
            html(b"\x89PNG", "image/png"),
            html(b"<html></html>"),
            html(b"\x00\x01" * 9, "text/plain"),
            html(b"x" * 2001, "text/plain"),
            html(
                b"\x1f\x8bnot gzip" * 9,
                "text/plain",
                ("Content-Encoding", "gzip"),
            ),
            html(),
        ]
    )
    *aside, document = read(data, max_bytes=2000)
    assert [record.reason for record in aside] == [
        "neither HTML nor text",
        "no text in HTML",
        "binary",
        "long record",
        "binary",
    ]
    assert aside[0].detail == "image/png"
    assert aside[1].where == "a:2"
    assert document.id == "urn:uuid:5"
    assert capfd.readouterr() == ("", "")


def test_a_resource_is_a_document_of_its_own_kind(read):
    body = PAGE.encode()
    records = [
        RAW.format(f"resource\r\nContent-Type: {kind}", len(body), PAGE)
        for kind in ("text/html; charset=utf-8", "text/plain", "image/png")
    ]
    page, text, image = read("".join(records).encode(), name="a.warc")
    assert (page.text, text.text) == (STORY.strip(), PAGE)
    assert image.reason == "neither HTML nor text"


@pytest.mark.parametrize("status", ["404 Not Found", "301 Moved", "206 Part"])
def test_a_page_that_the_server_refused_is_rejected(read, status):
    kind = ("Content-Type", "text/html")
    data = archive([("response", PAGE_BYTES, status, kind), html()])
    aside, document = read(data)
    assert aside.reason == "HTTP status is not 200"
    assert aside.detail == f"{status[:3]} http://a.org/0"
    assert document.text == STORY.strip()


@pytest.mark.parametrize("damage", ["cut", "garbled", "chunked"])
@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_body_that_breaks_half_way_is_rejected(read, damage, encoding, capfd):
    text = "".join(f"{number} once upon a time\n" for number in range(9999))
    pack = gzip.compress if encoding == "gzip" else zlib.compress
    body, headers = bytearray(pack(text.encode())), []
    if damage == "garbled":
        body[20_000:20_300] = b"\xff" * 300
    else:
        del body[20_000:]
    if damage == "chunked":
        body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
        headers = [("Transfer-Encoding", "chunked")]
    broken = html(
        bytes(body), "text/plain", ("Content-Encoding", encoding), *headers
    )
    aside, document = read(archive([broken, html()]))
    assert (aside.reason, aside.text[:6]) == ("broken body", "0 once")
    assert document.text == STORY.strip()
    assert capfd.readouterr() == ("", "")


def test_a_kind_that_nobody_knows_is_counted_as_such(read):
    good = RAW.format("conversion", 4, "Once")
    data = (RAW.format("invented", 4, "Once") + good).encode()
    other, document = read(data, name="a.warc")
    assert (other.kind, document.text) == ("unknown", "Once")


def test_a_last_record_that_is_cut_is_rejected(read):
    data = archive([html(b"Once", "text/plain"), html()], compressed=False)
    first, cut = read(data[:-300], name="a.warc")
    assert first.text == "Once"
    assert (cut.reason, cut.where) == ("cut record", "a:2")


def test_what_stands_before_broken_gzip_is_read(read):
    records = [("conversion", STORY.encode())] * 3
    items = read(archive(records)[:-50])
    assert [next(items).text for _ in range(2)] == [STORY] * 2
    with pytest.raises(DamagedFileError, match="broken gzip"):
        next(items)


@pytest.mark.parametrize("data", [b"junk\n" * 9, b"\xff" * 99])
def test_what_is_no_archive_is_damage(read, data):
    with pytest.raises(DamagedFileError, match="broken WARC"):
        list(read(data, name="a.warc"))


RAW = (
    "WARC/1.0\r\nWARC-Type: {}\r\nWARC-Target-URI: http://a.org/a b\r\n"
    "Content-Length: {}\r\n\r\n{}\r\n\r\n"
)


@pytest.mark.parametrize("body", ["", "no headers", "\r\n", "HTTP/1.1 200 OK"])
def test_a_page_without_headers_does_not_end_the_file(read, body, capfd):
    good = RAW.format("conversion", 4, "Once")
    bad = RAW.format("response", len(body), body)
    data = (good + bad + good).encode()
    first, aside, last = read(data, name="a.warc")
    assert (first.text, last.text) == ("Once", "Once")
    assert (aside.reason, aside.where) == ("neither HTML nor text", "a:2")
    assert capfd.readouterr() == ("", "")


def test_a_record_without_a_length_ends_the_file(read):
    good = RAW.format("conversion", 4, "Once")
    data = good + good.replace("Content-Length: 4\r\n", "") + good
    items = read(data.encode(), name="a.warc")
    assert next(items).text == "Once"
    with pytest.raises(DamagedFileError, match="a record without a length"):
        next(items)


def test_an_empty_file_gives_nothing(read):
    assert list(read(b"", name="a.warc")) == []


def response(http, length=None):
    """A record whose headers are not those of the library's writer."""
    length = len(http) if length is None else length
    return (
        b"WARC/1.0\r\nWARC-Type: response\r\n"
        b"Content-Type: application/http\r\n"
        b"Content-Length: %d\r\n\r\n%b\r\n\r\n" % (length, http)
    )


def test_a_length_that_no_file_has_is_damage(read):
    data = response(b"HTTP/1.0 200 OK\r\n\r\nOnce", 10**30)
    with pytest.raises(DamagedFileError, match="broken WARC: a record without"):
        list(read(data, name="a.warc"))


def test_headers_without_an_end_are_rejected_and_the_next_record_is_read(read):
    page = b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nOnce"
    long = b"HTTP/1.0 200 OK\r\nX: " + b"y" * 2**22
    first, second = read(response(long) + response(page), name="a.warc")
    assert first.reason == "broken headers"
    assert first.detail == "headers of over 1048576 bytes"
    assert second.text == "Once"


@pytest.mark.parametrize("line", [b"X: " + b"y" * 2**22, b"X: y\r\n" * 2**18])
def test_a_record_whose_own_headers_have_no_end_is_damage(line, read):
    data = b"WARC/1.0\r\nWARC-Type: response\r\n" + line
    with pytest.raises(DamagedFileError, match="WARC: headers of over 1048576"):
        list(read(data, name="a.warc"))


# === Html text ===


HTML = f"""<html><head><title>Times</title><style>p {{}}</style></head><body>
<nav><ul><li><a href="/">Home page</a></li><li><a href="/c">Contact us</a></li>
</ul></nav><script>var hidden = 1;</script>
<article><h1>The heading</h1><p>{STORY}</p><p>A second one. {STORY}</p>
</article>
<footer><a href="/imprint">Imprint of the page</a></footer></body></html>"""


@pytest.mark.parametrize(
    "page",
    [
        HTML,
        HTML.encode(),
        HTML.encode("latin-1"),
    ],
)
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
    assert html_text(HTML) is None


@pytest.mark.parametrize("between", [b" ", b" b='>' "])
def test_a_tag_that_the_parser_would_not_end_with_is_not_parsed(between):
    attributes = between.join(b"a%d=1" % number for number in range(20_000))
    page = HTML.encode().replace(b"<p>", b"<p " + attributes + b">", 1)
    start = time.perf_counter()
    assert html_text(page) is None
    assert html_text(page.decode()) is None
    # The parser takes 4 seconds of it.
    assert time.perf_counter() - start < 1


def test_an_image_within_its_tag_is_no_reason(monkeypatch):
    image = f"<img src='data:image/png;base64,{'aGVs/bG8' * 10**5}=='>"
    assert STORY.strip() in html_text(HTML.replace("<p>", image + "<p>", 1))
