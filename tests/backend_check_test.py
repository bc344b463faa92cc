import re

import keras
import pytest

from keras_gpt3.backend_check import check_backend
from keras_gpt3.backend_check import require_backend


@pytest.mark.parametrize("backend", [None, "tensorflow", "jax"])
def test_backends_that_the_package_runs_on_pass(backend, monkeypatch):
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    if backend:
        monkeypatch.setenv("KERAS_BACKEND", backend)
    check_backend()


def test_another_backend_raises(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    message = (
        "KERAS_BACKEND must be 'tensorflow' or 'jax' for keras_gpt3. Received: "
        "KERAS_BACKEND='torch'. Set KERAS_BACKEND=tensorflow before Python "
        "starts."
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
