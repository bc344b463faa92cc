import numpy as np
import pytest

from keras_gpt3.ops import op_compilation
from keras_gpt3.training.checkpoints.model_checkpointer import check_shapes
from keras_gpt3.training.checkpoints.model_checkpointer import model_variables
from keras_gpt3.training.checkpoints.tensorflow_format import TensorFlowFormat
from tests.small_gpt3 import small_batch
from tests.training.small_training import new_model


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
