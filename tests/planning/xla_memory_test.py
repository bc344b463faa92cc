import dataclasses
import json
import pathlib

import pytest

from keras_gpt3.planning import estimate_sharded_memory
from keras_gpt3.planning import estimate_training_memory
from keras_gpt3.planning.device_share import DeviceShare
from keras_gpt3.planning.mesh import Mesh
from keras_gpt3.planning.pass_sizes import PassSizes
from keras_gpt3.planning.xla_memory import _placed
from keras_gpt3.planning.xla_memory import xla_memory
from keras_gpt3.preset_loader import load_shipped_preset
from tests.planning.toy_config import TOY

# What XLA's compiler for an H100 says, with the command that asks it.
COMPILED = json.loads(
    pathlib.Path(__file__).with_name("compiled_steps.json").read_text()
)
SIZES = PassSizes.of(TOY, "float32", rows=1)
# One token at a time: next to nothing is kept.
TINY = dataclasses.replace(SIZES, length=1)


def memory(*axes, micro_batches=1, sizes=SIZES, backend="jax", **options):
    share = DeviceShare.of(TOY, Mesh(*axes), **options)
    return xla_memory(share, sizes, micro_batches, backend)


def name_of(step):
    return "-".join(str(value) for value in list(step.values())[:4])


# === Beside the compiler ===


@pytest.mark.parametrize("step", COMPILED["steps"], ids=name_of)
def test_a_step_takes_what_the_compiler_says_within_a_tenth(step):
    config = load_shipped_preset(step["preset"])["backbone"]
    options = {
        "dtype": COMPILED["dtype"],
        "batch_size": step["rows"] // step["devices"],
        "length": COMPILED["length"],
        "rematerialization": step["rematerialization"],
    }
    if step["devices"] == 1:
        planned = estimate_training_memory(
            config, accelerator=step["backend"], **options
        )
    else:
        planned = estimate_sharded_memory(
            config, (step["devices"], 1, 1), shard_weights=True, **options
        )
    state = planned["weights"] + planned["optimizer"]
    assert state == pytest.approx(step["state"], rel=1e-3)
    compiled = step["state"] + step["temporary"]
    assert planned["total"] == pytest.approx(compiled, rel=0.1)


# === By hand ===


def test_every_part_on_a_model_axis_is_counted_by_hand():
    sizes = PassSizes.of(TOY, "float32", rows=3)
    found = memory(1, 2, 1, sizes=sizes)
    # 48 tokens. A block keeps its 8 numbers a token, and half of 4 x 8 and of
    # 32, in float32; and a float32 for its head.
    block = 48 * ((8 + 16 + 16) * 4 + 4)
    # 9 arrays of half of the width, and two of the scores of 3 rows.
    workspace = 48 * 9 * 4 * 4 + 2 * 3 * 16 * 16 * 4
    # Half of the head, its gradient, and half of the logits.
    loss = 4 * (2 * 40 + 48 * 5)
    rest = 4 * (2024 - 40)
    assert found == {
        "weights": 4 * 2024,
        "optimizer": 8 * 2024,
        "gradients": 4 * 40 + rest,
        "dense_activations": 2 * block,
        "banded_activations": 2 * block,
        "other_activations": 3 * 48 * 8 * 4,
        "loss_chunk": loss,
        "workspace": workspace,
        "total": found["total"],
    }
    # Two blocks' gradients are not made when the third last one's turn comes.
    unmade = 4 * 48 * (5 * 8 + 7 * 4 + 2 * 16) - 4 * 460
    left = 4 * (460 + 3 * 48 * 8)
    peak = 4 * 48 * 8 + 2 * block + workspace + 160 + 2 * (unmade + left)
    assert found["total"] == 12 * 2024 + int(1.03 * peak)


def test_gradients_of_jax_are_as_wide_as_activations_but_for_the_head():
    mixed = PassSizes.of(TOY, "mixed_bfloat16", rows=1)
    weights = DeviceShare.of(TOY, Mesh(1)).held
    found = memory(1, sizes=mixed)
    rest = weights.total - weights.table
    assert found["gradients"] == 4 * weights.table + 2 * rest
    # TensorFlow's are results, in the dtype of the weights.
    found = memory(1, sizes=mixed, backend="tensorflow")
    assert found["gradients"] == 4 * weights.total


def test_results_of_tensorflow_are_there_from_the_beginning():
    found = memory(1, sizes=TINY, backend="tensorflow")
    state = found["weights"] + found["optimizer"]
    assert found["total"] > state + found["gradients"]


def test_the_fused_kernel_keeps_its_output_twice():
    half = PassSizes.of(TOY, "bfloat16", rows=1)
    kept = {
        backend: memory(1, sizes=half, backend=backend)["dense_activations"]
        for backend in ("jax", "tensorflow")
    }
    own = 16 * (6 * 8 + 32) * 2 + 2 * 16 * 2 * 4
    assert kept["jax"] == 2 * own
    assert kept["tensorflow"] < kept["jax"]


def test_a_block_that_is_computed_again_keeps_its_output():
    again = dataclasses.replace(SIZES, recomputed=(True,) * 4)
    assert memory(1, sizes=again)["dense_activations"] == 2 * 16 * 8 * 4


def test_dropout_keeps_masks():
    drops = dataclasses.replace(SIZES, has_dropout=True)
    more, less = (memory(1, 2, 1, sizes=each) for each in (drops, SIZES))
    kept = more["dense_activations"] - less["dense_activations"]
    assert kept == 2 * 16 * 2 * 8


@pytest.mark.parametrize(
    ("arrays", "places", "placed"),
    [
        ([5], [], 0),
        ([5], [4], 0),
        ([5, 3, 3], [6, 3], 8),
        ([5, 3, 3], [9, 9, 9, 9], 11),
        ([5, 3, 3], [4, 2], 3),
    ],
)
def test_each_place_takes_the_largest_array_that_it_can(arrays, places, placed):
    assert _placed(arrays, places) == placed


# === Meshes and micro-batches ===


def test_spread_weights_are_brought_together_a_block_at_a_time():
    spread = memory(4, 1, 1, shard_weights=True)
    assert spread["fetched_weights"] == 4 * 872
    assert "fetched_weights" not in memory(4, 1, 1, shard_optimizer=True)


def test_replicas_that_share_the_update_have_the_head_s_gradient_twice():
    tiny = dataclasses.replace(TINY, recomputed=(True,) * 4)
    plain = memory(4, 1, 1, sizes=tiny)
    shared = memory(4, 1, 1, sizes=tiny, shard_optimizer=True)
    saved = plain["optimizer"] - shared["optimizer"]
    more = shared["total"] - plain["total"] + saved
    assert 4 * 80 <= more < 2 * 4 * 80
    assert shared["weights"] == plain["weights"]


@pytest.mark.parametrize("backend", ["jax", "tensorflow"])
def test_micro_batches_add_one_sum_of_gradients_in_float32(backend):
    half = PassSizes.of(TOY, "bfloat16", rows=1)
    one, two, many = (
        memory(1, sizes=half, backend=backend, micro_batches=n)["total"]
        for n in (1, 2, 8)
    )
    assert two - one == 4 * DeviceShare.of(TOY, Mesh(1)).held.total
    assert two == many


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
@pytest.mark.parametrize("backend", ["jax", "tensorflow"])
def test_the_optimizer_has_its_slots(optimizer, backend):
    share = DeviceShare.of(TOY, Mesh(1))
    found = xla_memory(share, SIZES, 1, backend, optimizer)
    slots = {"adamw": 2, "sgd": 0}[optimizer]
    assert found["optimizer"] == slots * found["weights"]
