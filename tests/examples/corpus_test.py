"""What the corpus example says holds; it runs on few texts, in seconds."""

import importlib.util
import json
import pathlib
import re

import pytest
import yaml

from keras_gpt3.config_file import read_config
from keras_gpt3.corpus.corpus_config import CorpusConfig
from keras_gpt3.corpus.read.read_file import read_file
from keras_gpt3.data import TokenShards
from keras_gpt3.training.recipe.pretraining_config import PretrainingConfig
from keras_gpt3.training.recipe.run_recipe import run_recipe

pytestmark = pytest.mark.slow

ROOT = pathlib.Path(__file__).parents[2]
FOLDER = ROOT / "examples" / "corpus"
EXCERPTS = ROOT / "tests" / "fixtures" / "corpus"


def load(name):
    path = FOLDER / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


example = load("build_corpus")


@pytest.fixture
def few_texts(tmp_path, monkeypatch):
    """A config of the same crawl beside excerpts of the other sources."""
    monkeypatch.chdir(ROOT)
    config = yaml.safe_load((FOLDER / "corpus.yaml").read_text("utf-8"))
    for name in ("novels", "encyclopedia"):
        config["sources"][name]["files"] = [str(EXCERPTS / f"{name}.jsonl.gz")]
    # Some of each.
    config["shard"]["validation_fraction"] = 0.4
    (tmp_path / "corpus.yaml").write_text(yaml.safe_dump(config), "utf-8")
    good = [EXCERPTS / path.name for path in example.GOOD]
    monkeypatch.setattr(example, "GOOD", good)
    return tmp_path / "corpus.yaml"


@pytest.fixture
def runs(monkeypatch):
    """Configs of training runs, which are made in no time."""
    configs, run = [], example.run

    def stand_in(*words):
        command, _, path, *options = words
        if command != "pretrain":
            return run(*words)
        config = read_config(PretrainingConfig, path, options[1::2])
        lines = [
            {"kind": kind, "loss": loss}
            for kind, loss in zip(
                ("validation", "train", "validation"), (9, 8, 7), strict=True
            )
        ]
        log = pathlib.Path(config.folder, "log.jsonl")
        log.parent.mkdir()
        log.write_text("\n".join(map(json.dumps, lines)), "utf-8")
        configs.append(config)

    monkeypatch.setattr(example, "run", stand_in)
    return configs


def test_it_prints_what_each_stage_kept_and_the_losses(
    few_texts, runs, tmp_path, monkeypatch, capsys
):
    out = tmp_path / "out"
    options = {"--config": few_texts, "--out": out, "--workers": 1}
    words = [str(word) for option in options.items() for word in option]
    monkeypatch.setattr("sys.argv", ["build_corpus.py", *words])
    example.main()
    printed = capsys.readouterr().out
    for command in ("corpus train-filter", "corpus build"):
        assert f"\n$ keras-gpt3 {command} " in printed
    # Each text of an evaluation is cut out where it stands.
    assert re.search(r"4_decontaminate +novels +40 -> +60\n", printed)
    # Shops and copies, but few others.
    dropped = re.search(r"(\d+) low quality\n", printed).group(1)
    assert 80 <= int(dropped) < 100
    dropped = re.search(r"(\d+) near duplicate\n", printed).group(1)
    assert 20 <= int(dropped) <= 25
    (config,) = runs
    recipe = run_recipe(
        config.recipe, config.model.preset, config.data.sequence_length
    )
    assert recipe.num_steps == 146
    for name, folder in config.data.shards.items():
        assert TokenShards(folder).num_tokens > 0
        assert TokenShards(config.data.validation[name]).num_tokens > 0
    assert "\nHeld-out loss per token: 9.000 -> 7.000\n" in printed
    assert f"See {out / 'report' / 'corpus.html'}\n" in printed
    assert (out / "report" / "corpus.html").exists()
    # What is told to be found in the crawl does not hang on the other texts.
    for reason in ("other language", "broken gzip"):
        told = re.search(rf"{reason} +(\d+)", example.__doc__).group(1)
        assert re.search(rf"\b{told} {reason}", printed)


def test_the_config_names_files_of_the_repository(monkeypatch):
    monkeypatch.chdir(ROOT)
    config = read_config(CorpusConfig, FOLDER / "corpus.yaml")
    files = [
        path for source in config.sources.values() for path in source.files
    ]
    files += [*config.decontaminate.texts, *example.GOOD, example.RAW]
    assert [path for path in files if not pathlib.Path(path).is_file()] == []
    assert config.folder == str(example.OUT)
    assert config.filter.classifier == str(example.OUT / "classifier")


def test_the_pages_are_those_that_the_script_makes(tmp_path, monkeypatch):
    make_crawl = load("make_crawl")
    monkeypatch.setattr(make_crawl, "OUT", tmp_path)
    make_crawl.main()
    for path in tmp_path.iterdir():
        committed = FOLDER / "data" / path.name
        # Another zlib may write other bytes of the same pages.
        texts, expected = (
            [item.text for item in read_file(file, "crawl")]
            for file in (path, committed)
        )
        assert texts == expected


def test_the_pages_are_small_and_their_licences_told():
    files = [path for path in (FOLDER / "data").iterdir()]
    assert sum(path.stat().st_size for path in files) < 300_000
    licences = (FOLDER / "data" / "LICENCES.md").read_text("utf-8")
    for path in files:
        assert path.suffix == ".md" or f"`{path.name}`" in licences


def test_it_says_what_to_run_and_to_expect():
    assert "python examples/corpus/build_corpus.py" in example.__doc__
    assert re.search(r"takes about \d+ minutes", example.__doc__)
    assert re.search(r"falls from [\d.]+ to below [\d.]+", example.__doc__)
