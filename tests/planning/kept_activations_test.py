import math

import pytest
import tensorflow as tf

from keras_gpt3.layers import DecoderBlock
from keras_gpt3.planning.kept_activations import again_bytes
from keras_gpt3.planning.kept_activations import block_bytes
from keras_gpt3.planning.kept_activations import bytes_after_blocks
from keras_gpt3.planning.kept_activations import input_bytes
from keras_gpt3.planning.kept_activations import kept_by_layer
from keras_gpt3.planning.pass_sizes import PassSizes
from tests.planning.toy_config import TOY

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
