import gzip
import io
import tracemalloc

import pytest

from keras_gpt3.corpus.pipeline.document import Document
from keras_gpt3.corpus.read.read_file import read_json_documents


@pytest.fixture
def read(tmp_path):
    def read(data, max_bytes=2**20, name="a.jsonl"):
        path = tmp_path / name
        path.write_bytes(data)
        return list(read_json_documents(str(path), "novels", name, max_bytes))

    return read


def test_documents_have_their_own_id_and_url_or_their_place(read):
    data = (
        b'{"text": "Once", "id": "x", "url": "http://a.org", "other": 1}\n\n'
        b'{"text": "upon", "url": 5}'
    )
    assert read(data) == [
        Document("x", "novels", "Once", "http://a.org"),
        Document("novels/a.jsonl:3", "novels", "upon"),
    ]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"text": "Once"', "no JSON"),
        (b"[" * 90_000, "no JSON"),
        (b"[1, 2]", "no text"),
        (b'{"text": null}', "no text"),
        (b'{"content": "Once"}', "no text"),
        (b'{"text": "\xcf\xf0\xee\xf1\xf2\xee\xe9"}', "not UTF-8"),
        (b'{"text": "' + b"a" * 100_000 + b'"}', "long line"),
    ],
)
def test_a_malformed_line_is_rejected_and_the_others_go_on(read, line, reason):
    good = b'{"text": "Once"}\n'
    first, bad, last = read(good + line + b"\n" + good, max_bytes=100_000)
    assert (first.text, last.text) == ("Once", "Once")
    assert (bad.reason, bad.where) == (reason, "a.jsonl:2")
    assert bad.source == "novels"
    assert bad.text


def test_single_bytes_of_another_encoding_are_repaired(read):
    (document,) = read('{"text": "The café in Rome"}'.encode("latin-1"))
    assert document.text == "The café in Rome"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x7fELF\x00\x01" + bytes(range(256)) * 9, "binary"),
        ('{"text": "Once"}\n'.encode("utf-16"), "UTF-16"),
    ],
)
def test_a_file_of_something_else_is_one_record(read, data, reason):
    (record,) = read(data)
    assert (record.reason, record.where) == (reason, "a.jsonl")


@pytest.mark.parametrize("padding", [0, 2**14])
def test_a_stray_zero_costs_its_own_line_only(read, padding):
    bad = b'{"text": "O\0nce' + b"a" * padding + b'"}\n'
    good = b'{"text": "Once"}\n'
    long = good.replace(b"Once", b"a" * 2**14)
    for lines in (bad + good, good + bad + good, bad + long + good):
        items = read(lines)
        reasons = [getattr(item, "reason", None) for item in items]
        assert sorted(reasons, key=str) == [None] * (len(items) - 1) + [
            "binary"
        ]
        assert items[-1].text == "Once"


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le"])
def test_another_encoding_without_its_mark_is_one_record(read, encoding):
    (record,) = read(('{"text": "Once"}\n' * 3).encode(encoding))
    assert record.reason == "binary"


def test_half_a_surrogate_pair_in_an_address_is_spelled_out(read):
    (document,) = read(b'{"text": "Once", "url": "http://a.org/\\ud800"}')
    assert document.url == "http://a.org/\\ud800"


def test_a_line_of_the_longest_length_is_read(read):
    line = b'{"text": "Once"}'
    assert len(read(line, max_bytes=len(line))) == 1
    (record,) = read(line, max_bytes=len(line) - 1)
    assert record.reason == "long line"


def test_a_long_line_is_never_whole_in_memory(read):
    packed = io.BytesIO()
    with gzip.open(packed, "wb", compresslevel=1) as file:
        for _ in range(30):
            file.write(b"a" * 2**20)
        file.write(b'\n{"text": "Once"}\n')
    tracemalloc.start()
    try:
        bad, good = read(packed.getvalue(), 2**20, "a.jsonl.gz")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (bad.reason, bad.where) == ("long line", "a.jsonl.gz:1")
    assert good.text == "Once"
    # Of 30 MiB: the line's first MiB, some copies of it, and buffers.
    assert peak < 6 * 2**20
