import dataclasses

import pytest

from keras_gpt3.planning.device_share import DeviceShare
from keras_gpt3.planning.mesh import Mesh
from keras_gpt3.planning.pass_sizes import PassSizes
from keras_gpt3.planning.tensorflow_memory import again_bytes
from keras_gpt3.planning.tensorflow_memory import block_bytes
from keras_gpt3.planning.tensorflow_memory import bytes_after_blocks
from keras_gpt3.planning.tensorflow_memory import input_bytes
from keras_gpt3.planning.tensorflow_memory import loss_chunk_bytes
from keras_gpt3.planning.tensorflow_memory import stage_memory
from keras_gpt3.planning.tensorflow_memory import stage_weights
from tests.planning.toy_config import TOY

SHARE = DeviceShare.of(TOY, Mesh(1, 1, 2))
SIZES = PassSizes.of(TOY, "float32", rows=1)


def test_the_stage_of_most_weights_counts():
    # The first has the tables; 7 blocks in 2 stages are 3 and 4.
    assert stage_weights(SHARE, 2) == 2 * 872 + 80 + 144
    seven = DeviceShare.of(TOY | {"num_layers": 7}, Mesh(1, 1, 2))
    assert stage_weights(seven, 2) == 4 * 872


def test_the_first_stage_keeps_gradients_of_all_micro_batches():
    memory = stage_memory(SHARE, SIZES, stages=2, micro_batches=3)
    assert memory["weights"] == 4 * (2 * 872 + 224)
    assert memory["optimizer"] == 2 * memory["weights"]
    assert memory["gradients"] == memory["weights"]
    assert memory["dense_activations"] == 3 * block_bytes(SIZES)
    assert memory["banded_activations"] == 3 * block_bytes(SIZES)
    gradients = 3 * input_bytes(SIZES)
    assert memory["other_activations"] == bytes_after_blocks(SIZES) + gradients
    assert memory["loss_chunk"] == loss_chunk_bytes(SIZES)
    parts = sum(memory.values()) - memory["total"]
    loss_or_block = memory["loss_chunk"], memory["workspace"]
    assert parts - min(loss_or_block) <= memory["total"] <= parts + 4 * 872


def test_a_last_stage_of_more_blocks_may_take_most():
    sizes = PassSizes.of(TOY | {"num_layers": 7}, "float32", rows=1)
    share = DeviceShare.of(TOY | {"num_layers": 7}, Mesh(1, 1, 2))
    memory = stage_memory(share, sizes, stages=2, micro_batches=1)
    assert memory["weights"] == 4 * 4 * 872
    assert memory["loss_chunk"] == memory["other_activations"] == 0


def test_all_micro_batches_of_a_group_are_kept():
    totals = [stage_memory(SHARE, SIZES, 2, n)["total"] for n in (1, 2, 4)]
    one, three = totals[1] - totals[0], totals[2] - totals[1]
    assert three == pytest.approx(2 * one, rel=1e-3)
    assert one > 2 * block_bytes(SIZES)
    # 8 are under way in 2 stages.
    of_groups = [stage_memory(SHARE, SIZES, 2, n)["total"] for n in (8, 80)]
    assert of_groups[0] == of_groups[1]


def test_rematerialization_keeps_inputs_and_one_block_s_rest():
    again = dataclasses.replace(SIZES, recomputed=(True,) * 4)
    whole = stage_memory(SHARE, SIZES, 2, 8)
    less = stage_memory(SHARE, again, 2, 8)
    assert less["dense_activations"] == 8 * 16 * 8 * 4
    saved = 2 * 8 * (block_bytes(SIZES) - 16 * 8 * 4)
    change = whole["total"] - less["total"]
    # Less of the overhead too.
    assert change == pytest.approx(1.08 * (saved - again_bytes(SIZES)), rel=0.1)


def test_sums_of_micro_batches_are_in_float32():
    half = PassSizes.of(TOY, "bfloat16", rows=1)
    memory = stage_memory(SHARE, half, 2, 2)
    assert memory["gradients"] == 2 * memory["weights"]


def test_the_whole_model_is_made_on_one_device():
    wide = TOY | {"hidden_dim": 256, "intermediate_dim": 1024}
    share = DeviceShare.of(wide | {"num_layers": 40}, Mesh(1, 1, 40))
    sizes = PassSizes.of(wide | {"num_layers": 40}, "float32", rows=1)
    memory = stage_memory(share, sizes, 40, 1)
    assert memory["total"] == 4 * share.held.total
