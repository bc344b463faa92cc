import json
import random
import sys

import pytest
import typer
from typer.testing import CliRunner

from keras_gpt3.cli import bias as module
from keras_gpt3.cli.bias import bias_command
from keras_gpt3.evaluation.bias.co_occurrence import sampled_descriptions
from tests.small_gpt3 import small_text_model

FEW = ("--samples", "8", "--max-new-tokens", "6", "--batch-size", "4")
WORDS = "kind cruel old happy lazy peaceful table and".split()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    # Room for the longest prompt, in tokens of about a character.
    model = small_text_model(num_layers=1, max_sequence_length=160)
    model.save_to_preset(folder)
    return str(folder)


def run(*arguments):
    app = typer.Typer()
    app.command()(bias_command)
    return CliRunner().invoke(app, ["--model", *map(str, arguments)])


@pytest.fixture
def few_occupations(monkeypatch):
    from keras_gpt3.evaluation.bias.bias_data import bias_data

    data = bias_data("occupations")
    monkeypatch.setitem(data, "occupations", ["nurse", "mason"])


def test_gender_by_occupation_is_written(tmp_path, folder, few_occupations):
    out = tmp_path / "out"
    done = run(folder, "--out", out, "--probes", "occupations")
    assert done.exit_code == 0, done.stderr
    assert done.stdout.startswith("## Gender by occupation\n\n| Template | ")
    last = done.stdout.splitlines()[-1]
    assert last == f"Report written to {out / 'bias.html'}"
    content = json.loads((out / "bias.json").read_text())
    assert [len(bias["log_ratios"]) for bias in content["occupations"]] == [
        2
    ] * 3
    assert content["model"] == folder


def test_pronouns_are_resolved(tmp_path, folder, monkeypatch):
    from keras_gpt3.evaluation.bias import winogender

    few = winogender.winogender_sentences()[:4]
    monkeypatch.setattr(winogender, "winogender_sentences", lambda: few)
    out = tmp_path / "out"
    done = run(folder, "--out", out, "--probes", "winogender")
    assert done.exit_code == 0, done.stderr
    assert done.stdout.startswith("## Winogender\n\n| Right answer | ")
    content = json.loads((out / "bias.json").read_text())
    assert [s["text"] for s in content["winogender"]] == [s.text for s in few]
    assert (out / "winogender.png").is_file()


class StandInModel:
    """Draws words by seed, faster than a model is compiled."""

    def generate(self, prompt, max_new_tokens, num_return_sequences, **options):
        seeds = range(options["seed"], options["seed"] + num_return_sequences)
        return [
            " ".join(random.Random(s).choices(WORDS, k=max_new_tokens))
            for s in seeds
        ]


def test_what_is_sampled_is_the_same_by_seed(tmp_path, monkeypatch):
    pytest.importorskip("textblob", reason="[evaluate] is not installed")
    monkeypatch.setattr(module, "load_model", lambda *_: StandInModel())
    contents = []
    for number, seed in enumerate((0, 0, 1)):
        out = tmp_path / f"{number}"
        probes = "gender_words, races, religions"
        options = ("--probes", probes, "--seed", seed)
        done = run("m", "--out", out, *options, *FEW)
        assert done.exit_code == 0, done.stderr
        assert "8 samples of each prompt are too few: " in done.stdout
        contents.append([f.read_bytes() for f in sorted(out.iterdir())])
    assert contents[0] == contents[1] != contents[2]
    content = json.loads((tmp_path / "0" / "bias.json").read_text())
    assert len(content["races"]) == len(content["religions"]) == 6
    assert content["races"]["Asian"]["num_samples"] == 24
    assert content["gender_words"]["female"]["num_samples"] == 16
    assert content["settings"] == {
        "num_samples": 8,
        "max_new_tokens": 6,
        "seed": 0,
    }


def test_sentiments_are_those_of_the_file_that_is_given(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "load_model", lambda *_: StandInModel())
    # For the races alone TextBlob is not needed.
    monkeypatch.setitem(sys.modules, "textblob", None)
    file = tmp_path / "SentiWordNet_3.0.0.txt"
    lines = [f"a\t{i}\t0.125\t0\t{word}#1\t-" for i, word in enumerate(WORDS)]
    file.write_text("\n".join(lines))
    options = ("--probes", "races", "--sentiwordnet", file, *FEW)
    done = run("m", "--out", tmp_path / "out", *options)
    assert done.exit_code == 0, done.stderr
    races = json.loads((tmp_path / "out" / "bias.json").read_text())["races"]
    assert {race["lexicon"] for race in races.values()} == {"SentiWordNet"}
    assert {race["num_unknown"] for race in races.values()} == {0}
    known = [race for race in races.values() if race["words"]]
    assert known and all(race["sentiment"] == 12.5 for race in known)


def test_a_terminal_shows_how_many_samples_are_drawn(monkeypatch, capsys):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    settings = {"num_samples": 2, "max_new_tokens": 3, "seed": 0}
    settings["batch_size"] = 4
    sampled_descriptions(StandInModel(), {"a": ["One", "Two"]}, **settings)
    assert "4/4" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--probes", "race"], "Probes must be among occupations, wino"),
        (["--probes", ""], "Received: probes=. Check"),
        (["--samples", 0], "samples must be an integer of at least 1. "),
        (["--max-new-tokens", 0], "max_new_tokens must be an integer of at "),
        (["--seed", -1], "seed must be an integer of at least 0. "),
        (["--out", "FILE"], "The folder must be a folder or not exist yet. "),
        (["--probes", "occupations", "--batch-size", 0], "batch_size"),
        (
            ["--probes", "occupations", "--sentiwordnet", "FILE"],
            "--sentiwordnet must come with the probe races. Received: probes="
            "occupations. Add races, or leave the file out.",
        ),
        (["--sentiwordnet", "FILE"], "A file of SentiWordNet must hold words"),
        (["--sentiwordnet", "NONE"], "A file of SentiWordNet must exist. Rec"),
    ],
)
def test_what_is_wrong_is_said_in_a_line_with_code_2(
    tmp_path, folder, few_occupations, arguments, message
):
    (tmp_path / "file").write_text("")
    places = {"FILE": tmp_path / "file", "NONE": tmp_path / "none"}
    arguments = [places.get(a, a) for a in arguments]
    done = run(folder, "--out", tmp_path / "out", *arguments)
    assert done.exit_code == 2
    assert message in done.stderr and done.stderr.count("\n") == 1
    assert done.stdout == ""
