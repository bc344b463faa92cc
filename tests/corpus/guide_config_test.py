"""The commands and config of the guide to corpora run as printed."""

import pathlib
import re
import shlex
import shutil

import pyarrow
import pyarrow.parquet
import pytest
from typer.testing import CliRunner

from keras_gpt3.cli.main import app
from keras_gpt3.config_file import read_config
from keras_gpt3.corpus.pipeline.document import Document
from keras_gpt3.corpus.pipeline.part_file import written_part
from keras_gpt3.training.recipe.pretraining_config import PretrainingConfig
from tests.fixtures.corpus.excerpts import read_excerpts

ROOT = pathlib.Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "guides" / "corpus.md"
PAGES = ROOT / "examples" / "corpus" / "data"


def blocks(language):
    """The guide's blocks of its section on raw files."""
    (section,) = re.findall(
        r"^## Raw files: corpus\n(.*?)^## ",
        GUIDE.read_text("utf-8"),
        re.DOTALL | re.MULTILINE,
    )
    pattern = rf"^```{language}\n(.*?)^```$"
    return re.findall(pattern, section, re.DOTALL | re.MULTILINE)


@pytest.fixture
def raw_files(tmp_path, monkeypatch):
    """A folder with what the config names."""
    monkeypatch.chdir(tmp_path)
    for name in ("crawl", "raw", "webtext2", "books", "wikipedia"):
        pathlib.Path(name).mkdir()
    shutil.copy(PAGES / "crawl.warc.gz", "crawl")
    shutil.copy(PAGES / "raw.warc.gz", "raw")
    shutil.copy(PAGES / "evaluation.jsonl", ".")
    with written_part("webtext2/a.jsonl.zst") as write:
        for row in read_excerpts("speeches"):
            write(Document(row["id"], "webtext2", row["text"]))
    for number, row in enumerate(read_excerpts("novels")):
        pathlib.Path(f"books/{number}.txt").write_text(row["text"], "utf-8")
    table = pyarrow.Table.from_pylist(read_excerpts("encyclopedia"))
    pyarrow.parquet.write_table(table, "wikipedia/a.parquet")
    return tmp_path


@pytest.mark.slow
def test_its_commands_build_what_its_config_says(raw_files):
    (config,) = blocks("yaml")
    pathlib.Path("corpus.yaml").write_text(config, "utf-8")
    (commands,) = blocks("bash")
    ran = []
    for line in commands.splitlines():
        program, *words = shlex.split(line)
        if program == "keras-gpt3" and words[0] == "corpus":
            # One: the others take seconds to start, and change nothing.
            words = ["1" if word == "2" else word for word in words]
            done = CliRunner().invoke(app, words)
            assert done.exit_code == 0, done.output
            ran.append(words[1])
    assert ran == ["train-filter", "build"]
    run = read_config(PretrainingConfig, pathlib.Path("corpus/pretrain.yaml"))
    weights = {"common_crawl": 60, "webtext2": 22, "books1": 8, "wikipedia": 3}
    expected = {name: w / sum(weights.values()) for name, w in weights.items()}
    assert run.data.weights == pytest.approx(expected)
    assert pathlib.Path("corpus/report/corpus.html").exists()


def test_its_table_names_the_stages():
    text = GUIDE.read_text("utf-8")
    for number, name in enumerate(
        ("read", "filter", "dedup", "decontaminate", "shard"), start=1
    ):
        assert f"| `{name}`, `{number}_{name}` |" in text
