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


def moments(policy="none", gradients=10**6, dtype="float32", **changes):
    sizes = PassSizes.of(TOY | changes, dtype, 3, rematerialization=policy)
    return sizes, step_moments(sizes, gradients)


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


def test_at_the_update_there_are_all_gradients_and_what_a_kernel_takes():
    _, at = moments(gradients=10**6)
    assert at["update"] == 10**6 + 4 * 8 * 32
    _, at = moments(gradients=10**6, dtype="bfloat16")
    assert at["update"] == 10**6 + 3 * 2 * 8 * 32


@pytest.mark.parametrize(("dtype", "arrays"), [("float32", 2), ("bfloat16", 4)])
def test_a_large_head_is_updated_with_temporary_arrays(dtype, arrays):
    sizes, at = moments(dtype=dtype, gradients=0, vocabulary_size=1000)
    assert at["update"] == arrays * sizes.weight_bytes * 1000 * 8


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
