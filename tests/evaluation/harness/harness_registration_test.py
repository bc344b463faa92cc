import subprocess
import sys

import pytest

from keras_gpt3.evaluation.harness.harness_registration import (
    register_harness_model,
)

WITHOUT = """
import sys
sys.modules["lm_eval"] = None
import keras_gpt3.evaluation
from keras_gpt3.evaluation.harness import harness_registration
assert harness_registration.register_harness_model() is False
import keras_gpt3.evaluation.harness.harness_model
"""
LIGHT = """
import sys
import keras_gpt3
before = set(sys.modules)
import keras_gpt3.evaluation
new = {name.partition(".")[0] for name in set(sys.modules) - before}
heavy = {"datasets", "evaluate", "torch", "transformers", "jinja2", "yaml"}
assert not heavy & new, heavy & new
assert "lm_eval.evaluator" not in sys.modules
from lm_eval.api.registry import get_model, model_registry
assert "hf" in model_registry
assert get_model("keras-gpt3").__name__ == "HarnessModel"
"""


def start(code):
    return subprocess.Popen(
        [sys.executable, "-c", code], stderr=subprocess.PIPE, text=True
    )


@pytest.fixture(scope="module")
def processes():
    """They take seconds to import TensorFlow: side by side."""
    with start(WITHOUT) as without, start(LIGHT) as light:
        yield {"without": without, "light": light}


@pytest.mark.slow
def test_the_harness_knows_the_model_and_nothing_heavy_is_imported(processes):
    _, errors = processes["light"].communicate()
    assert processes["light"].returncode == 0, errors


@pytest.mark.slow
def test_without_the_harness_the_import_goes_on_and_the_model_says_why(
    processes,
):
    _, errors = processes["without"].communicate()
    message = errors.splitlines()[-1]
    assert message.startswith(
        "ImportError: lm-evaluation-harness must be installed to run its "
        "tasks. Received: "
    )
    assert message.endswith("pip install 'keras-gpt3[evaluate]'.")


@pytest.mark.slow
def test_registering_again_changes_nothing():
    registry = pytest.importorskip("lm_eval.api.registry")
    assert register_harness_model() and register_harness_model()
    found = registry.get_model("keras-gpt3")
    # As an imported class it stays.
    assert register_harness_model()
    assert registry.get_model("keras-gpt3") is found
