import re

import pytest

from keras_gpt3.backend_check import check_backend


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
