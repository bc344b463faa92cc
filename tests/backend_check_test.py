import re

import keras
import pytest

from keras_gpt3.backend_check import check_backend
from keras_gpt3.backend_check import require_backend
from keras_gpt3.backend_check import require_training
from keras_gpt3.training import pretrain
from tests.small_gpt3 import small_batch
from tests.small_gpt3 import small_model


@pytest.mark.parametrize("backend", [None, "tensorflow", "jax", "torch"])
def test_backends_that_the_package_runs_on_pass(backend, monkeypatch):
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    if backend:
        monkeypatch.setenv("KERAS_BACKEND", backend)
    check_backend()


def test_another_backend_raises(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "numpy")
    message = (
        "KERAS_BACKEND must be 'tensorflow', 'jax' or 'torch' for keras_gpt3. "
        "Received: KERAS_BACKEND='numpy'. Set KERAS_BACKEND=tensorflow before "
        "Python starts."
    )
    with pytest.raises(ImportError, match=f"^{re.escape(message)}$"):
        check_backend()


def test_a_backend_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    message = (
        "The package of the Keras backend must be installed. Received: "
        "KERAS_BACKEND=torch without torch. Install it with pip install torch."
    )
    with pytest.raises(ImportError, match=f"^{re.escape(message)}$"):
        check_backend()


@pytest.mark.parametrize(
    ("here", "there", "label"),
    [("tensorflow", "jax", "JAX"), ("jax", "tensorflow", "TensorFlow")],
)
def test_a_part_that_runs_on_one_backend_says_so(
    monkeypatch, here, there, label
):
    monkeypatch.setattr(keras.config, "backend", lambda: here)
    require_backend(here, "It", "Use another.")
    message = (
        f"It must run on Keras' {label} backend. Received: KERAS_BACKEND="
        f"{here}. Use another."
    )
    with pytest.raises(NotImplementedError, match=f"^{re.escape(message)}$"):
        require_backend(there, "It", "Use another.")


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_backends_with_a_training_step_train(monkeypatch, backend):
    monkeypatch.setattr(keras.config, "backend", lambda: backend)
    require_training("It")


@pytest.mark.parametrize(
    "name", ["fit", "evaluate", "train_on_batch", "test_on_batch"]
)
def test_a_model_does_not_train_on_pytorch(monkeypatch, name):
    model = small_model(num_layers=1)
    monkeypatch.setattr(keras.config, "backend", lambda: "torch")
    with pytest.raises(NotImplementedError, match=f"^{refusal_of(name)}$"):
        getattr(model, name)(*small_batch())


def test_a_run_is_not_pretrained_on_pytorch(monkeypatch):
    monkeypatch.setattr(keras.config, "backend", lambda: "torch")
    with pytest.raises(NotImplementedError, match=refusal_of("Pretraining")):
        pretrain(config=None, make_model=None)


def refusal_of(what):
    return re.escape(
        f"{what} must run on Keras' TensorFlow or JAX backend. Received: "
        "KERAS_BACKEND=torch. Save with save_to_preset, and train under one of "
        "these."
    )
