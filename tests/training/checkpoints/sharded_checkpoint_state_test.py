import pytest

from keras_gpt3.training.checkpoints.model_checkpointer import check_shapes
from keras_gpt3.training.checkpoints.model_checkpointer import model_identity
from keras_gpt3.training.checkpoints.model_checkpointer import model_variables
from tests.training.sharded_models import set_mesh
from tests.training.sharded_models import sharded_model

pytestmark = pytest.mark.backend("jax", reason="keras.distribution is JAX'")


@pytest.fixture(scope="module")
def model():
    model = sharded_model((2, 2))
    model.compiled_step.prepare_optimizer(model)
    set_mesh(None)
    return model


def test_everything_that_a_step_changes_is_held_once(model):
    held = list(model_variables(model).values())
    assert {id(v) for v in held} == {
        id(v) for v in [*model.variables, *model.optimizer.variables]
    } - {id(v) for v in model.metrics_variables}
    assert len(held) == len({id(v) for v in held})


def test_names_do_not_depend_on_what_a_process_made_before(model):
    other = sharded_model(None)
    other.compiled_step.prepare_optimizer(other)
    names, others = map(model_variables, (model, other))
    assert list(names) == list(others)
    # Their own paths do.
    assert [v.path for v in names.values()] != [v.path for v in others.values()]


def test_names_and_what_is_frozen_are_not_a_model_s_identity(model):
    identity = model_identity(model)
    assert identity["optimizer"] == "AdamW"
    assert identity["backbone"]["num_layers"] == 1
    assert not {"name", "trainable"} & identity["backbone"].keys()


def test_steps_that_a_loss_scale_skipped_count(model):
    step = model.compiled_step
    step.set_steps_done(model, 3)
    try:
        assert step.steps_done(model) == 3
        model.optimizer.iterations.assign(1)
        assert step.steps_done(model) == 4
    finally:
        model.optimizer.iterations.assign(0)
        step.set_steps_done(model, 0)


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("token_embedding/embeddings", (60, 16)),
        ("token_embedding/embeddings", (128, 15)),
        ("token_embedding/embeddings", (128,)),
        ("position_embedding/table/embeddings", (13, 16)),
        ("new", (1,)),
    ],
)
def test_only_rows_beyond_the_vocabulary_may_be_more_or_fewer(
    model, name, shape
):
    variables = model_variables(model)
    shapes = {key: tuple(v.shape) for key, v in variables.items()}
    for rows in (61, 62, 256):
        shapes["weights/token_embedding/embeddings"] = (rows, 16)
        check_shapes(variables, shapes, "run/7", 61)
    shapes[f"weights/{name}"] = shape
    with pytest.raises(
        ValueError,
        match="must hold the model's variables. Received: "
        rf"weights/{name}=array "
        r"of shape \(.*\) in 'run/7', weights/.*=.* in the model. Build and",
    ):
        check_shapes(variables, shapes, "run/7", 61)
