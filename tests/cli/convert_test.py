import importlib.util
import shutil

import numpy as np
import pytest
from typer.testing import CliRunner

from keras_gpt3 import GPT3
from keras_gpt3.cli.main import app
from keras_gpt3.models.presets import checkpoint_export
from keras_gpt3.models.presets.checkpoint_export import LogitComparison
from tests.converters.hub_server import running_hub
from tests.models.lora.lora_test import fill
from tests.small_gpt3 import small_batch
from tests.small_gpt3 import small_text_model


@pytest.fixture(scope="module")
def model():
    return small_text_model(attention_pattern=("dense",))


@pytest.fixture(scope="module")
def folders(model, tmp_path_factory):
    """The same model in both formats."""
    folder = tmp_path_factory.mktemp("models")
    model.save_to_preset(folder / "preset")
    model.export_to_transformers(folder / "checkpoint")
    return folder


def run(*arguments):
    return CliRunner().invoke(app, ["convert", *map(str, arguments)])


def assert_same(folder, model, atol=0.0):
    loaded = GPT3.from_preset(folder, load_weights=True)
    inputs, _ = small_batch()
    np.testing.assert_allclose(loaded(inputs), model(inputs), atol=atol, rtol=0)
    text = "the cat"
    tokenizers = loaded.preprocessor.tokenizer, model.preprocessor.tokenizer
    ids = [tokenizer(text).tolist() for tokenizer in tokenizers]
    assert ids[0] == ids[1]


@pytest.mark.parametrize(
    ("source", "file", "written_as"),
    [
        ("checkpoint", "model.weights.h5", ""),
        ("preset", "model.safetensors", " as GPT2LMHeadModel"),
    ],
)
def test_converts_in_the_direction_that_the_source_asks_for(
    source, file, written_as, folders, model, tmp_path
):
    done = run(folders / source, tmp_path / "new")
    assert done.exit_code == 0, done.output
    count = f"{model.count_params():,} parameters in float32"
    assert done.stdout == f"{count}{written_as} -> {tmp_path / 'new'}\n"
    assert (tmp_path / "new" / file).exists()
    assert_same(tmp_path / "new", model)


@pytest.mark.parametrize(
    "source", ["cerebras_gpt_111m_en", "hf://cerebras/Cerebras-GPT-111M@main"]
)
def test_the_card_names_the_repository(source, folders, tmp_path, monkeypatch):
    files = (folders / "checkpoint").iterdir()
    with running_hub(tmp_path, monkeypatch) as hub:
        hub.publish(
            "cerebras/Cerebras-GPT-111M",
            {path.name: path.read_bytes() for path in files},
        )
        done = run(source, tmp_path / "new")
    assert done.exit_code == 0, done.output
    card = (tmp_path / "new" / "README.md").read_text()
    assert "cerebras/Cerebras-GPT-111M" in card


def test_banded_layers_become_those_of_gpt_neo(tmp_path):
    small_text_model().save_to_preset(tmp_path / "preset")
    done = run(tmp_path / "preset", tmp_path / "new")
    assert done.exit_code == 0, done.output
    assert " in float32 as GPTNeoForCausalLM -> " in done.stdout


def test_weights_may_be_written_in_fewer_bits(folders, model, tmp_path):
    done = run(folders / "preset", tmp_path / "new", "--dtype", "bfloat16")
    assert done.exit_code == 0, done.output
    sizes = [
        (folder / "model.safetensors").stat().st_size
        for folder in (tmp_path / "new", folders / "checkpoint")
    ]
    assert sizes[0] < 0.7 * sizes[1]
    # Eight bits of weights whose products stay below 0.2.
    assert_same(tmp_path / "new", model, atol=1e-3)


@pytest.mark.parametrize("source", ["checkpoint", "preset"])
@pytest.mark.parametrize(("difference", "code"), [(1e-7, 0), (0.1, 1)])
def test_check_compares_what_was_written_with_the_checkpoint(
    source, difference, code, folders, tmp_path, monkeypatch
):
    compared = []

    def compare(model, folder, dtype):
        compared.append((model.backbone.num_layers, str(folder), dtype))
        return LogitComparison(difference, 1.0, same_choices=1.0)

    monkeypatch.setattr(checkpoint_export, "check_installed", lambda: None)
    monkeypatch.setattr(checkpoint_export, "compare_with_transformers", compare)
    done = run(folders / source, tmp_path / "new", "--check")
    assert done.exit_code == code, done.output
    assert "Logits " in done.stdout
    is_source = source == "checkpoint"
    checkpoint = folders / source if is_source else tmp_path / "new"
    assert compared == [(2, str(checkpoint), "float32")]


def test_check_without_torch_is_refused_before_any_work(
    folders, tmp_path, monkeypatch
):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    done = run(folders / "checkpoint", tmp_path / "new", "--check")
    assert done.exit_code == 2
    assert done.stderr == (
        "torch and transformers must be installed to compare logits. Received: "
        "no torch. Run `pip install torch transformers`.\n"
    )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("source", "config"),
    [
        ("checkpoint", '{"registered_name": "keras_gpt3>GPT3Backbone"}'),
        ("preset", '{"model_type": "gpt2"}'),
    ],
)
def test_what_is_there_is_replaced_only_on_demand(
    source, config, folders, model, tmp_path
):
    (tmp_path / "config.json").write_text(config)
    done = run(folders / source, tmp_path)
    assert done.exit_code == 2
    assert "must be empty or not exist yet" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]
    done = run(folders / source, tmp_path, "--overwrite")
    assert done.exit_code == 0, done.output
    assert_same(tmp_path, model)


def test_an_authors_files_stay_where_a_model_is_replaced(folders, tmp_path):
    shutil.copytree(folders / "preset", tmp_path, dirs_exist_ok=True)
    (tmp_path / "notes.txt").write_text("Mine.")
    (tmp_path / "README.md").write_text("My own card.")
    (tmp_path / "model_00000.weights.h5").touch()
    done = run(folders / "checkpoint", tmp_path, "--overwrite")
    assert done.exit_code == 0, done.output
    assert (tmp_path / "notes.txt").read_text() == "Mine."
    assert (tmp_path / "README.md").read_text() == "My own card."
    assert not (tmp_path / "model_00000.weights.h5").exists()


def test_the_destination_is_checked_before_the_model_loads(
    folders, tmp_path, monkeypatch
):
    (tmp_path / "thesis.txt").touch()
    monkeypatch.setattr(GPT3, "from_preset", None)
    for destination in (tmp_path, tmp_path / "thesis.txt" / "new"):
        done = run(folders / "checkpoint", destination, "--overwrite")
        assert done.exit_code == 2
        assert done.stderr.startswith("The folder must be ")


@pytest.mark.parametrize("source", ["checkpoint", "preset"])
def test_adapters_are_merged_into_what_is_written(source, folders, tmp_path):
    model = GPT3.from_preset(folders / "preset")
    model.backbone.enable_lora(2)
    fill(model.backbone)
    path = tmp_path / "a.lora.h5"
    model.backbone.save_lora_weights(path)
    done = run(folders / source, tmp_path / "new", "--adapter", path)
    assert done.exit_code == 0, done.output
    assert_same(tmp_path / "new", model, atol=1e-5)


def test_a_model_with_adapters_is_not_compared_with_its_source(
    folders, tmp_path, monkeypatch
):
    monkeypatch.setattr(checkpoint_export, "check_installed", lambda: None)
    options = ["--check", "--adapter", "a.lora.h5"]
    done = run(folders / "checkpoint", tmp_path / "new", *options)
    assert done.exit_code == 2
    assert "--check must compare models that are the same." in done.stderr


def test_a_handle_is_no_destination(folders, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = run(folders / "preset", "hf://org/name")
    assert done.exit_code == 2
    assert done.stderr.startswith("DST must be a folder of this machine. Rec")
    assert not list(tmp_path.iterdir())


def test_files_that_are_no_such_model_are_never_replaced(folders, tmp_path):
    (tmp_path / "config.json").write_text('{"name": "mine"}')
    for source in ("checkpoint", "preset"):
        done = run(folders / source, tmp_path, "--overwrite")
        assert done.exit_code == 2
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("gpt3_small_en", "load_weights must be None or False for a shipped"),
        ("no/folder", "A preset folder must exist. Received: preset="),
        ("hf://a b", "A handle of the hub must have the form hf://org/name"),
    ],
)
def test_a_source_that_is_no_model_is_one_line(source, message, tmp_path):
    done = run(source, tmp_path / "new")
    assert done.exit_code == 2
    assert done.stderr.startswith(message)
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "new").exists()
