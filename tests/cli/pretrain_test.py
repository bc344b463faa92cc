import importlib
import os
import shutil
import sys

import pytest
import tensorflow as tf
from typer.testing import CliRunner

from keras_gpt3.cli import pretrain
from keras_gpt3.cli.main import app
from keras_gpt3.training import ModelSection
from tests.training.run import workers_test

pytestmark = pytest.mark.backend("tensorflow", reason="its workers")


@pytest.fixture
def fake_pretrain(monkeypatch):
    """Replaces the run itself: a list of configs, and what comes out."""
    calls, outcome = [], {"finished": True}

    def run(config, make_model, elapsed_seconds, verbose, probe):
        calls.append(config)
        if "error" in outcome:
            raise outcome["error"]
        return outcome["finished"]

    # The module has the name of its function, which hides it.
    module = importlib.import_module("keras_gpt3.training.run.pretrain")
    monkeypatch.setattr(module, "pretrain", run)
    return calls, outcome


def run(path, *arguments):
    return CliRunner().invoke(
        app, ["pretrain", "--config", str(path), *arguments]
    )


def test_a_config_is_read_with_its_overrides(tmp_path, fake_pretrain):
    calls, _ = fake_pretrain
    _, path = workers_test.run_file(tmp_path, "a")
    result = run(path, "--set", "seed=7", "--set", "recipe.clip_norm=0.5")
    assert result.exit_code == 0, result.stderr
    assert (calls[0].seed, calls[0].recipe.clip_norm) == (7, 0.5)
    folder = f"{calls[0].folder}/preset"
    assert result.stdout == f"The run is finished. Model written to {folder}\n"


def test_a_run_that_was_stopped_exits_with_75(tmp_path, fake_pretrain):
    _, outcome = fake_pretrain
    outcome["finished"] = False
    _, path = workers_test.run_file(tmp_path, "a")
    result = run(path)
    assert result.exit_code == pretrain.STOPPED == 75
    assert "Stopped and saved; rerunning the command resumes." in result.stderr


def test_a_run_is_resumed_unless_that_is_refused(tmp_path, fake_pretrain):
    calls, _ = fake_pretrain
    config, path = workers_test.run_file(tmp_path, "a")
    assert run(path, "--no-resume").exit_code == 0
    os.makedirs(config.folder)
    shutil.copy(path, f"{config.folder}/config.yaml")
    for arguments in ((), ("--resume",)):
        assert run(path, *arguments).exit_code == 0
    result = run(path, "--no-resume")
    assert result.exit_code == 2
    assert result.stderr.startswith("The folder must hold no run with")
    assert len(calls) == 3


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--set", "recipe.clip=1"], "recipe.clip"),
        (["--set", "seed"], "seed"),
    ],
)
def test_what_is_wrong_in_a_config_is_one_line_and_code_2(
    tmp_path, fake_pretrain, arguments, message
):
    _, path = workers_test.run_file(tmp_path, "a")
    result = run(path, *arguments)
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert message in result.stderr


def test_a_run_that_went_wrong_is_one_line_and_code_1(tmp_path, fake_pretrain):
    _, outcome = fake_pretrain
    outcome["error"] = RuntimeError("Updates must be finite.")
    _, path = workers_test.run_file(tmp_path, "a")
    result = run(path)
    assert (result.exit_code, result.stderr) == (1, "Updates must be finite.\n")


def test_when_another_worker_has_gone_the_process_begins_anew(
    tmp_path, fake_pretrain, monkeypatch
):
    _, outcome = fake_pretrain
    outcome["error"] = tf.errors.UnavailableError(None, None, "peer\nmore")
    _, path = workers_test.run_file(tmp_path, "a")
    replaced = []
    monkeypatch.setattr(os, "execv", lambda *call: replaced.append(call))
    monkeypatch.setenv(
        "TF_CONFIG", '{"cluster": {"worker": ["a:1", "b:2"]}, "task": {}}'
    )
    monkeypatch.setenv("KERAS_GPT3_RESTARTS", "3")
    result = run(path)
    expected = (sys.executable, [sys.executable, *sys.orig_argv[1:]])
    assert replaced == [expected]
    assert os.environ["KERAS_GPT3_RESTARTS"] == "4"
    assert "Another worker has gone: peer Restarting" in result.stderr
    monkeypatch.setenv("KERAS_GPT3_RESTARTS", "100")
    assert run(path).exit_code == 1
    # A run that is alone has no other worker.
    monkeypatch.delenv("TF_CONFIG")
    assert run(path).exception is outcome["error"]
    assert len(replaced) == 1


@pytest.mark.parametrize("preprocessor", [True, False])
def test_the_model_is_that_of_the_config(preprocessor, caplog):
    section = ModelSection(
        "gpt3_small_en",
        overrides={
            "num_layers": 1,
            "num_heads": 2,
            "hidden_dim": 16,
            "intermediate_dim": 32,
        },
        preprocessor=preprocessor,
        dtype="mixed_bfloat16",
    )
    model = pretrain.make_model(section, sequence_length=32)
    assert model.backbone.max_sequence_length == 32
    assert model.backbone.num_layers == 1
    assert model.compute_dtype == "bfloat16"
    assert (model.preprocessor is not None) == preprocessor
    # That GPT-3's weights were not published is why there is a run.
    assert "published" not in caplog.text
