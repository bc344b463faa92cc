import gzip
import json

import datasets
import pyarrow
import pytest
import typer
from pyarrow import parquet
from typer.testing import CliRunner

from keras_gpt3.cli.prepare import prepare_command
from keras_gpt3.data import TokenShards
from keras_gpt3.models import GPT3Tokenizer

TEXTS = [f"Speech number {i} of the assembly. " * i for i in range(1, 30)]


@pytest.fixture
def corpus(tmp_path):
    """A folder with a file of each kind."""
    folder = tmp_path / "corpus"
    folder.mkdir()
    lines = [json.dumps({"title": "x", "text": text}) for text in TEXTS]
    (folder / "a.jsonl").write_text("\n".join(lines[:9]))
    packed = gzip.compress("\n".join(lines[9:28]).encode())
    (folder / "b.jsonl.gz").write_bytes(packed)
    (folder / "c.txt").write_text(TEXTS[28])
    (folder / "README.md").write_text("no text of the corpus")
    return folder


def run(*arguments, columns=80):
    app = typer.Typer()
    app.command()(prepare_command)
    environment = {"COLUMNS": str(columns)}
    return CliRunner().invoke(app, [*map(str, arguments)], env=environment)


def ids_of(texts):
    tokenizer = GPT3Tokenizer.from_preset("gpt3_small_en")
    return [id for text in texts for id in [*tokenizer([text])[0], 50256]]


def test_a_folder_becomes_shards_and_the_last_line_counts_them(
    tmp_path, corpus
):
    result = run(corpus, "--out", tmp_path / "out", "--verbose")
    ids = ids_of(TEXTS)
    shards = TokenShards(tmp_path / "out")
    assert result.exit_code == 0
    assert shards.read([0], shards.num_tokens)[0].tolist() == ids
    assert result.stdout.splitlines()[-1] == (
        f"{len(ids):,} tokens in 29 documents written to {tmp_path / 'out'} "
        f"(1 shard, {2 * len(ids) / 1000:.1f} kB)"
    )
    assert result.stderr.startswith(
        f"tokenize: 100% of the bytes, {len(ids):,} tokens written, "
    )


def test_files_named_one_by_one_come_in_that_order(tmp_path, corpus):
    paths = [corpus / "c.txt", corpus / "a.jsonl"]
    result = run(*paths, "--out", tmp_path, "--tokens-per-shard", 120)
    ids = ids_of([TEXTS[28], *TEXTS[:9]])
    shards = TokenShards(tmp_path)
    assert shards.read([0], shards.num_tokens)[0].tolist() == ids
    files = len(list(tmp_path.glob("tokens-*")))
    assert files > 1
    assert f"({files} shards, " in result.stdout


def test_workers_do_not_change_the_files(tmp_path, corpus):
    contents = []
    for workers in (1, 3):
        folder = tmp_path / str(workers)
        assert run(corpus, "--out", folder, "--workers", workers).exit_code == 0
        contents.append([p.read_bytes() for p in sorted(folder.iterdir())])
    assert contents[0] == contents[1]


def test_a_fraction_goes_to_validation(tmp_path, corpus):
    result = run(corpus, "--out", tmp_path, "--validation-fraction", 0.3)
    train = TokenShards(tmp_path / "train")
    validation = TokenShards(tmp_path / "validation")
    assert train.num_tokens + validation.num_tokens == len(ids_of(TEXTS))
    first, second = result.stdout.splitlines()[-2:]
    assert f"written to {train.folder} (" in first
    assert f"in {validation.num_documents} document" in second
    assert f"written to {validation.folder} (" in second


def test_a_model_s_folder_gives_the_tokenizer(tmp_path, corpus):
    vocabulary = GPT3Tokenizer.from_preset("gpt3_small_en").vocabulary
    tokenizer = GPT3Tokenizer(vocabulary, merges=[])
    tokenizer.save_to_preset(tmp_path / "model")
    (tmp_path / "model" / "config.json").write_text(
        json.dumps({"registered_name": "keras_gpt3>GPT3Backbone"})
    )
    result = run(
        *(corpus / "c.txt", "--out", tmp_path / "out"),
        *("--preset", tmp_path / "model"),
    )
    assert result.exit_code == 0, result.stderr
    shards = TokenShards(tmp_path / "out")
    # Without merges, a character of ASCII is a token.
    assert shards.num_tokens == len(TEXTS[28]) + 1


def test_shards_are_replaced_only_when_asked_to(tmp_path, corpus):
    assert run(corpus / "a.jsonl", "--out", tmp_path).exit_code == 0
    result = run(corpus / "c.txt", "--out", tmp_path)
    assert result.exit_code == 2
    assert result.stderr.startswith("The folder must not hold token shards ")
    assert TokenShards(tmp_path).num_documents == 9
    result = run(corpus / "c.txt", "--out", tmp_path, "--overwrite")
    assert result.exit_code == 0
    assert TokenShards(tmp_path).num_documents == 1


def test_a_bad_line_is_named_and_nothing_stays(tmp_path, corpus):
    (corpus / "b2.jsonl").write_text('{"text": "fine"}\n{"txt": 1}\n')
    result = run(corpus, "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert f"file='{corpus / 'b2.jsonl'}', line=2 (" in result.stderr
    assert not (tmp_path / "out").exists()


def test_parquet_is_read_by_folder_and_by_pattern(tmp_path, corpus):
    table = pyarrow.table({"content": TEXTS})
    parquet.write_table(table, corpus / "d.parquet")
    for path in (corpus / "*.parquet", corpus / "d.parquet"):
        result = run(
            *(path, "--out", tmp_path / "out", "--overwrite"),
            *("--text-column", "content"),
        )
        assert result.exit_code == 0, result.stderr
        shards = TokenShards(tmp_path / "out")
        ids = shards.read([0], shards.num_tokens)[0].tolist()
        assert ids == ids_of(TEXTS)
    result = run(corpus, "--out", tmp_path / "new")
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert "d.parquet', text_column='text', where" in result.stderr
    assert not (tmp_path / "new").exists()


def test_a_dataset_of_the_hub_is_streamed(tmp_path, monkeypatch):
    def load_dataset(path, split, streaming, **_):
        assert (path, split, streaming) == ("org/books", "train", True)
        rows = datasets.Dataset.from_dict({"text": TEXTS})
        return rows.to_iterable_dataset()

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    result = run("hf://datasets/org/books/train", "--out", tmp_path)
    assert result.exit_code == 0, result.stderr
    shards = TokenShards(tmp_path)
    assert shards.read([0], shards.num_tokens)[0].tolist() == ids_of(TEXTS)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["hf://datasets/org/books"], "A dataset of the hub must be named "),
        (["missing.txt"], "A corpus must be a file or a folder. "),
        ([__file__], "A path must end in one of .jsonl, "),
        (["--preset", "gpt3_smal_en"], "preset must be a known name, "),
        (["--workers", 0], "workers must be an integer "),
        (["--tokens-per-shard", 0], "tokens_per_shard must be an integer "),
        (["--validation-fraction", 1], "validation_fraction must be above 0 "),
        (["--validation-fraction", 1e-9], "Both sides of a split must hold "),
    ],
)
def test_a_wrong_argument_is_one_line_on_stderr_and_code_2(
    tmp_path, corpus, arguments, message
):
    result = run(corpus, *arguments, "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith(message)
    assert not (tmp_path / "out").exists()


def test_help_describes_every_option():
    result = run("--help", columns=200)
    assert result.exit_code == 0
    for option in (
        *("out", "preset", "workers", "tokens-per-shard", "overwrite"),
        *("validation-fraction", "text-column"),
    ):
        assert f"--{option}" in result.stdout
    text = " ".join(result.stdout.split())
    assert "leaves nothing behind. Exits with 0, or with 2 if" in text
