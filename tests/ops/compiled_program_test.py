"""What attention and a whole training step hand to XLA, at two lengths."""

import functools
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import ops

from keras_gpt3 import GPT3
from keras_gpt3.ops import banded_attention
from keras_gpt3.ops import causal_attention
from keras_gpt3.training import AdamW
from keras_gpt3.training.step.deviceless_compilation import largest_constant
from tests.ops.attention.attention_check import training_step
from tests.ops.compiled_programs import most_elements
from tests.ops.compiled_programs import num_loops
from tests.ops.compiled_programs import program
from tests.small_gpt3 import small_backbone

LENGTHS = (1024, 4096)
ATTENTIONS = {
    "dense": causal_attention,
    "banded": functools.partial(banded_attention, window=256),
}
each_attention = pytest.mark.parametrize("kind", ATTENTIONS)


def attention_step(kind):
    """A step of attention, of three tensors, upstream and perhaps a mask."""

    def attend(query, key, value, mask=None):
        return ATTENTIONS[kind](query, key, value, padding_mask=mask)

    return training_step(attend)


def attention_inputs(length, heads=2, head_dim=8):
    return [ops.ones((1, length, heads, head_dim))] * 4


def training_program(length):
    """The step of a model with a dense and a banded layer."""
    model = GPT3(
        small_backbone(max_sequence_length=length, attention_window=256)
    )
    model.compile(optimizer=AdamW(), jit_compile=True)
    if keras.config.backend() == "jax":
        from keras_gpt3.training import lower_train_step

        return lower_train_step(model, 2, length).as_text()
    from keras_gpt3.training.step.replica_gradients import replica_graph

    graph, arguments = replica_graph(model, 2, length)
    return graph.experimental_get_compiler_ir(*arguments)(stage="hlo")


def assert_alike(texts):
    """Programs of two lengths are nearly the same, and hold no arrays."""
    short, long = map(len, texts)
    # Numbers have more digits; nothing is repeated, or written out.
    assert 0.95 * short <= long <= 1.05 * short
    assert max(map(largest_constant, texts)) <= 10**6


@each_attention
@pytest.mark.parametrize("masked", [False, True])
def test_attention_does_not_grow_with_the_length(kind, masked):
    def of(length):
        masks = [ops.ones((1, length), "bool")] * masked
        return program(attention_step(kind), *attention_inputs(length), *masks)

    texts = list(map(of, LENGTHS))
    # Forward and backward.
    assert list(map(num_loops, texts)) == [2, 2]
    assert_alike(texts)
    # The scores of a block, 256 x 256 of 2 heads, then tensors of 16 numbers.
    assert most_elements(texts[0]) <= 2 * 256 * 256
    assert most_elements(texts[1]) <= 2 * 256 * 256


@pytest.mark.slow
def test_a_training_step_does_not_grow_with_the_length():
    assert_alike(list(map(training_program, LENGTHS)))


def test_a_program_with_an_array_of_numbers_is_found():
    band = np.tri(1024, k=15, dtype="bool")
    text = program(lambda x: ops.where(band, x, 0.0), ops.ones((1024, 1024)))
    assert largest_constant(text) == 1024 * 1024


# === Memory ===


@pytest.mark.backend("jax", reason="its compiler says what a program takes.")
@each_attention
def test_memory_grows_with_the_length(kind):
    import jax

    def temporary(length):
        step = jax.jit(attention_step(kind))
        compiled = step.lower(*attention_inputs(length)).compile()
        return compiled.memory_analysis().temp_size_in_bytes

    # The scores of a block stay the same.
    assert temporary(4096) <= 2.1 * temporary(2048)


# The scores of 16 heads would take 256 MiB at length 2048, and 1 GiB at 4096.
_MEASURE = """
import resource
import tensorflow as tf
from tests.ops.compiled_program_test import attention_inputs, attention_step

def peak(length):
    step = tf.function(attention_step("dense"), jit_compile=True)
    step(*attention_inputs(length, heads=16, head_dim=16))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

peak(512)
print(*map(peak, (512, 2048, 4096)))
"""


@pytest.mark.slow
@pytest.mark.backend("tensorflow", reason="JAX' compiler says it.")
def test_a_run_s_memory_grows_with_the_length():
    finished = subprocess.run(
        [sys.executable, "-c", _MEASURE],
        # The tests' own would make slow programs.
        env={k: v for k, v in os.environ.items() if k != "XLA_FLAGS"},
        capture_output=True,
        text=True,
        check=True,
    )
    first, second, third = map(int, finished.stdout.split())
    # Twice the tensors, and what each compilation keeps: measured 1.7 to 2.0.
    # The square of the length would make it 4.
    assert third - first <= 2.6 * (second - first)
