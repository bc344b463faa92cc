"""`compile(rematerialization=...)`, from the model down to its blocks."""

import functools

import keras
import pytest

from tests.small_gpt3 import SMALL
from tests.small_gpt3 import small_batch
from tests.training.small_training import assert_same_weights
from tests.training.small_training import even_dataset
from tests.training.small_training import new_model

POLICIES = ("block", 2)


def trained(policy, replicas=1, **overrides):
    model = new_model(
        replicas,
        "momentum",
        arguments=lambda: {"rematerialization": policy},
        **overrides,
    )
    model.fit(even_dataset(2), verbose=0)
    return model


@functools.cache
def plain(dropout):
    return trained("none", dropout=dropout)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("dropout", [0.0, 0.2])
@pytest.mark.quick_cases(1)
def test_gives_the_same_model(policy, dropout):
    """With dropout only if the second pass drops what the first one did."""
    assert_same_weights(trained(policy, dropout=dropout), plain(dropout))


@pytest.mark.slow
@pytest.mark.backend("tensorflow", reason="JAX has one program, not replicas")
def test_gives_the_same_model_on_two_replicas():
    assert_same_weights(trained("block", replicas=2), plain(0.0))


@pytest.mark.parametrize(
    ("policy", "expected"),
    [("none", [False, False]), ("block", [True, True]), (2, [True, False])],
)
def test_reaches_the_blocks_and_is_not_part_of_the_architecture(
    policy, expected
):
    model = new_model(1, "momentum")
    config = model.backbone.get_config()
    model.compile("sgd", rematerialization=policy)
    blocks = model.backbone.decoder_blocks
    assert [block.rematerialized for block in blocks] == expected
    assert model.backbone.get_config() == config
    assert model.get_compile_config()["rematerialization"] == policy


def forward_passes(policy):
    """How often some block's attention runs forward in a step.

    Counted are the largest scores of rows: the backward pass needs none.
    """
    model = new_model(
        1, "momentum", arguments=lambda: {"rematerialization": policy}
    )
    if keras.config.backend() == "jax":
        return _reductions_to_the_highest(model) - 1  # That of the loss.
    import tensorflow as tf

    batch = keras.tree.map_structure(tf.constant, small_batch())
    step = tf.function(model.train_step, autograph=False)
    nodes = step.get_concrete_function(batch).graph.as_graph_def().node
    return sum("_highest_" in node.attr["f"].func.name for node in nodes)


def _reductions_to_the_highest(model):
    """Counts them in the program of a step, before XLA sees it."""
    import jax

    model.optimizer.build(model.trainable_variables)
    state = model._get_jax_state(
        trainable_variables=True,
        non_trainable_variables=True,
        optimizer_variables=True,
        metrics_variables=True,
    )
    program = jax.make_jaxpr(model.train_step)(state, small_batch())
    return str(program).count("= reduce_max[")


@pytest.mark.slow
def test_chosen_blocks_run_forward_twice():
    assert SMALL["num_layers"] == 2
    passes = [forward_passes(policy) for policy in ("none", 2, "block")]
    assert passes == [2, 3, 4]
