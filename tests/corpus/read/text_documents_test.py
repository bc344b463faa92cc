import gzip

import pytest

from keras_gpt3.corpus.pipeline.document import Document
from keras_gpt3.corpus.read.decode_text import DamagedFileError
from keras_gpt3.corpus.read.read_file import read_text_documents


@pytest.fixture
def read(tmp_path):
    def read(data, max_bytes=2**20, name="a.txt"):
        path = tmp_path / name
        path.write_bytes(data)
        return read_text_documents(str(path), "novels", name, max_bytes)

    return read


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-8-sig"])
def test_a_file_is_one_document(read, encoding):
    text = "Once upon\n\na time, in a café"
    (document,) = read(text.encode(encoding))
    assert document == Document("novels/a.txt", "novels", text)


def test_an_empty_file_gives_nothing(read):
    assert list(read(b"")) == []


@pytest.mark.parametrize(
    ("data", "reason"),
    [(b"\x7fELF\x00" * 9, "binary"), (b"a" * 1001, "long file")],
)
def test_what_is_no_text_or_too_long_is_rejected(read, data, reason):
    (record,) = read(data, max_bytes=1000)
    assert (record.reason, record.where) == (reason, "a.txt")


def test_what_stands_before_damage_is_a_document(read):
    text = "".join(f"{number} upon a time\n" for number in range(5000))
    items = read(gzip.compress(text.encode())[:-500], name="a.txt.gz")
    document = next(items)
    assert len(document.text) > 1000
    assert text.startswith(document.text)
    with pytest.raises(DamagedFileError, match="broken gzip"):
        next(items)
