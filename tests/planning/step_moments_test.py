import itertools

import pytest

from keras_gpt3.planning.block_workspace import block_workspace_bytes
from keras_gpt3.planning.kept_activations import block_bytes
from keras_gpt3.planning.kept_activations import bytes_after_blocks
from keras_gpt3.planning.kept_activations import input_bytes
from keras_gpt3.planning.loss_chunk import loss_chunk_bytes
from keras_gpt3.planning.pass_sizes import PassSizes
from keras_gpt3.planning.step_moments import step_moments
from tests.planning.toy_config import TOY

TABLE = 4 * 10 * 8
KERNELS = 4 * (8 * 24 + 8 * 8 + 2 * 8 * 32)


def moments(policy="none", dtype="float32", summed=0, **changes):
    sizes = PassSizes.of(TOY | changes, dtype, 3, rematerialization=policy)
    return sizes, step_moments(sizes, 10**6, summed)


def test_at_the_loss_all_activations_and_a_chunk_are_there():
    sizes, at = moments()
    assert at["loss"] == (
        4 * block_bytes(sizes)
        + bytes_after_blocks(sizes)
        + loss_chunk_bytes(sizes)
        + TABLE
    )


def test_the_backward_pass_ends_with_all_gradients_or_begins_with_all_kept():
    # With many tokens the last block is the worst, its gradients alone there.
    sizes, at = moments(max_sequence_length=100)
    workspace = block_workspace_bytes(sizes, None)
    assert at["backward"] == (
        4 * block_bytes(sizes) + workspace + KERNELS + TABLE
    )
    # With one, the first block, after the gradients of all.
    sizes, at = moments(max_sequence_length=1)
    workspace = block_workspace_bytes(sizes, None)
    assert at["backward"] == (
        block_bytes(sizes) + workspace + 4 * KERNELS + TABLE
    )


def test_a_rematerialized_block_is_whole_in_its_own_backward_pass():
    sizes, at = moments("block", max_sequence_length=100)
    assert at["backward"] == (
        3 * input_bytes(sizes)
        + block_bytes(sizes)
        + block_workspace_bytes(sizes, None)
        + KERNELS
        + TABLE
    )
    # The loss finds the inputs alone.
    _, whole = moments("none", max_sequence_length=100)
    kept = 4 * (block_bytes(sizes) - input_bytes(sizes))
    assert whole["loss"] - at["loss"] == kept


@pytest.mark.parametrize(("dtype", "arrays"), [("float32", 1), ("bfloat16", 3)])
def test_at_the_update_all_gradients_and_a_kernel_s_temporaries_are_there(
    dtype, arrays
):
    sizes, at = moments(dtype=dtype)
    assert at["update"] == 10**6 + arrays * sizes.weight_bytes * 8 * 32


@pytest.mark.parametrize(("dtype", "arrays"), [("float32", 2), ("bfloat16", 4)])
def test_a_large_head_is_updated_last_with_temporaries(dtype, arrays):
    sizes = PassSizes.of(TOY, dtype, rows=3)
    head = sizes.weight_bytes * 10 * 8
    assert step_moments(sizes, 0)["update"] == max(
        arrays * head, (arrays - 1) * sizes.weight_bytes * 8 * 32
    )
    wide = PassSizes.of(TOY | {"vocabulary_size": 1000}, dtype, rows=3)
    assert step_moments(wide, 0)["update"] == arrays * head * 100


@pytest.mark.parametrize("length", [1, 100])
def test_sums_of_micro_batches_take_up_the_gradients_of_blocks(length):
    sizes, at = moments(summed=10**6, max_sequence_length=length)
    _, whole = moments(max_sequence_length=length)
    assert at["loss"] == whole["loss"] + 10**6
    assert at["update"] == whole["update"]
    _, wider = moments(summed=2 * 10**6, max_sequence_length=length)
    assert wider["update"] == whole["update"] + 10**6
    # One block's gradients at a time, so that the last one is the worst.
    assert at["backward"] == (
        4 * block_bytes(sizes)
        + block_workspace_bytes(sizes, None)
        + KERNELS
        + TABLE
        + 10**6
    )


def test_no_order_of_blocks_is_forgotten():
    # By hand: kept so far, gradients so far, for each block in turn.
    sizes, at = moments(2, max_sequence_length=64)
    kept = [input_bytes(sizes), block_bytes(sizes)] * 2
    again = block_bytes(sizes) - input_bytes(sizes)
    candidates = [
        so_far
        + (again if layer % 2 == 0 else 0)
        + block_workspace_bytes(sizes, sizes.windows[layer])
        + (4 - layer) * KERNELS
        for layer, so_far in enumerate(itertools.accumulate(kept))
    ]
    assert at["backward"] == max(candidates) + TABLE
