"""Tests of Parquet files and datasets of the hub as documents."""

import builtins
import json
import re
import tracemalloc

import datasets
import pyarrow
import pytest
from pyarrow import parquet

from keras_gpt3.data import text_sources
from keras_gpt3.data import write_token_shards
from keras_gpt3.data.documents import Documents
from keras_gpt3.data.text_sources import text_source

TEXTS = [f"Once {number} é" for number in range(700)]


@pytest.fixture(autouse=True)
def caches(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / ".c")
    datasets.disable_progress_bars()


# === Parquet ===


def write(path, columns, **options):
    parquet.write_table(pyarrow.table(columns), path, **options)
    return str(path)


@pytest.mark.parametrize(
    "kind",
    [pyarrow.string(), pyarrow.large_string(), pyarrow.binary()]
    + [pyarrow.dictionary(pyarrow.int32(), pyarrow.string())],
)
def test_rows_of_all_groups_are_read_as_they_are(tmp_path, kind):
    texts = pyarrow.array(TEXTS).cast(kind)
    path = write(
        tmp_path / "A.PARQUET",
        {"id": range(700), "text": texts},
        row_group_size=100,
    )
    assert list(text_source(path)) == TEXTS


def test_another_column_may_hold_the_texts(tmp_path):
    columns = {"text": ["no"] * 700, "content": TEXTS}
    path = write(tmp_path / "a.parquet", columns)
    assert list(text_source(path, "content")) == TEXTS
    lines = tmp_path / "a.jsonl"
    lines.write_text('{"text": "no", "content": "yes"}\n')
    assert list(Documents([lines, path], "content")) == ["yes", *TEXTS]


def test_bytes_are_counted_by_rows(tmp_path):
    path = write(tmp_path / "a.parquet", {"text": TEXTS})
    source = text_source(path)
    rows = iter(source)
    seen = []
    for _ in TEXTS:
        seen.append(source.num_bytes_read)
        next(rows)
    assert seen[0] == 0 and seen == sorted(seen)
    assert next(rows, None) is None
    assert source.num_bytes_read == source.num_bytes


def test_a_few_rows_of_many_are_in_memory(tmp_path):
    texts = [f"{number} " * 200 for number in range(8000)]
    path = write(
        tmp_path / "a.parquet",
        {"text": texts},
        row_group_size=100,
        compression=None,
    )
    whole = sum(map(len, texts))
    before, peak = pyarrow.total_allocated_bytes(), 0
    # What is read of the file counts as Python's.
    tracemalloc.start()
    for text, expected in zip(text_source(path), texts, strict=True):
        assert text == expected
        peak = max(peak, pyarrow.total_allocated_bytes() - before)
    _, peak_of_python = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < whole / 4 and peak_of_python < whole / 4


def test_a_missing_column_is_named_before_anything_is_read(tmp_path):
    first = write(tmp_path / "a.parquet", {"text": ["a"]})
    second = write(tmp_path / "b.parquet", {"content": ["a"], "id": [1]})
    message = (
        "Documents must have the column of their texts. Received: "
        f"file='{second}', text_column='text', where there is content, id. "
        "Name one of these with text_column (--text-column)."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        Documents([first, second])


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "its text is of type NoneType"),
        (b"\xff", "its text: 'utf-8' codec can't decode byte 0xff in "),
    ],
)
def test_a_row_without_a_text_is_named(tmp_path, value, reason):
    values = pyarrow.array([b"a", b"b", value], pyarrow.binary())
    path = write(tmp_path / "a.parquet", {"text": values})
    message = (
        'Each row of documents must have a "text" string. Received: '
        f"file='{path}', row=3 ({reason}"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        list(text_source(path))


def test_numbers_are_no_texts(tmp_path):
    path = write(tmp_path / "a.parquet", {"text": [5]})
    with pytest.raises(ValueError, match="row=1 .its text is of type int.*"):
        list(text_source(path))


DAMAGE = "A Parquet file must be complete and not damaged. Received: file="


@pytest.mark.parametrize("kept", [0, 100, -10])
def test_a_file_that_is_cut_is_named(tmp_path, kept):
    path = tmp_path / "a.parquet"
    write(path, {"text": TEXTS})
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ValueError) as error:
        Documents([path])
    text = str(error.value)
    assert text.startswith(f"{DAMAGE}'{path}', column='text' (")
    assert text.endswith("). Copy it again.") and "\n" not in text


def test_damage_in_the_middle_leaves_nothing(tmp_path, tokenizer):
    path = tmp_path / "a.parquet"
    texts = [f"{number} " * 50 for number in range(500)]
    write(path, {"text": texts}, row_group_size=100, use_dictionary=False)
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 100] = b"\xff" * 100
    path.write_bytes(data)
    with pytest.raises(ValueError, match=f"^{DAMAGE}"):
        write_token_shards([path], tmp_path / "out", tokenizer)
    assert not (tmp_path / "out").exists()


def test_few_bytes_that_state_many_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(text_sources, "_LARGE_BYTES", 2**20)
    path = write(
        tmp_path / "a.parquet", {"text": ["x" * 2**21]}, compression="zstd"
    )
    with pytest.raises(ValueError, match="bytes of text state 2"):
        list(text_source(path))


def without(monkeypatch, package):
    """Imports as if a package were not installed."""
    real = builtins.__import__

    def imports(name, *arguments, **options):
        if name.partition(".")[0] == package:
            raise ImportError(f"No module named {package!r}")
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", imports)


def test_without_pyarrow_the_extra_is_named(tmp_path, monkeypatch):
    path = write(tmp_path / "a.parquet", {"text": ["a"]})
    without(monkeypatch, "pyarrow")
    with pytest.raises(ImportError, match=r"pip install 'keras-gpt3\[corpus\]"):
        Documents([path])


# === The hub ===


@pytest.mark.parametrize(
    ("path", "arguments"),
    [
        ("org/books/train", {"name": None, "split": "train"}),
        ("org/wiki/2023.en/train", {"name": "2023.en", "split": "train"}),
        (
            "org/books@refs%2Fpr%2F1/test",
            {"revision": "refs/pr/1", "name": None, "split": "test"},
        ),
        (
            "o.r-g/c4@v1/en/a/c4-train.*.json.gz",
            {
                "path": "o.r-g/c4",
                "revision": "v1",
                "data_files": "en/a/c4-train.*.json.gz",
                "split": "train",
            },
        ),
    ],
)
def test_a_path_is_what_load_dataset_takes(monkeypatch, path, arguments):
    asked = []

    def load_dataset(**options):
        asked.append(options)
        rows = datasets.Dataset.from_dict({"text": ["a", "b"], "id": [1, 2]})
        return rows.to_iterable_dataset()

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    documents = Documents(f"hf://datasets/{path}")
    assert list(documents) == ["a", "b"]
    owner_and_name = "/".join(path.partition("@")[0].split("/")[:2])
    expected = {"path": owner_and_name, "revision": None, "streaming": True}
    assert asked == [expected | arguments]
    assert documents.num_bytes is None and documents.num_bytes_read == 0


@pytest.mark.parametrize(
    "path", ["", "org", "org/books", "org/books/", "a/b/c/d/e", "a b/c/train"]
)
def test_another_form_is_refused(path):
    message = "A dataset of the hub must be named by owner, name and split."
    with pytest.raises(ValueError, match=f"^{message}.*OWNER/NAME"):
        Documents([f"hf://datasets/{path}"])


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A folder instead of the hub, which `datasets` itself streams."""
    real, asked = datasets.load_dataset, []

    def load_dataset(path, name, split, revision, streaming):
        asked.append(path)
        assert streaming and revision is None
        return real(str(tmp_path / path), name, split=split, streaming=True)

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    folder = tmp_path / "org" / "books"
    folder.mkdir(parents=True)
    return folder


def write_json(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.mark.parametrize("kind", ["parquet", "json"])
def test_a_dataset_is_streamed_into_shards(hub, tmp_path, tokenizer, kind):
    for split, texts in (("train", TEXTS[:600]), ("test", TEXTS[600:])):
        if kind == "parquet":
            columns = {"id": range(len(texts)), "content": texts}
            write(hub / f"{split}-0.parquet", columns, row_group_size=100)
        else:
            rows = [{"id": i, "content": t} for i, t in enumerate(texts)]
            write_json(hub / f"{split}-0.jsonl", rows)
    options = {"verbose": False, "text_column": "content"}
    for split, texts in (("train", TEXTS[:600]), ("test", TEXTS[600:])):
        written, expected = (
            write_token_shards(
                documents, tmp_path / f"{split}-{place}", tokenizer, **options
            )
            for place, documents in enumerate(
                (f"hf://datasets/org/books/{split}", texts)
            )
        )
        assert written.num_documents == expected.num_documents
        length = expected.num_tokens
        assert (
            written.read([0], length).tolist()
            == expected.read([0], length).tolist()
        )


def test_no_more_is_read_than_is_taken(hub):
    write(hub / "train.parquet", {"text": TEXTS}, row_group_size=50)
    rows = iter(Documents("hf://datasets/org/books/train"))
    before = pyarrow.total_allocated_bytes()
    assert [next(rows) for _ in range(3)] == TEXTS[:3]
    assert pyarrow.total_allocated_bytes() - before < 2**20


def test_files_and_datasets_make_one_corpus(hub, tmp_path):
    write_json(hub / "train.jsonl", [{"text": "from the hub"}])
    path = tmp_path / "a.txt"
    path.write_text("from a file")
    documents = Documents([path, "hf://datasets/org/books/train"])
    assert list(documents) == ["from a file", "from the hub"]
    assert documents.num_bytes is None
    assert documents.num_bytes_read == len("from a file")


def test_a_column_that_a_dataset_lacks_is_named(hub):
    write(hub / "train.parquet", {"content": ["a"], "id": [1]})
    message = (
        "Documents must have the column of their texts. Received: "
        "corpus='hf://datasets/org/books/train', text_column='text', where "
        "there is content, id. Name one of these with text_column"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        Documents("hf://datasets/org/books/train")


@pytest.mark.parametrize("kind", ["parquet", "json"])
def test_a_row_of_a_dataset_without_a_text_is_named(hub, kind):
    if kind == "parquet":
        write(hub / "train.parquet", {"text": ["a", None]})
    else:
        write_json(hub / "train.jsonl", [{"text": "a"}, {"text": None}])
    message = (
        'Each row of documents must have a "text" string. Received: '
        "corpus='hf://datasets/org/books/train', row=2 (its text is of type "
        "NoneType). Correct or remove the row."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        list(Documents("hf://datasets/org/books/train"))


FAILED = "A dataset must load from the hub. Received: corpus='hf://datasets/"


@pytest.mark.parametrize("path", ["org/other/train", "org/books/dev"])
def test_what_is_not_there_is_named_before_anything_is_read(hub, path):
    write(hub / "train.parquet", {"text": ["a"]})
    with pytest.raises(OSError) as error:
        Documents([f"hf://datasets/{path}"])
    text = str(error.value)
    assert text.startswith(f"{FAILED}{path}', 0 rows read (")
    assert "\n" not in text


def test_a_way_that_fails_in_the_middle_leaves_nothing(
    tmp_path, tokenizer, monkeypatch
):
    def rows():
        yield {"text": "a"}
        yield {"text": "b"}
        raise TimeoutError("the network\nis gone")

    def load_dataset(**options):
        return datasets.IterableDataset.from_generator(rows)

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    message = f"^{FAILED}org/books/train', 2 rows read .*network is gone"
    with pytest.raises(OSError, match=message):
        write_token_shards(
            "hf://datasets/org/books/train", tmp_path / "out", tokenizer
        )
    assert not (tmp_path / "out").exists()


def test_without_datasets_the_extra_is_named(monkeypatch):
    without(monkeypatch, "datasets")
    message = r"pip install 'keras-gpt3\[evaluate\]"
    with pytest.raises(ImportError, match=message):
        Documents("hf://datasets/org/books/train")
