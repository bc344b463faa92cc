import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from keras_gpt3.training import AdamW
from tests.parallel.meshes import MESHES
from tests.parallel.meshes import assert_same_weights
from tests.parallel.meshes import distributed
from tests.parallel.meshes import new_model
from tests.parallel.meshes import train
from tests.parallel.meshes import weight_values
from tests.small_gpt3 import LENGTH
from tests.small_gpt3 import small_batch

STEPS = 20
jax_only = pytest.mark.backend("jax", reason="the step under JAX")


def trained(shape=None, **arguments):
    """The weights after some steps, and the history."""
    with distributed(shape):
        model = new_model(**arguments)
        history = train(model, STEPS)
    return weight_values(model), history


@pytest.fixture(scope="module")
def one_device():
    return trained()


@jax_only
@pytest.mark.parametrize("shape", MESHES)
@pytest.mark.quick_cases(2)
def test_every_mesh_gives_the_weights_of_one_device(shape, one_device):
    weights, history = trained(shape)
    assert_same_weights(weights, one_device[0])
    np.testing.assert_allclose(
        history["loss"], one_device[1]["loss"], rtol=1e-5
    )
    np.testing.assert_allclose(history["accuracy"], one_device[1]["accuracy"])


@jax_only
def test_micro_batches_and_rematerialization_give_them_too(one_device):
    weights, _ = trained((2, 2), micro_batch_size=1, rematerialization="block")
    assert_same_weights(weights, one_device[0])


TENSORFLOW = """
import json, sys
import numpy as np
from tests.training.jax.train_step_test import STEPS
from tests.parallel.meshes import new_model, train, weight_values
initial = np.load(sys.argv[1])
model = new_model()
for variable in model.weights:
    variable.assign(initial[variable.path])
history = train(model, STEPS)
values = {v.path: np.asarray(v) for v in model.weights}
np.savez(sys.argv[2], **weight_values(model))
print(json.dumps({k: v[-1] for k, v in history.items()}))
"""


@pytest.mark.slow
@jax_only
def test_tensorflow_gives_them_too(one_device, tmp_path):
    model = new_model()
    initial = {v.path: np.asarray(v.value) for v in model.weights}
    np.savez(tmp_path / "initial.npz", **initial)
    files = [str(tmp_path / name) for name in ("initial.npz", "trained.npz")]
    printed = subprocess.run(
        [sys.executable, "-c", TENSORFLOW, *files],
        env=os.environ | {"KERAS_BACKEND": "tensorflow"},
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    ).stdout
    with np.load(files[1]) as weights:
        assert_same_weights(one_device[0], dict(weights), 1e-4)
    history = json.loads(printed.splitlines()[-1])
    for name in ("loss", "accuracy", "perplexity", "learning_rate"):
        assert one_device[1][name][-1] == pytest.approx(history[name], 1e-4)


@jax_only
def test_the_history_has_what_tensorflow_s_has(one_device):
    assert set(one_device[1]) == {
        "loss",
        "accuracy",
        "perplexity",
        "learning_rate",
        "tokens_per_second",
    }


@jax_only
@pytest.mark.parametrize("by_row", [True, False])
def test_evaluates_the_weighted_mean_over_tokens(by_row):
    model = new_model()
    x, y = small_batch()
    weights = np.arange(4.0) if by_row else np.arange(y.size).reshape(y.shape)
    loss = model.evaluate(
        x, y, sample_weight=weights, batch_size=2, verbose=0, return_dict=True
    )["loss"]
    logits = np.asarray(model(x), "float64")
    each = np.log(np.exp(logits).sum(-1))
    each -= np.take_along_axis(logits, y[..., None], -1)[..., 0]
    weights = np.broadcast_to(weights[:, None] if by_row else weights, y.shape)
    expected = (each * weights).sum() / weights.sum()
    assert loss == pytest.approx(expected, rel=1e-5)


@jax_only
def test_metrics_of_the_user_s_own_go_through_the_logits():
    model = new_model()
    model.compile(
        AdamW(1e-3),
        weighted_metrics=[keras.metrics.SparseCategoricalAccuracy(name="own")],
    )
    other = new_model()
    other.compile(AdamW(1e-3))
    x, y = small_batch()
    histories = [m.fit(x, y, verbose=0).history for m in (model, other)]
    assert histories[0]["own"] == histories[1]["accuracy"]
    assert histories[0]["loss"][0] == pytest.approx(histories[1]["loss"][0])
    assert_same_weights(weight_values(model), weight_values(other), 1e-5)


@jax_only
def test_a_loss_of_the_user_s_own_is_keras_step():
    model = new_model()
    model.compile(
        AdamW(1e-3),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    x, y = small_batch()
    first = model.fit(x, y, verbose=0).history["loss"][0]
    other = new_model()
    other.compile(AdamW(1e-3))
    assert first == pytest.approx(other.fit(x, y, verbose=0).history["loss"][0])


@jax_only
def test_frozen_weights_and_adapters():
    model = new_model()
    model.backbone.enable_lora(2)
    model.compile(AdamW(1e-2), micro_batch_size=2)
    before = {v.path: np.asarray(v.value) for v in model.weights}
    x, y = small_batch()
    model.fit(x, y, epochs=2, verbose=0)
    changed = {
        v.path for v in model.weights if np.any(v.value != before[v.path])
    }
    assert changed == {v.path for v in model.trainable_variables}
    assert all("lora" in path for path in changed)


@jax_only
def test_half_precision_scales_its_loss():
    model = new_model(dtype="mixed_float16")
    x, y = small_batch()
    history = model.fit(x, y, epochs=3, verbose=0).history
    assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    assert int(model.optimizer.iterations) > 0
    assert history["loss"][-1] < history["loss"][0]


@jax_only
def test_a_batch_of_another_length_is_traced_anew():
    model = new_model()
    for rows, length in ((4, LENGTH), (2, LENGTH - 3)):
        x, y = small_batch(rows=rows)
        x = {name: value[:, :length] for name, value in x.items()}
        model.fit(x, y[:, :length], verbose=0)
    assert int(model.optimizer.iterations) == 2


@jax_only
def test_packed_batches_train(tmp_path):
    from keras_gpt3.data import packed_dataset
    from keras_gpt3.data import write_token_shards
    from tests.small_gpt3 import small_text_model

    model = small_text_model()
    tokenizer = model.preprocessor.tokenizer
    shards = write_token_shards(
        ["one two three four"] * 50, tmp_path, tokenizer
    )
    dataset = packed_dataset(shards, LENGTH, batch_size=4)
    model.compile(AdamW(1e-2))
    losses = model.fit(dataset, steps_per_epoch=5, epochs=2, verbose=0).history[
        "loss"
    ]
    assert losses[1] < losses[0]
