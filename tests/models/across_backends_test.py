"""What one backend saved, the other one loads: run this file under both."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from tests.models.saved_models import KINDS
from tests.models.saved_models import read_facts
from tests.models.saved_models import save_all

pytestmark = [
    pytest.mark.slow,
    # Keras tells of the tables, which it stores in mode awq as they are.
    pytest.mark.filterwarnings("ignore:Invalid quantization mode"),
]

OTHER = {"tensorflow": "jax", "jax": "tensorflow"}[keras.config.backend()]
# Rounding of float32, and of the 8 bits of bfloat16.
TOLERANCES = {"bfloat16": 0.02}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    pytest.importorskip("jax")
    folder = tmp_path_factory.mktemp("saved")
    save_all(folder)
    environment = os.environ | {"KERAS_BACKEND": OTHER, "JAX_PLATFORMS": "cpu"}
    subprocess.run(
        [sys.executable, "-m", "tests.models.saved_models", str(folder)],
        env=environment,
        check=True,
    )
    return folder


@pytest.mark.parametrize("kind", KINDS)
def test_the_other_backend_loads_the_same_model(kind, folder):
    saved = read_facts(folder / f"{kind}.npz")
    loaded = read_facts(folder / f"{kind}_loaded.npz")
    assert saved.keys() == loaded.keys()
    for name, values in saved.items():
        if name.startswith("logits"):
            np.testing.assert_allclose(
                loaded[name], values, rtol=0, atol=TOLERANCES.get(kind, 2e-5)
            )
        else:
            # The step is an int of as many bits as a backend's ints have.
            np.testing.assert_array_equal(
                loaded[name], values, strict=values.ndim > 0
            )


def test_the_state_of_the_optimizer_is_among_it(folder):
    saved = read_facts(folder / "optimizer.npz")
    slots = [x for name, x in saved.items() if "/optimizer/" in name]
    weights = [name for name in saved if name.startswith("weights/")]
    # The step, and two moments of each weight.
    assert len(slots) == 1 + 2 * (len(weights) - len(slots))
    assert slots[0] == 1
    assert any(np.any(slot) for slot in slots[2:])
    change = saved["logits one step on"] - saved["logits"]
    assert np.abs(change).max() > 1e-3
