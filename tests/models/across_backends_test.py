"""What one backend saved, others load: run this file under each."""

import importlib.util
import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from tests.models.saved_models import KINDS
from tests.models.saved_models import known_kinds
from tests.models.saved_models import read_facts
from tests.models.saved_models import save_all

pytestmark = [
    pytest.mark.slow,
    # Keras tells of the tables, which it stores in mode awq as they are.
    pytest.mark.filterwarnings("ignore:Invalid quantization mode"),
]

BACKENDS = {"tensorflow", "jax", "torch"}
OTHERS = sorted(BACKENDS - {keras.config.backend()})
# Rounding of float32, and of the 8 bits of bfloat16. Integers' scales differ.
TOLERANCES = {"bfloat16": 0.02, "int8": 2e-5}


@pytest.fixture(scope="module")
def saved_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    save_all(folder)
    return folder


@pytest.fixture(scope="module", params=OTHERS)
def other(request, saved_folder):
    """Another backend, which has loaded what this one saved."""
    if importlib.util.find_spec(request.param) is None:
        pytest.skip(f"{request.param} is not installed; see make test-torch.")
    environment = os.environ | {
        "KERAS_BACKEND": request.param,
        "JAX_PLATFORMS": "cpu",
    }
    subprocess.run(
        [sys.executable, "-m", "tests.models.saved_models", str(saved_folder)],
        env=environment,
        check=True,
    )
    return request.param


@pytest.mark.parametrize("kind", KINDS)
def test_the_other_backend_loads_the_same_model(kind, saved_folder, other):
    if kind not in set(known_kinds()) & set(known_kinds(other)):
        pytest.skip("The package does not train on PyTorch.")
    saved = read_facts(saved_folder / f"{kind}.npz")
    loaded = read_facts(saved_folder / f"{kind}_{other}.npz")
    assert saved.keys() == loaded.keys()
    for name, values in saved.items():
        if name.startswith("logits"):
            np.testing.assert_allclose(
                loaded[name], values, rtol=0, atol=TOLERANCES.get(kind, 1e-5)
            )
        else:
            # The step is an int of as many bits as a backend's ints have.
            np.testing.assert_array_equal(
                loaded[name], values, strict=values.ndim > 0
            )


@pytest.mark.skipif(
    "optimizer" not in known_kinds(), reason="The package does not train here."
)
def test_the_state_of_the_optimizer_is_among_it(saved_folder):
    saved = read_facts(saved_folder / "optimizer.npz")
    slots = [x for name, x in saved.items() if "/optimizer/" in name]
    weights = [name for name in saved if name.startswith("weights/")]
    # The step, and two moments of each weight.
    assert len(slots) == 1 + 2 * (len(weights) - len(slots))
    assert slots[0] == 1
    assert any(np.any(slot) for slot in slots[2:])
    change = saved["logits one step on"] - saved["logits"]
    assert np.abs(change).max() > 1e-3
