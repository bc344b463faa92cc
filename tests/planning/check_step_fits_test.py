import types

import keras
import numpy as np
import psutil
import pytest

from keras_gpt3.planning import estimate_training_memory
from keras_gpt3.planning import preflight
from keras_gpt3.planning.preflight import check_step_fits
from keras_gpt3.training import AdamW
from tests.small_gpt3 import LENGTH
from tests.small_gpt3 import ROWS
from tests.small_gpt3 import small_batch
from tests.small_gpt3 import small_model
from tests.training.small_training import new_model


class no_process_memory:
    """A process that holds nothing that it could use again."""

    class Process:
        def memory_info(self):
            return types.SimpleNamespace(rss=0)


@pytest.fixture
def asked(monkeypatch):
    """What the planner is asked, instead of its answer."""
    seen = []
    monkeypatch.setattr(
        preflight,
        "check_training_fits",
        lambda config, name, **options: seen.append(options),
    )
    return seen


def compiled(**arguments):
    model = small_model(num_layers=1)
    model.compile(AdamW(), **arguments)
    return model


of_tensorflow = pytest.mark.backend(
    "tensorflow", reason="the planner knows its steps alone"
)


@of_tensorflow
def test_asks_for_the_step_that_was_compiled(asked):
    model = compiled(micro_batch_size=2, rematerialization="block")
    check_step_fits(model, 6, LENGTH)
    (options,) = asked
    assert (options["batch_size"], options["length"]) == (6, LENGTH)
    assert options["micro_batch_size"] == 2
    assert options["rematerialization"] == "block"
    assert options["optimizer"] == "adamw"
    weights = 4 * model.count_params()
    # Without the slots, which the optimizer does not have yet.
    assert weights < options["allocated"] < 1.1 * weights


@of_tensorflow
def test_asks_for_the_share_of_a_replica(asked):
    model = new_model(2, "adamw", dtype="mixed_float16")
    check_step_fits(model, 4, LENGTH)
    assert (asked[0]["batch_size"], asked[0]["dtype"]) == (2, "mixed_float16")
    assert asked[0]["optimizer"] == "adamw"


@pytest.mark.parametrize(
    "arguments",
    [
        {"optimizer": keras.optimizers.SGD(0.1, momentum=0.9)},
        {"optimizer": "lion"},
        {"optimizer": "adam", "loss": "mse"},
    ],
)
def test_says_nothing_of_steps_that_the_planner_does_not_know(arguments, asked):
    model = small_model(num_layers=1)
    model.compile(**arguments)
    check_step_fits(model, ROWS, LENGTH)
    assert asked == []


@pytest.fixture
def accelerated(monkeypatch):
    """As if the backend had a GPU of 80 bytes."""
    monkeypatch.setattr(preflight, "has_gpu", lambda: True)
    monkeypatch.setattr(preflight, "device_memory", lambda: 80)
    monkeypatch.setattr(preflight, "available_memory", lambda: 80)


@pytest.mark.usefixtures("accelerated")
def test_on_a_gpu_asks_for_the_compiled_step_and_all_of_its_memory(asked):
    check_step_fits(compiled(jit_compile=True), ROWS, LENGTH)
    (options,) = asked
    assert options["accelerator"] == keras.config.backend()
    assert (options["available"], options["allocated"]) == (80, 0)


@pytest.mark.usefixtures("accelerated")
def test_says_nothing_where_a_gpu_does_not_tell_its_memory(monkeypatch, asked):
    monkeypatch.setattr(preflight, "device_memory", lambda: None)
    check_step_fits(compiled(jit_compile=True), ROWS, LENGTH)
    assert asked == []


@of_tensorflow
@pytest.mark.usefixtures("accelerated")
def test_a_step_that_xla_does_not_compile_is_that_of_a_cpu(asked):
    check_step_fits(compiled(jit_compile=False), ROWS, LENGTH)
    assert asked[0]["accelerator"] is None


@pytest.mark.backend("jax", reason="elsewhere there is no distribution")
@pytest.mark.usefixtures("accelerated")
def test_says_nothing_of_a_distribution_on_jax(monkeypatch, asked):
    monkeypatch.setattr(keras.distribution, "distribution", object)
    check_step_fits(compiled(), ROWS, LENGTH)
    assert asked == []


@pytest.mark.backend("jax", reason="elsewhere the planner knows the step")
def test_says_nothing_of_jax_on_a_cpu(asked):
    check_step_fits(compiled(), ROWS, LENGTH)
    assert asked == []


@of_tensorflow
def test_says_nothing_of_stages_which_have_memories_of_their_own(asked):
    model = small_model()
    model.compile(AdamW(), pipeline_stages=2, micro_batch_size=1)
    check_step_fits(model, ROWS, LENGTH)
    assert asked == []


def test_says_nothing_of_frozen_models(asked):
    model = compiled()
    model.backbone.enable_lora(2)
    check_step_fits(model, ROWS, LENGTH)
    assert asked == []


@of_tensorflow
def test_memory_that_tensorflow_has_kept_counts_as_available(
    monkeypatch, asked
):
    monkeypatch.setattr(preflight, "available_memory", lambda: 5)
    held = psutil.Process().memory_info().rss
    check_step_fits(compiled(), ROWS, LENGTH)
    # All that the process holds, but for the weights.
    assert asked[0]["available"] > 5 + 0.9 * held


@of_tensorflow
def test_fit_raises_before_it_trains(monkeypatch):
    model = compiled()
    before = model.get_weights()
    monkeypatch.setattr(preflight, "available_memory", lambda: 10**6)
    config = model.backbone.get_config()
    needed = estimate_training_memory(config, batch_size=4, length=LENGTH)
    assert needed["total"] > 10**7
    monkeypatch.setattr(preflight, "psutil", no_process_memory)
    with pytest.raises(MemoryError, match="^A training step of gpt3"):
        model.fit(*small_batch(), verbose=0)
    for weight, other in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, other)
