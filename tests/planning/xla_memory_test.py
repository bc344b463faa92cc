import dataclasses

import pytest

from keras_gpt3.planning.device_share import DeviceShare
from keras_gpt3.planning.mesh import Mesh
from keras_gpt3.planning.pass_sizes import PassSizes
from keras_gpt3.planning.xla_memory import xla_memory
from tests.planning.toy_config import TOY

SIZES = PassSizes.of(TOY, "float32", rows=1)


def memory(*axes, micro_batches=1, sizes=SIZES, **options):
    share = DeviceShare.of(TOY, Mesh(*axes), **options)
    return xla_memory(share, sizes, micro_batches)


def test_spread_weights_are_brought_together_two_blocks_at_a_time():
    spread = memory(4, 1, 1, shard_weights=True)
    assert spread["fetched_weights"] == 2 * 4 * 872
    assert memory(4, 1, 1)["fetched_weights"] == 0


def test_the_update_counts_where_it_takes_most():
    # One token at a time: next to nothing is kept.
    tiny = dataclasses.replace(SIZES, length=1)
    found = memory(1, 2, 1, sizes=tiny)
    state = found["weights"] + found["optimizer"]
    largest = 4 * 8 * 32 // 2
    assert found["total"] == state + found["gradients"] + 2 * largest


def test_micro_batches_have_one_sum_of_gradients():
    parts = [memory(1, 2, 1, micro_batches=n) for n in (2, 8)]
    assert parts[0] == parts[1]
    assert parts[0]["gradients"] == memory(1, 2, 1)["gradients"]


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_the_optimizer_has_its_slots(optimizer):
    share = DeviceShare.of(TOY, Mesh(1, 2, 1))
    found = xla_memory(share, SIZES, 1, optimizer)
    slots = {"adamw": 2, "sgd": 0}[optimizer]
    assert found["optimizer"] == slots * found["weights"]


def test_weights_are_there_twice_while_each_device_updates_its_share():
    tiny = dataclasses.replace(SIZES, length=1)
    found = memory(4, 1, 1, sizes=tiny, shard_optimizer=True)
    parts = ("weights", "optimizer", "gradients", "weights")
    assert found["total"] == sum(found[part] for part in parts)
    assert found["optimizer"] < memory(4, 1, 1)["optimizer"] // 2
