import contextlib
import functools
import re

import keras
import numpy as np
import pytest
from keras import ops

from keras_gpt3.layers import DecoderBlock
from keras_gpt3.ops import op_compilation
from keras_gpt3.ops.attention.cached_attention import ring_size
from keras_gpt3.ops.op_compilation import compile_target
from keras_gpt3.ops.op_compilation import jit_compile
from tests.fixtures.numpy_forward import attention as slow_attention
from tests.fixtures.numpy_forward import gelu_approximate
from tests.fixtures.numpy_forward import layer_norm
from tests.gradients import value_and_gradients
from tests.layer_contract import check_layer_contract
from tests.layers.blocks import LENGTH
from tests.layers.blocks import WINDOW
from tests.layers.blocks import make_block
from tests.layers.blocks import make_hidden_states
from tests.layers.blocks import randomized
from tests.ops.compiled_programs import program
from tests.tracing import traced

both_kinds = pytest.mark.parametrize("attention", ["dense", "banded"])


@pytest.fixture(autouse=True)
def without_compilation():
    """The operations' own tests compile them; here it would cost time."""
    with op_compilation(False):
        yield


@pytest.fixture
def hidden_states():
    return make_hidden_states()


@both_kinds
def test_keeps_the_contract_of_layers(attention, hidden_states):
    check_layer_contract(
        functools.partial(
            make_block,
            attention,
            activation="relu",
            layer_norm_epsilon=1e-4,
            dropout=0.1,
            residual_deviation=0.01,
            use_bias=False,
            query_key_value_bias=False,
            norm_first=False,
            attention_scale=0.4,
        ),
        hidden_states,
    )


@both_kinds
def test_equals_the_block_in_numpy(attention, hidden_states):
    block = randomized(make_block(attention), hidden_states)
    weights = {w.path.split("/", 1)[1]: np.array(w) for w in block.weights}

    def norm(x, name):
        return layer_norm(
            x, weights[f"{name}/gamma"], weights[f"{name}/beta"], 1e-5
        )

    def dense(x, name):
        return x @ weights[f"{name}/kernel"] + weights[f"{name}/bias"]

    x = hidden_states.astype("float64")
    heads = dense(norm(x, "attention_norm"), "query_key_value")
    # By head: (B, T, H, 3, D) -> (3, B, H, T, D)
    heads = heads.reshape(2, LENGTH, 3, 3, 4).transpose(3, 0, 2, 1, 4)
    window = WINDOW if attention == "banded" else LENGTH
    attended = slow_attention(*heads, window).swapaxes(1, 2).reshape(x.shape)
    x = x + dense(attended, "attention_output")
    fed = dense(norm(x, "feed_forward_norm"), "feed_forward_intermediate")
    x = x + dense(gelu_approximate(fed), "feed_forward_output")
    # float32 rounding of values up to 10.
    np.testing.assert_allclose(block(hidden_states), x, atol=1e-5)


@both_kinds
@pytest.mark.parametrize("chunk", [1, 3, 5, LENGTH])
def test_with_a_cache_equals_without_chunk_by_chunk(
    chunk, attention, hidden_states
):
    block = randomized(make_block(attention), hidden_states)
    # The cache has more slots than what will be in it, and holds garbage.
    size = ring_size(LENGTH + 3, WINDOW if attention == "banded" else None)
    cache = (np.full((2, 3, size, 4), 7, "float32"),) * 2
    chunks = []
    for start in range(0, LENGTH, chunk):
        output, cache = block(
            hidden_states[:, start : start + chunk],
            cache=cache,
            cache_index=start,
        )
        chunks.append(output)
    # float32 rounding of values up to 10, sums in another order.
    np.testing.assert_allclose(
        ops.concatenate(chunks, axis=1), block(hidden_states), atol=1e-5
    )
    if attention == "dense":
        assert all(np.all(x[:, :, LENGTH:] == 7) for x in cache)


@both_kinds
@pytest.mark.parametrize("end", [1, 4, 9])
@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.quick_cases(3)
def test_a_prompt_makes_the_cache_that_decoding_goes_on_from(
    end, whole, attention, hidden_states
):
    """Position by position, past more than three windows."""
    block = randomized(make_block(attention), hidden_states)
    expected = block(hidden_states)
    prompt, cache = block(
        hidden_states[:, : end + 2], cache_end=end, cache_length=LENGTH
    )
    np.testing.assert_allclose(prompt, expected[:, : end + 2], atol=1e-5)
    size = WINDOW if attention == "banded" else LENGTH
    assert [tuple(x.shape) for x in cache] == [(2, 3, size, 4)] * 2

    def step(x, cache, index):
        return block(x, cache=cache, cache_index=index)

    if whole:
        with op_compilation(True):
            step = jit_compile(step)
    for index in range(end, LENGTH):
        output, cache = step(
            ops.convert_to_tensor(hidden_states[:, index : index + 1]),
            cache,
            ops.convert_to_tensor(index),
        )
        np.testing.assert_allclose(
            output, expected[:, index : index + 1], atol=1e-5
        )


@both_kinds
def test_the_cache_index_may_be_a_tensor(attention, hidden_states):
    block = randomized(make_block(attention), hidden_states)
    size = WINDOW if attention == "banded" else LENGTH
    cache = (ops.zeros((2, 3, size, 4)),) * 2

    @traced
    def second_half(index):
        _, filled = block(hidden_states[:, :6], cache=cache, cache_index=0)
        return block(hidden_states[:, 6:], cache=filled, cache_index=index)[0]

    np.testing.assert_allclose(
        second_half(ops.convert_to_tensor(6)),
        block(hidden_states)[:, 6:],
        atol=1e-5,
    )


@both_kinds
@pytest.mark.parametrize(
    ("rows", "change"), [(1, None), (2, None), (1, "int8"), (1, "lora")]
)
@pytest.mark.quick_cases(2)
def test_few_rows_give_in_xla_what_they_give_outside(
    rows, change, attention, hidden_states
):
    block = randomized(make_block(attention), hidden_states)
    for dense in (block.query_key_value, block.feed_forward_output):
        if change == "int8":
            dense.quantize("int8")
        if change == "lora":
            dense.enable_lora(2)
            dense.lora_kernel_b.assign_add(dense.lora_kernel_b + 0.5)
    size = WINDOW if attention == "banded" else LENGTH
    cache = (ops.full((rows, 3, size, 4), 0.5),) * 2

    def step(x, cache, index):
        return block(x, cache=cache, cache_index=index)

    row = ops.convert_to_tensor(hidden_states[:rows, :1])
    arguments = (row, cache, ops.convert_to_tensor(5))
    expected, cache_after = step(*arguments)
    with op_compilation(True):
        received, cache_received = jit_compile(step)(*arguments)
    # The same sums in another order.
    np.testing.assert_allclose(received, expected, atol=1e-5)
    np.testing.assert_allclose(cache_received, cache_after, atol=1e-5)


@both_kinds
def test_a_position_sees_neither_padding_nor_the_future(
    attention, hidden_states
):
    block = randomized(make_block(attention), hidden_states)
    mask = np.ones((2, LENGTH), "bool")
    mask[1, 3:5] = False
    before = np.asarray(block(hidden_states, padding_mask=mask))
    changed = hidden_states.copy()
    changed[1, 3:5] += 1
    changed[:, 10:] -= 1
    after = np.asarray(block(changed, padding_mask=mask))
    mask[:, 10:] = False
    np.testing.assert_array_equal(after[mask], before[mask])
    assert np.all(after[~mask] != before[~mask])


def test_a_banded_position_sees_its_window_and_no_more(hidden_states):
    block = randomized(make_block("banded"), hidden_states)
    before = np.asarray(block(hidden_states))
    hidden_states[:, 5] += 1
    differs = (np.asarray(block(hidden_states)) != before).any(axis=(0, 2))
    assert np.flatnonzero(differs).tolist() == list(range(5, 5 + WINDOW))


def test_dropout_acts_in_training_only(hidden_states):
    block = make_block("dense", dropout=0.5)
    exact = make_block("dense")
    exact(hidden_states)
    inferred = block(hidden_states)
    exact.set_weights(block.get_weights())
    np.testing.assert_array_equal(inferred, exact(hidden_states))
    first, second = (block(hidden_states, training=True) for _ in range(2))
    assert np.any(first != inferred) and np.any(first != second)


def test_dropout_acts_on_both_residual_branches(hidden_states):
    block = make_block("dense", dropout=0.999)
    trained = np.asarray(block(hidden_states, training=True))
    # Nearly all of both branches is dropped: what is left is the residual.
    assert np.mean(trained == hidden_states) > 0.95


def training_step(block, hidden_states):
    """A function of the output and all gradients, and its argument."""
    upstream = np.random.default_rng(3).normal(size=hidden_states.shape)
    if keras.config.backend() == "jax":
        others = [v.value for v in block.non_trainable_variables]

        def call(x, *weights):
            return block.stateless_call(weights, others, x, training=True)[0]

        weights = [v.value for v in block.trainable_variables]
    else:
        # Each run draws the same seeds.
        for variable in block.non_trainable_variables:
            variable.assign(ops.ones_like(variable))
        weights = block.trainable_variables

        def call(x, *weights):
            return block(x, training=True)

    def step(x):
        return gradients_of_variables(call, x, weights, upstream)

    return step, ops.convert_to_tensor(hidden_states)


def gradients_of_variables(function, x, weights, upstream):
    """As `value_and_gradients`; TensorFlow's tape knows variables alone."""
    if keras.config.backend() == "jax":
        return value_and_gradients(function, x, *weights, upstream=upstream)
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(x)
        value = function(x)
    upstream = ops.cast(upstream, value.dtype)
    sources = [x, *(v.value for v in weights)]
    return value, tape.gradient(value, sources, upstream)


@both_kinds
@pytest.mark.parametrize(
    ("dropout", "rematerialized", "norm_first"),
    [
        (0.2, False, True),
        (0.0, False, True),
        (0.2, True, True),
        (0.2, False, False),
        (0.0, True, False),
    ],
)
@pytest.mark.quick_cases(1)
def test_what_a_gpu_computes_again_changes_nothing(
    dropout, rematerialized, norm_first, attention, hidden_states
):
    block = make_block(attention, dropout=dropout, norm_first=norm_first)
    randomized(block, hidden_states)
    block.rematerialized = rematerialized

    def run():
        step, x = training_step(block, hidden_states)
        output, gradients = traced(step, whole=True)(x)
        return [np.array(x) for x in (output, *gradients)]

    expected = run()
    with compile_target("gpu"):
        received = run()
    # With dropout only if both drew the same masks.
    for value, other in zip(received, expected, strict=True):
        # The same sums, fused otherwise: float32 rounding of the largest.
        np.testing.assert_allclose(
            value, other, atol=1e-6 * np.abs(other).max(), rtol=1e-5
        )


def test_a_gpu_computes_one_more_product_again(hidden_states):
    block = randomized(make_block("dense"), hidden_states)

    def products():
        text = program(*training_step(block, hidden_states))
        return text.count("stablehlo.dot_general") + text.count(" dot(")

    for rematerialized, more in ((False, 1), (True, 0)):
        block.rematerialized = rematerialized
        on_cpu = products()
        with compile_target("gpu"):
            assert products() - on_cpu == more


def test_an_unknown_kind_of_attention_raises():
    message = (
        "attention must be one of ('dense', 'banded'). Received: "
        "attention='local'. Use 'dense' to see every earlier key, 'banded' "
        "for the last attention_window keys."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        DecoderBlock(2, intermediate_dim=8, attention="local")


def test_it_runs_within_the_scope_that_it_is_given(hidden_states):
    block = make_block("dense")
    expected = block(hidden_states)
    events = []

    @contextlib.contextmanager
    def scope():
        events.append("begins")
        yield
        events.append("ends")

    block.device_scope = scope
    np.testing.assert_array_equal(block(hidden_states), expected)
    assert events == ["begins", "ends"]


def test_a_window_of_0_raises():
    message = (
        "attention_window must be an integer of at least 1. Received: "
        "attention_window=0. Use dense attention to see every earlier key."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        DecoderBlock(2, intermediate_dim=8, attention_window=0)


def test_an_unknown_activation_raises():
    with pytest.raises(ValueError, match="activation must be one of"):
        DecoderBlock(2, intermediate_dim=8, activation="swish")


def test_heads_that_do_not_divide_the_width_raise():
    message = (
        "num_heads must divide hidden_dim. Received: num_heads=5, "
        "hidden_dim=12. Choose a width that is a multiple of the number of "
        "heads."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        DecoderBlock(5, intermediate_dim=8).build((None, None, 12))
