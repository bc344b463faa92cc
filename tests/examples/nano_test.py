"""The files of gpt3_nano_en are those of its run and agree with one another."""

import json
import re

import pytest

import keras_gpt3
from keras_gpt3.config_file import read_config
from keras_gpt3.preset_loader import trained_folder
from keras_gpt3.training import PretrainingConfig
from keras_gpt3.training.recipe.run_recipe import run_recipe
from tests.examples.example_scripts import example_scripts
from tests.examples.stand_in_commands import ROOT

NANO = ROOT / "examples" / "nano"
FOLDER = trained_folder("gpt3_nano_en")


def log_rows(kind):
    """The records of a kind of the run's log."""
    lines = (NANO / "log.jsonl").read_text("utf-8").splitlines()
    return [row for row in map(json.loads, lines) if row["kind"] == kind]


def test_the_log_is_of_a_run_with_this_config():
    config = read_config(PretrainingConfig, NANO / "run.yaml")
    recipe = run_recipe(
        config.recipe, "gpt3_small_en", config.data.sequence_length
    )
    last = log_rows("train")[-1]
    assert last["step"] == recipe.num_steps
    assert last["tokens_seen"] == pytest.approx(36e6, rel=1e-3)
    assert {"speeches", "novels", "encyclopedia"} == config.data.shards.keys()


def test_the_script_makes_the_model_that_is_shipped(monkeypatch, tmp_path):
    with example_scripts("nano") as scripts:
        monkeypatch.setattr(scripts.new_model, "FOLDER", str(tmp_path))
        scripts.new_model.main()
    new, shipped = map(keras_gpt3.describe, (str(tmp_path), "gpt3_nano_en"))
    different = {
        key
        for key, value in new.config.items()
        if shipped.config.get(key) != value
    }
    assert different <= {"dtype"}
    for file in ("vocabulary.json", "merges.txt"):
        path = f"assets/tokenizer/{file}"
        assert (tmp_path / path).read_bytes() == (FOLDER / path).read_bytes()


def test_the_card_has_all_losses_and_samples_and_no_mark_to_replace_it():
    card = (FOLDER / "README.md").read_text("utf-8")
    table, samples = (NANO / "results.md").read_text("utf-8").split("\n\n", 1)
    assert table in card
    assert samples.strip() in card
    assert samples.count("> **") == 10
    assert "Written by save_to_preset" not in card


def test_the_measured_loss_is_that_of_the_run_s_last_validation():
    """That one was of a part of the held-out text, in bfloat16."""
    table = (NANO / "results.md").read_text("utf-8")
    rows = re.findall(r"^\| (\w+) \| [\d,]+ \| ([\d.]+) \|$", table, re.M)
    assert len(rows) == 3
    last = log_rows("validation")[-1]
    for name, loss in rows:
        assert float(loss) == pytest.approx(last[f"{name}/loss"], abs=0.03)
