"""What the contamination example says holds; it runs in miniature."""

import dataclasses
import json
import pathlib
import random
import re

import pytest

from keras_gpt3.config_file import read_config
from keras_gpt3.data.json_objects import read_json_objects
from keras_gpt3.training.recipe.pretraining_config import PretrainingConfig
from tests.examples.example_scripts import example_scripts

ROOT = pathlib.Path(__file__).parents[2]
FOLDER = ROOT / "examples" / "contamination"
RESULTS = FOLDER / "contamination.json"


@pytest.fixture(scope="module")
def example():
    with example_scripts("contamination") as scripts:
        yield scripts.contamination


@pytest.fixture(scope="module")
def data(example, tmp_path_factory):
    """A folder with the data, and the commands that were run."""
    out, commands = tmp_path_factory.mktemp("data"), []
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        patch.setattr(example, "run", lambda *words: commands.append(words))
        example.make_data(out, example.ITEMS, 3)
    return out, commands


def texts(path):
    return [value["text"] for _, value in read_json_objects(str(path), "")]


def items(example, out):
    return {
        name: [
            item
            for _, item in read_json_objects(
                str(out / "data" / name / "test.jsonl"), ""
            )
        ]
        for name in example.SETS
    }


# === Items ===


def test_a_sentence_is_found_once_if_it_is_long_and_its_end_is_common(example):
    long = "She had been in this house so long that nobody could now find the"
    found = example.find_sentences(
        [f"{long} garden. {long} garden. Yes. {long} gazebo. {long} sea!"],
        {"garden": 10, "gazebo": 9, "sea": 10},
    )
    assert found == [f"{long} garden."]


def test_an_item_asks_for_the_ending_among_others(example):
    sentences = [f"He said it was {end}." for end in "abcdefgh"]
    made = example.make_items(sentences, random.Random(0))
    assert [example.text_of(item) for item in made] == sentences
    for item in made:
        assert len(set(item["choices"])) == len(item["choices"]) == 4
    assert len({item["label"] for item in made}) > 1


def test_the_commonest_of_four_endings_is_right_once_in_four(example, data):
    out, _ = data
    counts = example.count_words(texts(out / "clean.jsonl"))
    right = [
        max(item["choices"], key=counts.get) == item["choices"][item["label"]]
        for own in items(example, out).values()
        for item in own
    ]
    assert len(right) == 400
    # The standard error of 400 guesses is 0.022.
    assert sum(right) / len(right) == pytest.approx(0.25, abs=0.06)


# === Corpora ===


def test_half_of_the_items_are_planted_in_one_corpus_and_none_in_the_other(
    example, data
):
    out, commands = data
    clean, contaminated = (
        texts(out / f"{name}.jsonl") for name in ("clean", "contaminated")
    )
    sets = items(example, out)
    for name, share in example.SETS.items():
        counts = [contaminated.count(example.text_of(i)) for i in sets[name]]
        planted = share * example.ITEMS // 100
        assert counts == [3] * planted + [0] * (example.ITEMS - planted)
    assert len(contaminated) == len(clean) + 3 * 200
    assert set(clean) < set(contaminated)
    # A chapter that gives items has line breaks anywhere.
    text = " ".join(" ".join(clean).split())
    assert not any(
        example.text_of(item) in text for own in sets.values() for item in own
    )
    assert [words[0] for words in commands] == ["prepare"] * 2


def test_the_models_differ_in_their_corpus_alone(
    example, data, monkeypatch, tmp_path
):
    commands = []
    monkeypatch.setattr(example, "run", lambda *words: commands.append(words))
    for model in example.MODELS:
        example.train(tmp_path, model, quick=False)
    configs = []
    for command, _, path, *options in commands:
        assert command == "pretrain"
        config = read_config(
            PretrainingConfig, ROOT / path, [*map(str, options[1::2])]
        )
        config = dataclasses.asdict(config)
        shards = config["data"].pop("shards")
        assert config.pop("folder") in {str(tmp_path / name) for name in shards}
        configs.append((list(shards), config))
    (one, its_config), (other, same_config) = configs
    assert (one, other) == (["clean"], ["contaminated"])
    assert its_config == same_config


def test_an_earlier_run_is_neither_continued_nor_removed(
    example, monkeypatch, tmp_path, capsys
):
    (tmp_path / "mine").write_text("")
    monkeypatch.setattr("sys.argv", ["contamination.py", f"--out={tmp_path}"])
    with pytest.raises(SystemExit) as stopped:
        example.main()
    assert stopped.value.code == 2
    assert "--out must be a new folder" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


# === Results ===


def test_the_difference_has_the_error_of_both_means(example):
    found = example.difference([1.0, 0.0, 1.0, 1.0, 0.0], [True] * 2 + [0] * 3)
    # 1/2 and 2/3; variances of a mean 1/4 and 1/9.
    assert found["value"] == pytest.approx(-1 / 6)
    assert found["standard_error"] == pytest.approx((1 / 4 + 1 / 9) ** 0.5)


def test_the_committed_numbers_show_what_the_example_says(example):
    report = json.loads(RESULTS.read_bytes())
    assert RESULTS.with_suffix(".png").exists()
    assert report["command"] == "python examples/contamination/contamination.py"
    assert report["dirty_in_the_clean_corpus"] == 0
    for model in example.MODELS:
        found = report["models"][model]
        together = found["together"]
        parts = [together[part]["num_examples"] for part in example.PARTS]
        assert parts == [200, 200]
        for share, part in zip(
            example.SETS.values(), found["sets"].values(), strict=True
        ):
            assert part["num_dirty"] == share * example.ITEMS // 100
            assert part["share_clean"] == pytest.approx(1 - share / 100)
        value, error = found["difference"].values()
        if model == "contaminated":
            assert value > 4 * error
        else:
            assert abs(value) < 2 * error


def test_the_documents_have_the_committed_numbers(example, capsys):
    report = json.loads(RESULTS.read_bytes())
    example.show(report)
    lines = capsys.readouterr().out.strip("\n")
    documents = [
        (FOLDER / "contamination.py").read_text("utf-8"),
        (FOLDER / "README.md").read_text("utf-8"),
    ]
    for line in lines.splitlines():
        assert all(line in document for document in documents)


@pytest.mark.slow
def test_it_runs_quickly_and_writes_a_figure_and_numbers(
    example, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(ROOT)
    script = "examples/contamination/contamination.py"
    options = ["--quick", "--out", str(tmp_path / "out")]
    monkeypatch.setattr("sys.argv", [script, *options])
    example.main()
    report = json.loads((tmp_path / "out" / "contamination.json").read_bytes())
    assert report["dirty_in_the_clean_corpus"] == 0
    for found in report["models"].values():
        assert found["together"]["dirty"]["num_examples"] == 50
    assert (tmp_path / "out" / "contamination.png").exists()
    assert re.search(r"\n  contaminated +\d", capsys.readouterr().out)
