import collections
import contextlib
import re

import keras
import numpy as np
import pytest

from keras_gpt3 import GPT3
from keras_gpt3.training import lower_train_step
from keras_gpt3.training import without_weights
from tests.parallel.meshes import HEADS
from tests.parallel.meshes import distributed
from tests.parallel.meshes import new_model
from tests.small_gpt3 import LENGTH
from tests.small_gpt3 import ROWS
from tests.small_gpt3 import small_backbone

jax_only = pytest.mark.backend("jax", reason="the step as JAX compiles it")

COLLECTIVES = re.compile(
    r" (all-reduce|all-gather|reduce-scatter|all-to-all|collective-permute)"
    r"(?:-start)?\("
)


def lower_step(
    shape, num_layers=2, dtype="float32", rematerialization="none", **options
):
    """The step of a model without weights."""
    with distributed(shape, **options):
        with without_weights():
            backbone = small_backbone(
                num_heads=HEADS, num_layers=num_layers, dtype=dtype
            )
        model = GPT3(backbone)
        model.compile(
            optimizer=keras.optimizers.Adam(),
            rematerialization=rematerialization,
        )
        assert model.backbone.weights[0]._value is None
        return lower_train_step(model, ROWS, LENGTH)


def compile_step(shape, **arguments):
    return lower_step(shape, **arguments).compile()


def collectives(shape, **arguments):
    text = compile_step(shape, **arguments).as_text()
    return collections.Counter(COLLECTIVES.findall(text))


@jax_only
def test_a_block_exchanges_twice_each_way_and_gathers_no_weight():
    shallow, deep = (collectives((1, 4), num_layers=n) for n in (1, 3))
    assert deep.keys() == {"all-reduce"}
    # Two forward, for attention and feed-forward, and two backward.
    assert deep["all-reduce"] - shallow["all-reduce"] == 2 * (2 + 2)


@jax_only
def test_data_parallelism_exchanges_once():
    found = collectives((2, 1))
    # XLA joins the gradients of all weights into one exchange.
    assert found == {"all-reduce": 1}


@jax_only
def test_both_exchange_no_more_than_each_alone():
    found = collectives((2, 2))
    model = collectives((1, 2))
    assert found == {"all-reduce": model["all-reduce"] + 1}


@jax_only
def test_weights_that_are_spread_are_gathered_one_by_one_where_they_are_used():
    text = compile_step((4, 1), shard_weights=True).as_text()
    found = re.findall(r" = (.*) all-gather(?:-start)?\(", text)
    # Two tables, and four kernels of each block forward.
    assert len(found) >= 2 + 2 * 4
    for shapes in found:
        shapes = re.findall(r"\w+\[([\d,]+)\]", shapes)
        numbers = [np.prod([*map(int, s.split(","))]) for s in shapes]
        # The largest weight is the table of 61 rows.
        assert max(numbers) <= 61 * 16


def spread_step(policy):
    """The program of a step whose weights four devices share."""
    return lower_step(
        (4, 1),
        dtype="mixed_bfloat16",
        rematerialization=policy,
        shard_weights=True,
    ).as_text()


@jax_only
@pytest.mark.parametrize("policy", ["none", "block"])
def test_kernels_that_are_spread_are_gathered_as_activations_are(policy):
    text = spread_step(policy)
    gathered = re.compile(
        r'sharding_constraint .*<@mesh, \[{}, {"model"}\]> : '
        r"tensor<16x48x(\w+)>"
    )
    # Of each block, forward and backward.
    assert gathered.findall(text) == ["bf16"] * 2 * 2


@jax_only
@pytest.mark.parametrize("policy", ["none", "block"])
def test_blocks_whose_weights_are_spread_go_one_by_one(policy):
    text = spread_step(policy)
    types = re.findall(r"stablehlo.optimization_barrier .* : (.*)", text)
    # The input and 12 weights of each block, then the gradients of all these.
    in_turn = [each for each in types if each.count("tensor") == 1 + 12]
    assert len(in_turn) == 2 * 2
    states, kernel, bias = f"{ROWS}x{LENGTH}x16xbf16", "16x48xbf16", "48xf32"
    for each in in_turn:
        for shape in (states, kernel, bias):
            assert f"tensor<{shape}>" in each


@jax_only
def test_the_step_takes_what_an_allocated_model_gives():
    memory = compile_step((1, 2)).memory_analysis()
    with distributed((1, 2)):
        model = new_model()
        lowered = lower_train_step(model, ROWS, LENGTH)
        allocated = lowered.compile().memory_analysis()
        held = [
            variable.value.addressable_shards[0].data.nbytes
            for variable in (*model.variables, *model.optimizer.variables)
        ]
    batch = ROWS * LENGTH * (4 + 4)  # The mask is not used.
    arguments = memory.argument_size_in_bytes
    assert allocated.argument_size_in_bytes == pytest.approx(arguments, abs=64)
    assert arguments == pytest.approx(np.sum(held) + batch, rel=0.01)


@jax_only
@pytest.mark.parametrize("weights", [True, False])
def test_an_optimizer_that_the_step_cannot_apply_is_refused(weights):
    scope = contextlib.nullcontext() if weights else without_weights()
    with scope:
        backbone = small_backbone(num_layers=1)
    model = GPT3(backbone)
    model.compile(keras.optimizers.Adam())
    model.optimizer.gradient_accumulation_steps = 2
    with pytest.raises(ValueError, match="gradient_accumulation_steps=2"):
        lower_train_step(model, ROWS, LENGTH)


@pytest.mark.backend("tensorflow", reason="JAX compiles it")
def test_on_tensorflow_there_is_nothing_to_lower():
    message = "KERAS_BACKEND=tensorflow. Set KERAS_BACKEND=jax.$"
    with pytest.raises(NotImplementedError, match=message):
        lower_train_step(model=None, batch_size=1, length=8)
