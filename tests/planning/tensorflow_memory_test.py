import itertools
import math

import pytest
import tensorflow as tf

from keras_gpt3.layers import DecoderBlock
from keras_gpt3.ops import token_chunks
from keras_gpt3.planning.pass_sizes import PassSizes
from keras_gpt3.planning.tensorflow_memory import again_bytes
from keras_gpt3.planning.tensorflow_memory import block_bytes
from keras_gpt3.planning.tensorflow_memory import block_workspace_bytes
from keras_gpt3.planning.tensorflow_memory import bytes_after_blocks
from keras_gpt3.planning.tensorflow_memory import fragmentation_bytes
from keras_gpt3.planning.tensorflow_memory import input_bytes
from keras_gpt3.planning.tensorflow_memory import kept_by_layer
from keras_gpt3.planning.tensorflow_memory import largest_workspace
from keras_gpt3.planning.tensorflow_memory import loss_chunk_bytes
from keras_gpt3.planning.tensorflow_memory import program_bytes
from keras_gpt3.planning.tensorflow_memory import step_moments
from tests.planning.toy_config import TOY

# === What is kept ===

# Operations whose output is their input's memory, and those without an output
# that a step keeps: variables live anyway.
VIEWS = {"Reshape", "Identity", "IdentityN"}
NOT_KEPT = {"Const", "ReadVariableOp", "Shape"}
NEED_SHAPES_ONLY = {"Shape", "OnesLike", "ZerosLike"}


def kept_by_tape(attention, dtype, **options):
    """Bytes of forward results that a real block's backward pass reads."""
    block = DecoderBlock(
        num_heads=TOY["num_heads"],
        intermediate_dim=TOY["intermediate_dim"],
        attention=attention,
        attention_window=TOY["attention_window"],
        dropout=options.get("dropout", 0.0),
        dtype=dtype,
    )
    block.build((None, None, TOY["hidden_dim"]))
    block.rematerialized = options.get("rematerialized", False)
    kept = []

    @tf.function
    def step(x):
        graph = tf.compat.v1.get_default_graph()
        weights = [v.value for v in block.trainable_variables]
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = block(x, training=True)
        forward = set(graph.get_operations())
        tape.gradient(y, [x, *weights])
        kept.extend(read_later(graph, forward))

    shape = (3, 16, TOY["hidden_dim"])
    step.get_concrete_function(tf.TensorSpec(shape, block.compute_dtype))
    return sum(math.prod(x.shape) * x.dtype.size for x in kept)


def read_later(graph, forward):
    """Arrays that operations of `forward` make and later ones read."""
    read = {
        source(tensor).ref()
        for operation in graph.get_operations()
        if operation not in forward and operation.type not in NEED_SHAPES_ONLY
        for tensor in operation.inputs
        if tensor.op in forward
    }
    tensors = [ref.deref() for ref in read]
    return [x for x in tensors if x.op.type not in NOT_KEPT and x.shape.rank]


def source(tensor):
    while tensor.op.type in VIEWS:
        tensor = tensor.op.inputs[tensor.value_index]
    return tensor


@pytest.mark.parametrize("attention", ["dense", "banded"])
@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16", "bfloat16"])
def test_a_block_keeps_what_the_tape_of_a_real_one_keeps(attention, dtype):
    sizes = PassSizes.of(TOY, dtype, rows=3)
    assert block_bytes(sizes) == kept_by_tape(attention, dtype)


def test_dropout_keeps_its_masks():
    sizes = PassSizes.of(TOY | {"dropout": 0.5}, "float32", rows=3)
    assert block_bytes(sizes) == kept_by_tape("dense", "float32", dropout=0.5)


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_a_rematerialized_block_keeps_its_input_alone(dtype):
    sizes = PassSizes.of(TOY, dtype, rows=3, rematerialization="block")
    kept = kept_by_tape("banded", dtype, rematerialized=True)
    assert kept_by_layer(sizes) == [input_bytes(sizes)] * 4 == [kept] * 4


def test_arrays_are_counted_by_hand():
    sizes = PassSizes.of(TOY, "float32", rows=3)
    # 48 tokens: 6 arrays of 8 and one of 32, and 2 heads, 4 bytes each.
    assert block_bytes(sizes) == 48 * 4 * (6 * 8 + 32 + 2)
    assert input_bytes(sizes) == 48 * 4 * 8
    assert bytes_after_blocks(sizes) == 3 * 48 * 4 * 8
    assert again_bytes(sizes) == 48 * 4 * (5 * 8 + 32 + 2)


def test_half_precision_halves_all_but_the_log_sums():
    full = PassSizes.of(TOY, "float32", rows=3)
    half = PassSizes.of(TOY, "bfloat16", rows=3)
    log_sums = 48 * 2 * 4
    assert (block_bytes(full) - log_sums) == 2 * (block_bytes(half) - log_sums)


def test_every_second_block_keeps_its_input_alone():
    sizes = PassSizes.of(TOY, "float32", rows=3, rematerialization=2)
    few, all_arrays = input_bytes(sizes), block_bytes(sizes)
    assert kept_by_layer(sizes) == [few, all_arrays, few, all_arrays]


# === What a block takes ===

# The feed-forward layer is most of a block.
WIDE = TOY | {"intermediate_dim": 128}
# One head of one number: scores are most of a block.
MANY_SCORES = TOY | {
    "num_heads": 1,
    "hidden_dim": 1,
    "intermediate_dim": 1,
    "max_sequence_length": 4096,
}


def workspace(config, window, dtype="float32", rows=1):
    return block_workspace_bytes(PassSizes.of(config, dtype, rows), window)


def test_feed_forward_arrays_are_counted_by_hand():
    # 16 tokens, 8 and 3 times 128 numbers each.
    assert workspace(WIDE, None) == 4 * 16 * (8 + 3 * 128)
    assert workspace(WIDE, None, "bfloat16") == 2 * 16 * (8 + 3 * 128)


def test_a_mixed_policy_adds_copies_of_a_kernel_and_of_its_gradient():
    half = workspace(WIDE, None, "bfloat16")
    assert workspace(WIDE, None, "mixed_bfloat16") == half + 2 * 2 * 8 * 128


def test_scores_of_a_long_row_are_counted_by_hand():
    # The last block, of 256 queries: three arrays, whatever came before.
    scores = 256 * 4096
    arrays = 4096 * (8 - 2)
    assert workspace(MANY_SCORES, None) == 4 * (3 * scores + arrays)


def test_a_banded_layer_needs_less_for_long_rows():
    assert workspace(MANY_SCORES, 256) < workspace(MANY_SCORES, None) / 4


@pytest.mark.parametrize("window", [None, 4])
def test_rows_count_in_proportion(window):
    assert workspace(TOY, window, rows=3) == 3 * workspace(TOY, window)


def test_the_layer_that_takes_most_counts():
    sizes = PassSizes.of(MANY_SCORES, "float32", rows=1)
    assert largest_workspace(sizes) == workspace(MANY_SCORES, None)


# === What the loss takes ===


@pytest.fixture
def chunks_of_8_tokens(monkeypatch):
    """At 10 logits a token."""
    monkeypatch.setattr(token_chunks, "_CHUNK_LOGITS", 100)


def test_one_chunk_is_its_logits_and_their_exponentials():
    for dtype in ("float32", "bfloat16"):
        sizes = PassSizes.of(TOY, dtype, rows=1)
        assert loss_chunk_bytes(sizes) == 8 * 16 * 10


@pytest.mark.usefixtures("chunks_of_8_tokens")
@pytest.mark.parametrize(("dtype", "size"), [("float32", 4), ("bfloat16", 2)])
def test_the_gradient_of_a_later_chunk_counts_by_hand(dtype, size):
    # Two arrays of 8 x 10 logits, and 10 x 32 weights of the head.
    sizes = PassSizes.of(TOY | {"hidden_dim": 32}, dtype, rows=1)
    assert loss_chunk_bytes(sizes) == size * (2 * 80 + 320)


@pytest.mark.usefixtures("chunks_of_8_tokens")
def test_a_mixed_policy_adds_copies_of_the_head_and_of_its_gradients():
    sizes = PassSizes.of(TOY | {"hidden_dim": 32}, "mixed_bfloat16", rows=1)
    assert loss_chunk_bytes(sizes) == 2 * 2 * 80 + 4 * 320 + 3 * 2 * 320


@pytest.mark.usefixtures("chunks_of_8_tokens")
def test_more_tokens_are_more_chunks_of_the_same_size():
    few = PassSizes.of(TOY, "float32", rows=1)
    many = PassSizes.of(TOY, "float32", rows=100)
    assert loss_chunk_bytes(few) == loss_chunk_bytes(many)


# === Moments of a step ===


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


# === Beyond the arrays ===


def test_a_program_grows_with_layers_blocks_and_shapes():
    # Two dense blocks of different shapes.
    one = program_bytes(512, (None,))
    two = program_bytes(512, (None, None))
    # The second layer adds no shape.
    assert two - one == 11_000_000 + 2 * 2_200_000
    # A third block, of a third shape.
    assert program_bytes(768, (None,)) - one == 2_200_000 + 9_000_000


@pytest.mark.parametrize(
    ("num_layers", "length", "measured"),
    [(2, 512, 143), (12, 512, 317), (2, 2048, 236), (12, 2048, 608)]
    + [(24, 1024, 698)],
)
def test_programs_are_as_large_as_measured(num_layers, length, measured):
    # Peaks of training at width 8, in MB. Their fit is within 3%.
    windows = (None, 256) * (num_layers // 2)
    predicted = program_bytes(length, windows) / 1e6
    assert predicted == pytest.approx(measured, rel=0.03)


def test_fragments_follow_the_largest_array_and_all():
    table = 4 * 1000 * 8
    sizes = PassSizes.of(TOY | {"vocabulary_size": 1000}, "float32", rows=1)
    assert fragmentation_bytes(sizes, 0) == int(1.2 * table)
    more = fragmentation_bytes(sizes, 10**6) - fragmentation_bytes(sizes, 0)
    assert more == pytest.approx(80_000, abs=1)
    # Many tokens make the activations larger than the embedding.
    sizes = PassSizes.of(TOY, "float32", rows=100)
    assert fragmentation_bytes(sizes, 0) == int(1.2 * 4 * 1600 * 32)
