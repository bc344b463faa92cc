import re

import pytest

from keras_gpt3.planning import estimate_sharded_memory
from keras_gpt3.planning.device_share import WeightShards
from keras_gpt3.preset_loader import load_shipped_preset
from tests.planning.toy_config import TOY

LARGE = load_shipped_preset("gpt3_13b_en")["backbone"]
MIXED = {"dtype": "mixed_bfloat16"}


def estimate(mesh, config=TOY, **options):
    return estimate_sharded_memory(config, mesh, **options)


def total(mesh, **options):
    return estimate(mesh, LARGE, **(MIXED | options))["total"]


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
    assert memory["weights"] == width * held
    assert memory["optimizer"] == 2 * width * slots


def test_micro_batches_keep_the_activations_of_one():
    whole = estimate((1, 2, 1), batch_size=2)
    parts = estimate((1, 2, 1), batch_size=2, micro_batch_size=1)
    assert 2 * parts["dense_activations"] == whole["dense_activations"]


def test_a_block_that_is_computed_again_keeps_its_input():
    memory = estimate((1, 2, 1), rematerialization="block")
    assert memory["dense_activations"] == 2 * 16 * 8 * 4


def test_a_block_that_is_spread_takes_its_input_and_its_share_of_gradients():
    few, more = (
        estimate(
            (4, 1, 1),
            TOY | {"num_layers": layers},
            rematerialization="block",
            shard_weights=True,
        )
        for layers in (4, 8)
    )
    few, more = (
        memory["total"] - memory["weights"] - memory["optimizer"]
        for memory in (few, more)
    )
    shares = 4 * WeightShards.of(TOY, 1, 4).block
    assert (more - few) / 4 == pytest.approx(1.03 * (16 * 8 * 4 + shares), 0.01)


def test_more_devices_take_less_each():
    block = {"rematerialization": "block"}
    sizes = [total((1, n, 1), **block) for n in (1, 2, 4, 8)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > 6 * sizes[-1]
    # On many more devices shares are so small that XLA combines them, and the
    # gradients of several blocks wait.
    for option in ("shard_optimizer", "shard_weights"):
        few, more = (
            total((n, 1, 1), **block, **{option: True}) for n in (2, 8)
        )
        assert more < few < total((2, 1, 1), **block)


def test_more_work_at_a_time_takes_more():
    for options in (
        [{"batch_size": n} for n in (1, 2, 4)],
        [{"length": n} for n in (512, 1024, 2048)],
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
