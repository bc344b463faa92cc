import gzip
import json
import os

import pyarrow
import pytest
import zstandard
from pyarrow import parquet

from keras_gpt3.corpus.read import read_file as read_file_module
from keras_gpt3.corpus.read.read_file import read_file
from keras_gpt3.corpus.read.read_file import reader_of


@pytest.mark.parametrize(
    ("name", "reader"),
    [
        ("a.jsonl", "read_json_documents"),
        ("a.JSONL.GZ", "read_json_documents"),
        ("a.jsonl.zst", "read_json_documents"),
        ("a.txt.zst", "read_text_documents"),
        ("CC-MAIN-1.warc.wet.gz", "read_common_crawl_records"),
        ("CC-MAIN-1.warc.gz", "read_common_crawl_records"),
        ("a.warc", "read_common_crawl_records"),
        ("a.parquet", "read_parquet_documents"),
    ],
)
def test_the_suffix_tells_the_reader(name, reader):
    assert reader_of(name).__name__ == reader


@pytest.mark.parametrize("name", ["a.csv", "jsonl", "a.jsonl.bz2", "a"])
def test_an_unknown_suffix_is_refused_at_once(name):
    with pytest.raises(ValueError, match=f"Received: file='{name}'"):
        read_file(name, "novels")


@pytest.mark.parametrize("compress", [gzip.compress, zstandard.compress])
def test_damage_is_the_last_record_after_what_was_read(tmp_path, compress):
    suffix = ".gz" if compress is gzip.compress else ".zst"
    path = tmp_path / f"a.jsonl{suffix}"
    lines = b"".join(
        json.dumps({"text": f"Once {number}"}).encode() + b"\n"
        for number in range(5000)
    )
    path.write_bytes(compress(lines) + compress(lines)[:-9])
    *documents, last = read_file(path, "novels", "b/a.jsonl")
    # Up to 512 bytes before the damage may be lost.
    assert len(documents) > 4960
    assert documents[4900].id == "novels/b/a.jsonl:4901"
    assert last.reason == f"broken {'gzip' if suffix == '.gz' else 'zstd'}"
    assert last.where == "b/a.jsonl"
    assert last.detail


@pytest.mark.parametrize("name", ["a.txt", "a.jsonl", "a.warc", "a.jsonl.gz"])
def test_an_empty_file_is_counted(tmp_path, name):
    (tmp_path / name).touch()
    (record,) = read_file(tmp_path / name, "novels")
    assert (record.reason, record.where) == ("empty file", name)


NAME = os.fsdecode(b"menu\xe9")


@pytest.mark.parametrize(
    "suffix", ["jsonl", "jsonl.gz", "jsonl.zst", "parquet"]
)
def test_a_file_name_that_is_no_utf_8_is_spelled_out(tmp_path, suffix):
    path = tmp_path / f"{NAME}.{suffix}"
    data = b'{"text": "Once"}\n{"text":\n'
    if suffix == "parquet":
        table = pyarrow.table({"text": ["Once", None]})
        with open(path, "wb") as file:
            parquet.write_table(table, file)
    else:
        pack = {"gz": gzip.compress, "zst": zstandard.compress}
        path.write_bytes(pack.get(suffix[6:], bytes)(data))
    document, record = read_file(path, "novels")
    assert document.id == f"novels/menu\\udce9.{suffix}:1"
    assert record.where == f"menu\\udce9.{suffix}:2"


def test_an_archive_that_tells_of_itself_only_is_empty(tmp_path):
    path = tmp_path / "a.warc"
    path.write_bytes(
        b"WARC/1.0\r\nWARC-Type: warcinfo\r\nContent-Length: 1\r\n\r\na\r\n\r\n"
    )
    other, record = read_file(path, "crawl")
    assert (other.kind, record.reason) == ("warcinfo", "empty file")


def test_an_error_that_nobody_foresaw_ends_its_file_alone(
    tmp_path, monkeypatch
):
    def read(path, source, name, max_bytes):
        raise OverflowError("cannot fit 'int' into an index-sized integer")
        yield

    monkeypatch.setitem(read_file_module._READERS, ".jsonl", read)
    (item,) = read_file(tmp_path / "a.jsonl", "novels")
    assert (item.reason, item.where) == ("unreadable file", "a.jsonl")
    assert item.detail.startswith("OverflowError(")
