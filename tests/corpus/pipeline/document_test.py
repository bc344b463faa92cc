import gzip
import hashlib
import io
import json
import tracemalloc

import numpy as np
import pytest

from keras_gpt3.corpus.pipeline.document import Document
from keras_gpt3.corpus.pipeline.document import RejectedRecord
from keras_gpt3.corpus.pipeline.document import stable_hash
from keras_gpt3.corpus.pipeline.document import stable_uniform
from keras_gpt3.corpus.read.decode_text import DamagedFileError
from keras_gpt3.corpus.read.read_file import read_json_documents
from keras_gpt3.corpus.read.read_file import read_text_documents
from keras_gpt3.corpus.shard.tokenize_part import TokenizedPart
from keras_gpt3.corpus.shard.tokenize_part import key_range
from keras_gpt3.corpus.shard.tokenize_part import shuffle_key
from keras_gpt3.corpus.shard.tokenize_part import shuffled_documents

# === Document ===


@pytest.mark.parametrize(
    "document",
    [
        Document("a", "novels", "Once\nupon \u2028 a time \U0001f600"),
        Document("a", "crawl", "", url="http://a.org"),
        Document("a", "crawl", "x", extra={"score": 0.5, "n": [1, None]}),
    ],
)
def test_a_document_comes_back_from_its_line(document):
    line = document.to_json()
    assert "\n" not in line
    assert Document.from_json(line) == document
    assert Document.from_json(line.encode()) == document


def test_extra_values_are_added_and_replaced():
    document = Document("a", "novels", "Once", extra={"score": 0.5, "n": 1})
    more = document.with_extra(score=0.75)
    assert more.extra == {"score": 0.75, "n": 1}
    assert document.extra == {"score": 0.5, "n": 1}


@pytest.mark.parametrize("line", ['{"id": "a"}', "[1]", "{", b"\xff", "3"])
def test_what_is_no_document_is_named(line):
    with pytest.raises(ValueError, match="A line of a part must be JSON with"):
        Document.from_json(line)


# === Document shuffle ===


def order(folder, ids, num_parts, num_buckets, seed=0):
    """The numbers of documents as they come out of parts and buckets."""
    folder.mkdir()
    paths = [folder / f"{number}" for number in range(num_parts)]
    for number, path in enumerate(paths):
        TokenizedPart(path, "uint16").write(
            (shuffle_key(seed, "novels", f"{i}"), [i], False)
            for i in ids[number::num_parts]
        )
    return [
        int(tokens[0])
        for bucket in range(num_buckets)
        for _, tokens, _ in shuffled_documents(
            paths, "uint16", bucket, num_buckets
        )
    ]


@pytest.mark.parametrize(("num_parts", "num_buckets"), [(3, 1), (7, 4)])
def test_one_order_whatever_the_parts_and_buckets(
    tmp_path, num_parts, num_buckets
):
    ids = list(range(200))
    expected = sorted(ids, key=lambda i: shuffle_key(0, "novels", f"{i}"))
    found = order(tmp_path / "a", ids, num_parts, num_buckets)
    assert found == expected


def test_seeds_and_sources_have_orders_of_their_own(tmp_path):
    ids = list(range(50))
    orders = [order(tmp_path / f"{s}", ids, 1, 1, seed=s) for s in range(2)]
    assert sorted(orders[0]) == sorted(orders[1]) == ids
    assert orders[0] != orders[1]
    assert shuffle_key(0, "a", "b") != shuffle_key(0, "b", "b")


def test_neighbours_come_from_anywhere():
    keys = [shuffle_key(0, "novels", f"{i}") for i in range(2000)]
    places = np.argsort(np.array(keys, "uint64"))
    correlation = np.corrcoef(places[:-1], places[1:])[0, 1]
    # Its standard deviation is 1 / sqrt(2000) = 0.022.
    assert abs(correlation) < 0.09


@pytest.mark.parametrize("num_buckets", [1, 3, 1000])
def test_ranges_of_keys_meet_and_leave_nothing_out(num_buckets):
    ranges = [key_range(i, num_buckets) for i in range(num_buckets)]
    assert ranges[0][0] == 0 and ranges[-1][1] == 2**64
    assert all(a[1] == b[0] for a, b in zip(ranges, ranges[1:], strict=False))


# === Json documents ===


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


# === Text documents ===


@pytest.fixture
def read_of_text_documents(tmp_path):
    def read_of_text_documents(data, max_bytes=2**20, name="a.txt"):
        path = tmp_path / name
        path.write_bytes(data)
        return read_text_documents(str(path), "novels", name, max_bytes)

    return read_of_text_documents


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-8-sig"])
def test_a_file_is_one_document(read_of_text_documents, encoding):
    text = "Once upon\n\na time, in a café"
    (document,) = read_of_text_documents(text.encode(encoding))
    assert document == Document("novels/a.txt", "novels", text)


def test_an_empty_file_gives_nothing(read_of_text_documents):
    assert list(read_of_text_documents(b"")) == []


@pytest.mark.parametrize(
    ("data", "reason"),
    [(b"\x7fELF\x00" * 9, "binary"), (b"a" * 1001, "long file")],
)
def test_what_is_no_text_or_too_long_is_rejected(
    read_of_text_documents, data, reason
):
    (record,) = read_of_text_documents(data, max_bytes=1000)
    assert (record.reason, record.where) == (reason, "a.txt")


def test_what_stands_before_damage_is_a_document(read_of_text_documents):
    text = "".join(f"{number} upon a time\n" for number in range(5000))
    items = read_of_text_documents(
        gzip.compress(text.encode())[:-500], name="a.txt.gz"
    )
    document = next(items)
    assert len(document.text) > 1000
    assert text.startswith(document.text)
    with pytest.raises(DamagedFileError, match="broken gzip"):
        next(items)


# === Rejected record ===


def test_a_record_comes_back_from_its_line_with_its_first_characters():
    record = RejectedRecord(
        "novels", "no JSON", "x" * 2000, where="a.jsonl:3", detail={"n": 1}
    )
    back = RejectedRecord.from_json(record.to_json())
    assert back.text == "x" * 1000
    assert back.reason == "no JSON"
    assert back.where == "a.jsonl:3"
    assert back.detail == {"n": 1}


def test_a_dropped_document_keeps_its_id_source_and_text():
    document = Document("a", "novels", "Once")
    record = RejectedRecord.of_document(document, "low score", 0.25)
    assert json.loads(record.to_json()) == {
        "id": "a",
        "source": "novels",
        "where": None,
        "reason": "low score",
        "detail": 0.25,
        "text": "Once",
    }


# === Stable hash ===


def test_hash_is_blake2b_of_the_parts_with_their_lengths():
    digest = hashlib.blake2b(b"2:ab1:7", digest_size=8).digest()
    assert stable_hash("ab", 7) == int.from_bytes(digest, "big")
    assert stable_hash(b"ab", "7") == stable_hash("ab", 7)


@pytest.mark.parametrize(
    ("left", "right"),
    [(("a", "bc"), ("ab", "c")), (("a", "b"), ("b", "a")), (("a",), ("a", ""))],
)
def test_bounds_and_order_count(left, right):
    assert stable_hash(*left) != stable_hash(*right)


def test_half_a_surrogate_pair_has_a_hash():
    assert stable_hash("\ud800") != stable_hash("\ud801")


def test_draws_are_uniform_and_differ_by_seed():
    draws = [stable_uniform(0, "novels", i) for i in range(4000)]
    assert 0 <= min(draws)
    assert max(draws) < 1
    counts, _ = np.histogram(draws, bins=10, range=(0, 1))
    # 400 expected in each, with a deviation of 19: five deviations.
    assert abs(counts - 400).max() < 95
    assert stable_uniform(1, "novels", 0) != draws[0]
    assert stable_uniform(0, "novels", 0) == draws[0]
