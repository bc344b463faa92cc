import logging
import re

import numpy as np
import pytest
import tensorflow as tf

from keras_gpt3.ops import op_compilation
from keras_gpt3.training import RunCheckpoints
from keras_gpt3.training.checkpoints import model_checkpointer
from keras_gpt3.training.checkpoints.model_checkpointer import ModelCheckpointer
from keras_gpt3.training.checkpoints.model_checkpointer import check_shapes
from keras_gpt3.training.checkpoints.model_checkpointer import model_variables
from keras_gpt3.training.checkpoints.tensorflow_format import TensorFlowFormat
from tests.small_gpt3 import small_batch
from tests.training.small_training import new_model

# === Model checkpointer ===


METADATA = {"state": {"step": 3}}


def make_checkpointer(folder, is_chief=True, identity=None, model=None):
    if model is None:
        model = new_model(1, "adamw", ("dense",))
        model.optimizer.build(model.trainable_variables)
    identity = {"seed": 0} if identity is None else identity
    checkpointer = ModelCheckpointer(
        model,
        folder,
        TensorFlowFormat(),
        identity,
        strategy=tf.distribute.get_strategy(),
    )
    checkpointer._is_first = is_chief
    return checkpointer, model


def test_what_is_saved_comes_back(tmp_path):
    checkpointer, model = make_checkpointer(tmp_path)
    assert checkpointer.restore() is None
    weights = model.get_weights()
    checkpointer.save(3, METADATA, metric=2.5)
    assert checkpointer.last_step == 3
    model.set_weights([np.zeros_like(w) for w in weights])
    restored = checkpointer.restore()
    assert restored.metadata["state"] == {"step": 3}
    assert restored.metric == 2.5
    for value, expected in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(value, expected)
    checkpointer.finish(3)


@pytest.mark.parametrize("metric", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_is_no_metric(tmp_path, metric):
    checkpointer, _ = make_checkpointer(tmp_path)
    checkpointer.save(3, METADATA, metric)
    assert checkpointer.restore().metric is None


def test_others_restore_what_the_first_worker_chose(tmp_path, monkeypatch):
    checkpointer, model = make_checkpointer(tmp_path)
    for step in (3, 5):
        checkpointer.save(step, {"state": {"step": step}})
    checkpointer.finish(5)
    told = {"step": 3}
    monkeypatch.setattr(
        model_checkpointer,
        "from_first_worker",
        lambda strategy, number: told["step"],
    )
    other, _ = make_checkpointer(tmp_path, is_chief=False, model=model)
    assert other.restore().metadata["state"] == {"step": 3}
    told["step"] = model_checkpointer._NONE
    assert other.restore() is None
    told["step"] = model_checkpointer._FAILED
    message = (
        "The first worker must restore a checkpoint. Received: an error there. "
        "Its log says which."
    )
    with pytest.raises(RuntimeError, match=f"^{re.escape(message)}$"):
        other.restore()
    other.save(9, METADATA)  # Writes nothing.
    other.finish(9)
    assert RunCheckpoints(tmp_path).steps() == [3, 5]


def test_the_first_worker_tells_others_that_it_failed(tmp_path, monkeypatch):
    checkpointer, _ = make_checkpointer(tmp_path)
    checkpointer.save(3, METADATA)
    checkpointer.finish(3)
    (data,) = (tmp_path / "step_000000003").glob("arrays.data*")
    data.write_bytes(b"")
    told = []
    monkeypatch.setattr(
        model_checkpointer,
        "from_first_worker",
        lambda strategy, number: told.append(number),
    )
    with pytest.raises(ValueError, match="A checkpoint must be sound"):
        checkpointer.restore()
    assert told == [model_checkpointer._FAILED]


def test_a_checkpoint_of_another_run_is_refused(tmp_path):
    checkpointer, model = make_checkpointer(tmp_path)
    checkpointer.save(3, METADATA)
    checkpointer.finish(3)
    other, _ = make_checkpointer(tmp_path, identity={"seed": 1}, model=model)
    message = (
        "A checkpoint must be one of this run. Received: folder="
        f"'{tmp_path}/step_000000003', which has other values: seed=0 there, "
        "1 here. Use the model, the optimizer and the data that the run began "
        "with, or another folder."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        other.restore()


def test_a_last_checkpoint_that_is_not_there_raises(tmp_path, caplog):
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    checkpointer, _ = make_checkpointer(folder)
    checkpointer.save(3, METADATA)
    checkpointer.finish(3)
    message = (
        "The last checkpoint must be written. Received: step=4, where the last "
        "one there is that of step 3. The log says why; fix it and rerun: the "
        "run resumes from there."
    )
    with (
        caplog.at_level(logging.ERROR, "keras_gpt3"),
        pytest.raises(RuntimeError, match=f"^{re.escape(message)}$"),
    ):
        checkpointer.finish(4)


# === Model variables ===


def trained_model(replicas=1, optimizer="adamw", steps=1, **overrides):
    """A model with dropout in its blocks and embeddings, some steps on."""
    overrides = {"pattern": ("dense",), "dropout": 0.1} | overrides
    model = new_model(replicas, optimizer, **overrides)
    train(model, range(steps))
    return model


def train(model, seeds):
    with op_compilation(False):  # Quicker here.
        for seed in seeds:
            model.train_on_batch(*small_batch(seed=seed))


def model_arrays(model):
    return TensorFlowFormat().snapshot(model_variables(model))


def assign_arrays(model, arrays):
    for name, variable in model_variables(model).items():
        variable.assign(arrays[name])


def local_values(model):
    """Every replica's value of every variable, metrics included."""
    strategy = model.distribute_strategy
    return [
        [
            local.numpy()
            for local in strategy.experimental_local_results(v.value)
        ]
        for v in [*model.variables, *model.optimizer.variables]
    ]


def assert_same(received, expected):
    assert len(received) == len(expected)
    for values, others in zip(received, expected, strict=True):
        np.testing.assert_array_equal(values, others)


@pytest.mark.parametrize(
    "replicas, overrides",
    [
        (1, {}),
        (2, {}),
        (1, {"dtype": "mixed_float16"}),
        (1, {"dtype": "bfloat16"}),
    ],
    ids=["one replica", "two replicas", "float16", "bfloat16"],
)
@pytest.mark.quick_cases(2)
def test_steps_after_a_restore_are_bit_for_bit_those_before(
    replicas, overrides
):
    model = trained_model(replicas, **overrides)
    arrays, start = model_arrays(model), local_values(model)
    train(model, (1, 2))
    expected = local_values(model)
    assign_arrays(model, arrays)
    assert_same(local_values(model), start)
    train(model, (1, 2))
    assert_same(local_values(model), expected)


def test_another_process_s_model_goes_on_as_this_one():
    """Layers that Keras names have other names there, and other seeds."""
    model = trained_model()
    arrays = model_arrays(model)
    train(model, (1, 2))
    other = trained_model()
    train(other, (5, 6))
    names = [v.path for v in model.variables]
    assert names != [v.path for v in other.variables]
    assign_arrays(other, arrays)
    train(other, (1, 2))
    assert_same(local_values(other), local_values(model))


@pytest.mark.parametrize("seed_too_far", [0, 1])
def test_without_the_seeds_another_dropout_would_follow(seed_too_far):
    model = trained_model()
    arrays = model_arrays(model)
    train(model, (1,))
    expected = model.get_weights()
    seeds = [v for v in model.variables if "seed_generator" in v.path]
    assert len(seeds) == 2  # Of the embeddings and of the block.
    assign_arrays(model, arrays)
    seeds[seed_too_far].assign(seeds[seed_too_far] + 1)
    train(model, (1,))
    pairs = zip(model.get_weights(), expected, strict=True)
    assert any(np.any(value != other) for value, other in pairs)


@pytest.mark.parametrize("dtype", ["float32", "mixed_float16"])
def test_each_variable_is_there_once_and_no_metric(dtype):
    model = trained_model(dtype=dtype)
    variables = [
        *model.weights,
        *(v for v in model.variables if "seed_generator" in v.path),
        *model.optimizer.variables,
    ]
    assert len({id(v) for v in variables}) == len(variables)
    expected = sorted(v.numpy().tobytes() for v in variables)
    received = sorted(array.tobytes() for array in model_arrays(model).values())
    assert received == expected
    # An average of two losses would else go into the next run's first one.
    assert len(model.metrics_variables) > 0
    # Float16 has the scale of the loss, and the count of its good steps.
    paths = " ".join(v.path for v in model.optimizer.variables)
    assert ("dynamic_scale" in paths) == (dtype == "mixed_float16")


@pytest.mark.parametrize("name", ["new", "weights/token_embedding/embeddings"])
@pytest.mark.parametrize("shape", [None, (2, 61, 16), (61, 17)])
def test_a_checkpoint_of_other_variables_raises(name, shape):
    variables = model_variables(trained_model(steps=0))
    shapes = {key: tuple(v.shape) for key, v in variables.items()}
    check_shapes(variables, shapes, "run/7")
    shapes[name] = shape
    if shape is None:
        del shapes[name]
    if shapes.keys() == variables.keys() - {"new"} and name == "new":
        return
    with pytest.raises(
        ValueError,
        match="A checkpoint must hold the model's variables. Received: "
        rf"{name}=.* in 'run/7', {name}=.* in the model. Build and compile ",
    ):
        check_shapes(variables, shapes, "run/7")
