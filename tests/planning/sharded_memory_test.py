import re

import pytest

from keras_gpt3.planning import estimate_sharded_memory
from keras_gpt3.planning.weight_shards import WeightShards
from keras_gpt3.preset_loader import load_shipped_preset
from tests.planning.toy_config import TOY

LARGE = load_shipped_preset("gpt3_13b_en")["backbone"]
MIXED = {"dtype": "mixed_bfloat16"}


def estimate(mesh, config=TOY, **options):
    return estimate_sharded_memory(config, mesh, **options)


def total(mesh, **options):
    return estimate(mesh, LARGE, **(MIXED | options))["total"]


def test_every_part_is_counted_by_hand():
    memory = estimate((1, 2, 1), batch_size=3)
    # 48 tokens. A block keeps 2 x 8 numbers a token, and half of 4 x 8 and of
    # 32, in float32; and a float32 for its head.
    block = 48 * ((16 + 16 + 16) * 4 + 4)
    # 8 arrays of half of the width; 3 of the scores of 3 rows and one head.
    workspace = 4 * (48 * 32 + 3 * 3 * 256)
    assert memory == {
        "weights": 4 * 2024,
        "optimizer": 8 * 2024,
        "gradients": 4 * 2024,
        "dense_activations": 2 * block,
        "banded_activations": 2 * block,
        "other_activations": 3 * 48 * 8 * 4,
        "loss_chunk": 8 * 48 * 5,
        "workspace": workspace,
        "fetched_weights": 0,
        # When the last block begins: gradients of the head and of that block.
        "total": 12 * 2024 + 4 * block + workspace + 4 * (40 + 460),
    }


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16", "bfloat16"])
@pytest.mark.parametrize(
    ("options", "held", "slots"),
    [
        ({}, (2, 1), (2, 1)),
        ({"shard_optimizer": True}, (2, 1), (2, 4)),
        ({"shard_weights": True}, (2, 4), (2, 4)),
    ],
)
def test_weights_and_slots_are_those_that_the_device_holds(
    dtype, options, held, slots
):
    memory = estimate((4, 2, 1), dtype=dtype, **options)
    width = 2 if dtype == "bfloat16" else 4
    held, slots = (WeightShards.of(TOY, *axes).total for axes in (held, slots))
    assert memory["weights"] == memory["gradients"] == width * held
    assert memory["optimizer"] == 2 * width * slots


def test_micro_batches_are_summed_in_float32():
    options = {"dtype": "bfloat16", "batch_size": 2}
    whole = estimate((1, 2, 1), **options)
    parts = estimate((1, 2, 1), micro_batch_size=1, **options)
    assert whole["gradients"] == 2 * 2024
    assert parts["gradients"] == 4 * 2024
    assert parts["dense_activations"] < whole["dense_activations"]


def test_a_block_that_is_computed_again_keeps_its_input():
    memory = estimate((1, 2, 1), rematerialization="block")
    assert memory["dense_activations"] == 2 * 16 * 8 * 4


def test_weights_are_copied_where_they_are_stored_otherwise():
    for options, copies in (
        ({}, False),
        ({"dtype": "mixed_bfloat16"}, True),
        ({"shard_weights": True}, True),
    ):
        memory = estimate((4, 2, 1), **options)
        size = 2 if "dtype" in options else 4
        assert memory["fetched_weights"] == 2 * 460 * size * copies
        heads = memory["loss_chunk"] - 8 * 16 * 5
        assert heads == 40 * size * copies


def test_dropout_keeps_masks():
    more = estimate((1, 2, 1), TOY | {"dropout": 0.1})
    less = estimate((1, 2, 1))
    kept = more["dense_activations"] - less["dense_activations"]
    assert kept == 2 * 16 * 2 * 8


def test_more_devices_take_less_each():
    block = {"rematerialization": "block"}
    sizes = [total((1, n, 1), **block) for n in (1, 2, 4, 8)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > 6 * sizes[-1]
    # All weights are there twice while the replicas share their update, which
    # two replicas do not make up for.
    for option, fewest in (("shard_optimizer", 8), ("shard_weights", 2)):
        more = {n: total((n, 1, 1), **{option: True}) for n in (2, 8, 64)}
        sizes = list(more.values())
        assert sizes == sorted(sizes, reverse=True)
        assert more[fewest] < total((fewest, 1, 1))


def test_more_work_at_a_time_takes_more():
    for options in (
        [{"batch_size": n} for n in (1, 2, 4)],
        [{"length": n} for n in (512, 1024, 2048)],
        [{"rematerialization": r} for r in ("block", 2, 4, "none")],
        [{"micro_batch_size": n, "batch_size": 4} for n in (1, 2)],
    ):
        sizes = [
            total((8, 8, 1), shard_weights=True, **each) for each in options
        ]
        assert sizes == sorted(sizes)
        assert len(set(sizes)) == len(sizes)


def test_stages_share_the_blocks():
    memory = estimate((2, 1, 2))
    first = WeightShards.of(TOY).block * 2 + 80 + 144
    assert memory["weights"] == 4 * first
    assert "fragmentation" in memory


@pytest.mark.parametrize(
    ("mesh", "options", "message"),
    [
        ((1, 3, 1), {}, "The model axis must divide num_heads and "),
        ((1, 2, 2), {}, "mesh must have a model axis or stages, not both"),
        ((1, 1, 5), {}, "stages must be at most the number of blocks. "),
        (8, {}, "mesh must be three integers of at least 1: data, "),
        ((2, 1), {}, "mesh must be three integers of at least 1: data, "),
        ((1, 2, 1), {"batch_size": 0}, "batch_size must be an integer of at "),
        (
            (1, 2, 1),
            {"batch_size": 4, "micro_batch_size": 3},
            "micro_batch_size must divide the rows of a batch on each ",
        ),
        ((1, 2, 1), {"length": 32}, "length must be at most max_sequence_"),
        ((1, 2, 1), {"optimizer": "lion"}, "optimizer must be a known one. "),
        ((1, 2, 1), {"optimizer": None}, "optimizer must be one to train "),
        ((1, 2, 1), {"dtype": "int8"}, "dtype must be a known one. Received"),
    ],
)
def test_a_wrong_argument_raises(mesh, options, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        estimate(mesh, **options)
