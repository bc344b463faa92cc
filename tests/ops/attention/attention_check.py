"""Compares an attention function with the oracle, in value and gradient."""

import keras
import numpy as np
from keras import ops

from tests.gradients import value_and_gradients
from tests.ops.attention.slow_attention import slow_attention
from tests.tracing import at_once
from tests.tracing import traced

# float32 rounds to 6e-8 of values around 1 and sums over up to 100 keys:
# measured 1.2e-6. bfloat16 rounds scores, weights and results to 1/256 of
# values around 1, and gradients sum such errors: measured 0.019. float16 has 3
# bits more.
TOLERANCES = {"float32": 4e-6, "bfloat16": 4e-2, "float16": 5e-3}
NAMES = ("output", "d_query", "d_key", "d_value")


def random_inputs(length, dtype="float32", masked=False):
    """Random query, key and value, an upstream gradient and a padding mask."""
    generator = np.random.default_rng(length)
    tensors = [
        ops.cast(generator.normal(size=(2, length, 2, 4)), dtype)
        for _ in range(4)
    ]
    mask = None
    if masked:
        mask = generator.random((2, length)) < 0.7
        # The first queries see no key, nor do later ones of a narrow band.
        mask[0, : length // 2 + 1] = False
    return tensors[:3], tensors[3], mask


def two_rows_of_segments(length):
    """Ids that begin within blocks of 16 and at their edges, by row."""
    starts = [(5, 16, 17, 40), (16, 33)]
    return np.stack(
        [np.cumsum(np.isin(np.arange(length), row)) for row in starts]
    ).astype("int32")


def training_step(function):
    """Makes a function of query, key, value, upstream and perhaps masks.

    It returns the output of `function`, and the gradients of
    `sum(output * upstream)`.
    """

    def step(query, key, value, upstream, *masks):
        output, gradients = value_and_gradients(
            lambda *x: function(*x, *masks),
            *(query, key, value),
            upstream=upstream,
        )
        return output, *gradients

    return step


def forward_and_backward(function, tensors, upstream):
    """The output of a function and the gradients of `sum(output * upstream)`.

    Args:
        function: callable on the tensors.
        tensors: list of tensors.
        upstream: tensor of the shape of the output.
    """

    def step(upstream, *tensors):
        value, found = value_and_gradients(
            function, *tensors, upstream=upstream
        )
        return value, *found

    return at_once(step)(upstream, *tensors)


def check_attention(
    attention, length, dtype="float32", masked=False, wrap=None, **arguments
):
    """Asserts that an attention function agrees with `slow_attention`.

    Args:
        attention: callable on query, key and value.
        length: int.
        dtype: string.
        masked: bool. Whether to pass a padding mask.
        wrap: Optional. Callable on the function of query, key and value, such
            as `traced`.
        **arguments: further arguments of both, such as `window`.
    """
    tensors, upstream, mask = random_inputs(length, dtype, masked)
    arguments["padding_mask"] = mask

    def function(*tensors):
        return attention(*tensors, **arguments)

    results = forward_and_backward(
        wrap(function) if wrap else function, tensors, upstream
    )
    assert_equals_slow_attention(results, tensors, upstream, **arguments)


def check_whole(
    attention,
    length,
    dtype="float32",
    masked=False,
    segment_ids=None,
    **arguments,
):
    """The same of a step that XLA compiles as a whole, its masks not known."""
    tensors, upstream, mask = random_inputs(length, dtype, masked)
    masks = {"padding_mask": mask, "segment_ids": segment_ids}
    masks = {name: x for name, x in masks.items() if x is not None}

    def function(query, key, value, *values):
        given = dict(zip(masks, values, strict=True))
        return attention(query, key, value, **given, **arguments)

    step = traced(training_step(function), whole=True)
    assert_equals_slow_attention(
        step(*tensors, upstream, *map(ops.convert_to_tensor, masks.values())),
        tensors,
        upstream,
        **masks,
        **arguments,
    )


def assert_equals_slow_attention(results, tensors, upstream, **arguments):
    """Compares output and gradients; `arguments` as those of the oracle."""
    exact = slow_attention(*map(to_float64, [*tensors, upstream]), **arguments)
    for name, result, expected in zip(NAMES, results, exact, strict=True):
        dtype = keras.backend.standardize_dtype(tensors[0].dtype)
        assert result.dtype == dtype, name
        assert result.shape == expected.shape, name
        error = np.abs(to_float64(result) - expected).max()
        assert error < TOLERANCES[dtype], f"{name} differs by {error}"


def exact_attention(tensors, **arguments):
    """The output of `slow_attention` alone.

    Args:
        tensors: list of query, key and value.
        **arguments: as those of `slow_attention`, such as `window`.

    Returns:
        A float64 array of the shape of the query.
    """
    query, key, value = map(to_float64, tensors)
    upstream = np.zeros_like(query)
    return slow_attention(query, key, value, upstream, **arguments)[0]


def to_float64(x):
    return ops.convert_to_numpy(x).astype("float64")


def compiled_functions(function, *specs):
    """Names of the functions in a traced function that XLA must compile.

    On TensorFlow alone: JAX compiles everything.
    """
    return [
        f.signature.name
        for f in _graph(function, specs).as_graph_def().library.function
        if f.attr["_XlaMustCompile"].b
    ]


def element_counts(function, *specs, unknown=False):
    """The number of elements of every tensor in a traced function.

    Args:
        function: callable on tensors.
        *specs: `keras.KerasTensor` of each of them.
        unknown: bool. Whether shapes may be unknown, of which nothing is said;
            then tensors within loops are counted too, as always on JAX.
            Defaults to `False`.
    """
    if keras.config.backend() == "jax":
        return list(_jax_counts(function, specs))
    import tensorflow as tf

    graph = _graph(function, specs)
    library = graph.as_graph_def(add_shapes=True).library.function
    # An identity is another name for an array.
    made = [op for op in graph.get_operations() if op.type != "Identity"]
    shapes = [t.shape for op in made for t in op.outputs]
    # An unknown shape would hide an array.
    assert unknown or all(shape.is_fully_defined() for shape in shapes)
    for function in library if unknown else ():
        for node in function.node_def:
            shapes += map(
                tf.TensorShape, node.attr["_output_shapes"].list.shape
            )
    return [s.num_elements() for s in shapes if s.is_fully_defined()]


def _graph(function, specs):
    """The TensorFlow graph of a function."""
    import tensorflow as tf

    specs = [tf.TensorSpec(s.shape, s.dtype) for s in specs]
    return tf.function(function).get_concrete_function(*specs).graph


def _jax_counts(function, specs):
    """The same from what JAX traced, before it compiles it."""
    import jax
    from jax.extend.core import jaxprs_in_params

    specs = [jax.ShapeDtypeStruct(s.shape, s.dtype) for s in specs]
    waiting = [jax.make_jaxpr(function)(*specs).jaxpr]
    while waiting:
        for equation in waiting.pop().eqns:
            yield from (x.aval.size for x in equation.outvars)
            waiting += jaxprs_in_params(equation.params)
