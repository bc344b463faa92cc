import json

import pytest

from keras_gpt3.training.checkpoints.sharded_files import check_same_model
from keras_gpt3.training.checkpoints.sharded_files import check_same_variables
from keras_gpt3.training.checkpoints.sharded_files import checkpoint_facts
from keras_gpt3.training.checkpoints.sharded_files import checkpoint_variables
from keras_gpt3.version import __version__
from tests.training.sharded_models import set_mesh
from tests.training.sharded_models import sharded_model

pytestmark = pytest.mark.backend("jax", reason="keras.distribution is JAX'")


@pytest.fixture(scope="module")
def model():
    model = sharded_model((2, 2))
    model._step.prepare_optimizer(model)
    set_mesh(None)
    return model


def test_everything_that_a_step_changes_is_held_once(model):
    held = [v for n in checkpoint_variables(model).values() for v in n.values()]
    assert {id(v) for v in held} == {
        id(v) for v in [*model.variables, *model.optimizer.variables]
    } - {id(v) for v in model.metrics_variables}
    assert len(held) == len({id(v) for v in held})


def test_names_do_not_depend_on_what_a_process_made_before(model):
    other = sharded_model(None)
    other._step.prepare_optimizer(other)
    names, others = map(checkpoint_variables, (model, other))
    assert [*map(list, names.values())] == [*map(list, others.values())]
    # Their own paths do.
    assert [v.path for v in names["seeds"].values()] != [
        v.path for v in others["seeds"].values()
    ]


def test_facts_are_what_json_gives_back(model):
    facts = checkpoint_facts(model)
    assert json.loads(json.dumps(facts)) == facts
    assert facts["backbone"]["attention_pattern"] == ["dense", "banded"]
    del facts["backbone"]
    assert facts == {
        "keras_gpt3": __version__,
        "mesh": {"batch": 2, "model": 2},
        "optimizer": "AdamW",
        "step": 0,
    }


def test_steps_that_a_loss_scale_skipped_count(model):
    model._step.skipped_steps = 3
    try:
        assert checkpoint_facts(model)["step"] == 3
    finally:
        model._step.skipped_steps = 0


@pytest.mark.parametrize(
    ("field", "value"),
    [("hidden_dim", 32), ("vocabulary_size", 60), ("dropout", 0.0)],
)
def test_the_field_that_differs_is_named_with_both_values(model, field, value):
    facts = checkpoint_facts(model)
    own = facts["backbone"][field]
    check_same_model(model, facts, "run/7")
    facts["backbone"] |= {"name": "other", field: value}
    with pytest.raises(
        ValueError,
        match=f"A checkpoint must be of the same backbone. Received: {field}="
        f"{value} in 'run/7', {field}={own} in the model. Build the model as",
    ):
        check_same_model(model, facts, "run/7")


def shapes_of(model):
    return {
        group: {name: tuple(v.shape) for name, v in named.items()}
        for group, named in checkpoint_variables(model).items()
    }


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
    variables, shapes = checkpoint_variables(model), shapes_of(model)
    for rows in (61, 62, 256):
        shapes["weights"]["token_embedding/embeddings"] = (rows, 16)
        check_same_variables(variables, shapes, 61, "run/7")
    shapes["weights"][name] = shape
    with pytest.raises(
        ValueError,
        match="must hold the model's variables. Received: "
        rf"weights/{name}=array "
        r"of shape \(.*\) in 'run/7', weights/.*=.* in the model. Build and",
    ):
        check_same_variables(variables, shapes, 61, "run/7")
