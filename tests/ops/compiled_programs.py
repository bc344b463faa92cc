"""Programs as they are handed to XLA, read as text."""

import math
import re

import keras


def program(function, *tensors):
    """The text of a function that XLA compiles as a whole, not optimized.

    HLO of TensorFlow's, StableHLO of JAX'. It runs nothing.
    """
    if keras.config.backend() == "jax":
        import jax

        return jax.jit(function).lower(*tensors).as_text()
    import tensorflow as tf

    graph = tf.function(function, jit_compile=True, autograph=False)
    return graph.experimental_get_compiler_ir(*tensors)(stage="hlo")


def optimized(function, *tensors):
    """The HLO of the same after XLA's compiler for this device."""
    if keras.config.backend() == "jax":
        import jax

        return jax.jit(function).lower(*tensors).compile().as_text()
    import tensorflow as tf

    graph = tf.function(function, jit_compile=True, autograph=False)
    return graph.experimental_get_compiler_ir(*tensors)(stage="optimized_hlo")


def num_loops(text):
    """How many loops a program has."""
    return len(re.findall(r"stablehlo\.while\(| while\(", text))


def num_barriers(text):
    """How many optimization barriers a program has."""
    return len(
        re.findall(r"stablehlo\.optimization_barrier| opt-barrier\(", text)
    )


def most_elements(text):
    """The number of elements of the largest array in a program."""
    # `f32[2,45]{1,0}` in HLO, `tensor<2x45xf32>` in StableHLO.
    hlo = re.findall(r"\b[a-z]+\d*\[([\d,]+)\]", text)
    stable = re.findall(r"tensor<((?:\d+x)+)\w+>", text)
    shapes = [re.findall(r"\d+", shape) for shape in hlo + stable]
    return max(math.prod(map(int, shape)) for shape in shapes)
