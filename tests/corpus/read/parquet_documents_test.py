import tracemalloc

import pyarrow
import pytest
from pyarrow import parquet

from keras_gpt3.corpus.pipeline.document import Document
from keras_gpt3.corpus.read.decode_text import DamagedFileError
from keras_gpt3.corpus.read.read_file import read_parquet_documents
from keras_gpt3.data import text_sources


@pytest.fixture
def read(tmp_path):
    path = tmp_path / "a.parquet"

    def read(columns, **options):
        parquet.write_table(pyarrow.table(columns), path, row_group_size=100)
        return read_file(**options)

    def read_file(max_bytes=2**20):
        return list(
            read_parquet_documents(str(path), "novels", "a.parquet", max_bytes)
        )

    read.path, read.file = path, read_file
    return read


def test_rows_of_all_groups_are_documents(read):
    texts = [f"Once {number}" for number in range(700)]
    documents = read({"other": [1] * 700, "text": texts})
    assert [document.text for document in documents] == texts
    assert documents[650].id == "novels/a.parquet:651"


def test_documents_have_their_own_id_and_url(read):
    columns = {"id": [5, 6], "url": ["http://a.org", None], "text": ["a", "b"]}
    assert read(columns) == [
        Document("5", "novels", "a", "http://a.org"),
        Document("6", "novels", "b"),
    ]


def test_bytes_are_decoded(read):
    documents = read({"text": ["café".encode(), b"\x00\x01"]})
    assert documents[0].text == "café"
    assert documents[1].reason == "binary"


def test_strings_that_are_no_utf_8_are_repaired_or_rejected(read):
    texts = ["The café in Rome".encode("latin-1"), b"\xcf\xf0\xee\xf1"]
    column = pyarrow.array(texts, pyarrow.binary()).view(pyarrow.string())
    first, second = read({"text": column})
    assert first.text == "The café in Rome"
    assert second.reason == "not UTF-8"


def test_rows_without_a_text_or_with_a_long_one_are_rejected(read):
    first, none, long = read({"text": ["a", None, "b" * 11]}, max_bytes=10)
    assert first.text == "a"
    assert (none.reason, none.where) == ("no text", "a.parquet:2")
    assert (long.reason, long.text) == ("long line", "b" * 11)
    (number,) = read({"text": [5]})
    assert number.reason == "no text"


def test_a_file_without_texts_is_refused_by_one_line(read):
    (record,) = read({"content": ["Once"], "id": [1]})
    assert record.reason == "no column text"
    assert record.detail == (
        "A Parquet file must have a column text. Received: file='a.parquet' "
        "with the columns content, id. Rename the one that holds the documents."
    )


@pytest.mark.parametrize("kept", [0, 100, -10])
def test_a_file_that_is_cut_is_damaged(read, kept):
    read({"text": ["Once"] * 300})
    read.path.write_bytes(read.path.read_bytes()[:kept])
    with pytest.raises(DamagedFileError, match="broken Parquet"):
        read.file()


def test_half_a_surrogate_pair_in_an_address_is_spelled_out(read):
    url = pyarrow.array([b"http://a.org/\xed\xa0\x80"], pyarrow.binary())
    (document,) = read({"url": url.view(pyarrow.string()), "text": ["Once"]})
    assert document.url.startswith("http://a.org/")
    document.to_json().encode()


def test_a_file_that_cannot_be_opened_is_no_damage(read):
    read.path.mkdir()
    with pytest.raises(
        IsADirectoryError, match="must be readable. Received: f"
    ):
        read.file()


def test_a_name_of_a_column_that_is_broken_is_damage(read):
    table = pyarrow.table({"column": [1], "text": ["a"]})
    parquet.write_table(table, read.path, store_schema=False)
    data = read.path.read_bytes()
    read.path.write_bytes(data.replace(b"column", b"col\xffmn"))
    with pytest.raises(DamagedFileError, match="broken Parquet"):
        read.file()


def test_a_text_that_the_file_holds_once_is_held_once(read):
    text = "Once " * 2**18
    pyarrow_before = pyarrow.total_allocated_bytes()
    parquet.write_table(
        pyarrow.table({"text": [text] * 50 + [None]}), read.path
    )
    tracemalloc.start()
    rows = read_parquet_documents(str(read.path), "novels", "a", 2**22)
    assert all(next(rows).text == text for _ in range(50))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert next(rows).reason == "no text"
    # As bytes, and as strings of one row after the other.
    assert peak < 8 * len(text)
    rows.close()
    assert pyarrow.total_allocated_bytes() <= pyarrow_before + 8 * len(text)


def test_a_few_bytes_that_state_many_are_not_read(read, monkeypatch):
    monkeypatch.setattr(text_sources, "_LARGE_BYTES", 2**20)
    parquet.write_table(
        pyarrow.table({"text": ["x" * 2**21]}), read.path, compression="zstd"
    )
    with pytest.raises(DamagedFileError, match="swollen Parquet: .* of text"):
        read.file(max_bytes=2**22)
