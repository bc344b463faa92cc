import keras
import pytest
from typer.testing import CliRunner

from keras_gpt3.cli.main import app
from keras_gpt3.cli.model_loading import check_tensorflow

# The files that they name need not exist: the backend is checked first.
COMMANDS = {
    "pretrain": ["--config", "run.yaml"],
    "finetune": ["--model", "m", "--data", "pairs.jsonl", "--out", "out"],
    "export": ["--model", "m", "out"],
    "serve": ["out"],
}
INSTEAD = {
    "pretrain": ", or train with GPT3.fit and keras.distribution under JAX",
    "finetune": ", or train with GPT3.fit",
}


@pytest.fixture
def on_jax(monkeypatch):
    monkeypatch.setattr(keras.config, "backend", lambda: "jax")


@pytest.mark.parametrize("command", COMMANDS)
def test_another_backend_is_one_line_and_code_2(command, on_jax):
    result = CliRunner().invoke(app, [command, *COMMANDS[command]])
    assert result.exit_code == 2
    assert (result.stdout, result.stderr) == (
        "",
        f"keras-gpt3 {command} must run on Keras' TensorFlow backend. "
        "Received: KERAS_BACKEND=jax. Set KERAS_BACKEND=tensorflow"
        f"{INSTEAD.get(command, '')}.\n",
    )


def test_tensorflow_passes(monkeypatch):
    monkeypatch.setattr(keras.config, "backend", lambda: "tensorflow")
    check_tensorflow("serve")
