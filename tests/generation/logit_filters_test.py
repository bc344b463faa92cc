import functools

import keras
import numpy as np
import pytest
from keras import KerasTensor
from keras import ops

from keras_gpt3.generation import keep_min_p
from keras_gpt3.generation import keep_top_k
from keras_gpt3.generation import keep_top_p
from keras_gpt3.ops.op_compilation import jit_compile
from tests.generation.graphs import call
from tests.generation.graphs import traced
from tests.generation.slow_choice import REMOVED
from tests.generation.slow_choice import slow_keep_min_p
from tests.generation.slow_choice import slow_keep_top_k
from tests.generation.slow_choice import slow_keep_top_p

VOCABULARY_SIZE = 11
# Random scores, scores with many ties, and scores that are all the same.
LOGITS = np.stack(
    [
        np.random.default_rng(2).normal(scale=2, size=VOCABULARY_SIZE),
        [2, 0, 1, 2, 1, 0, 2, 1, -3, 2, 0],
        np.zeros(VOCABULARY_SIZE),
    ]
).astype("float32")


CASES = [
    (keep_top_k, slow_keep_top_k, "int32", [0, 1, 2, 3, 5, 11, 50]),
    (
        keep_top_p,
        slow_keep_top_p,
        "float32",
        [0.0, 1e-6, 0.2, 0.5, 0.77, 0.9, 0.999, 1.0],
    ),
    (
        keep_min_p,
        slow_keep_min_p,
        "float32",
        [0.0, 1e-4, 0.01, 0.1, 0.3, 0.7, 1.0],
    ),
]
SINGLE = [
    pytest.param(fast, slow, setting, id=f"{fast.__name__}-{setting}")
    for fast, slow, _, settings in CASES
    for setting in settings
]
MODES = {
    "eager": lambda function: functools.partial(call, function),
    # Here the filters do without a sort.
    "jit_compile": jit_compile,
}
if keras.config.backend() != "jax":  # There is but one compiler.
    MODES |= {"graph": traced, "xla": lambda f: traced(f, whole=True)}
each_mode = pytest.mark.parametrize("mode", MODES)
each_filter = pytest.mark.parametrize(
    ("fast", "slow", "dtype", "settings"),
    CASES,
    ids=lambda value: getattr(value, "__name__", ""),
)


def expected(slow, logits, settings):
    """The slow filter row by row, on the scores as their dtype holds them."""
    logits = np.asarray(ops.cast(logits, "float32"))
    settings = np.broadcast_to(settings, len(logits))
    kept = [
        slow(row, s) for row, s in zip(logits, settings.tolist(), strict=True)
    ]
    return np.array(kept)


def check(filtered, logits, kept):
    assert filtered.dtype == logits.dtype
    filtered, logits = (ops.cast(x, "float32") for x in (filtered, logits))
    np.testing.assert_array_equal(np.asarray(filtered) > REMOVED / 2, kept)
    # What is kept, is kept as it was.
    np.testing.assert_array_equal(filtered[kept], logits[kept])


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("as_tensor", [False, True])
@pytest.mark.parametrize(("fast", "slow", "setting"), SINGLE)
def test_equals_taking_tokens_one_by_one(fast, slow, setting, as_tensor, dtype):
    logits = ops.cast(LOGITS, dtype)
    kept = expected(slow, logits, setting)
    if as_tensor:
        setting = ops.convert_to_tensor(setting)
    check(call(fast, logits, setting), logits, kept)


@each_mode
@pytest.mark.parametrize("logits_dtype", ["float32", "bfloat16"])
@each_filter
@pytest.mark.quick_cases(6)
def test_rows_may_differ_in_their_setting(
    fast, slow, dtype, settings, logits_dtype, mode
):
    filtered = MODES[mode](fast)
    logits = ops.cast(LOGITS, logits_dtype)
    for start in range(len(settings) - 2):
        rows = np.array(settings[start : start + 3], dtype)
        kept = expected(slow, logits, rows)
        check(filtered(logits, ops.convert_to_tensor(rows)), logits, kept)


@pytest.mark.parametrize(("fast", "slow", "setting"), SINGLE[1::4])
def test_xla_may_know_the_setting_beforehand(fast, slow, setting):
    logits = ops.convert_to_tensor(LOGITS)
    filtered = jit_compile(lambda logits: fast(logits, setting))(logits)
    check(filtered, logits, expected(slow, logits, setting))


@each_filter
def test_one_graph_serves_all_settings_and_batches(fast, slow, dtype, settings):
    filtered = traced(
        fast,
        signature=[
            KerasTensor((None, VOCABULARY_SIZE)),
            KerasTensor((), dtype),
        ],
    )
    for setting in settings:
        for logits in (LOGITS, LOGITS[1:]):
            kept = expected(slow, logits, setting)
            check(filtered(logits, setting), logits, kept)


@each_mode
def test_of_tied_tokens_the_lower_ids_are_taken_until_p_is_reached(mode):
    # Probabilities of exactly a quarter, between tokens that have none.
    logits = ops.convert_to_tensor([[-200.0, 1, 1, -200, 1, 1]])
    filtered = MODES[mode](keep_top_p)
    for p, count in ((0, 1), (0.25, 1), (0.26, 2), (0.5, 2), (0.51, 3)):
        kept = np.isin(np.arange(6), [1, 2, 4, 5][:count])[None]
        check(
            filtered(logits, ops.convert_to_tensor(p, "float32")), logits, kept
        )


@each_filter
def test_what_is_removed_has_no_probability(fast, slow, dtype, settings):
    setting = settings[3]
    probabilities = np.asarray(ops.softmax(fast(LOGITS, setting)))
    np.testing.assert_array_equal(
        probabilities > 0, expected(slow, LOGITS, setting)
    )


@pytest.mark.parametrize("p", [1.0, np.float32(1), 1])
def test_a_probability_of_1_keeps_all_the_scores_as_they_are(p):
    np.testing.assert_array_equal(keep_top_p(LOGITS, p), LOGITS)


@each_mode
def test_all_of_a_large_vocabulary_is_kept_at_1_next_to_rows_below(mode):
    """Sums of so many probabilities round to 1 before the last token."""
    logits = np.random.default_rng(0).normal(scale=9, size=(2, 5000))
    logits = ops.convert_to_tensor(logits, "float32")
    filtered = MODES[mode](keep_top_p)(
        logits, ops.convert_to_tensor([0.9, 1.0])
    )
    kept = np.count_nonzero(np.asarray(filtered) > REMOVED / 2, axis=-1)
    assert kept[0] == slow_keep_top_p(np.asarray(logits[0]), 0.9).sum()
    assert kept[1] == 5000


@each_mode
def test_tokens_without_probability_are_cut_just_below_1(mode):
    logits = ops.convert_to_tensor([[0.0, -200.0, 0.0]])
    filtered = MODES[mode](keep_top_p)(
        logits, ops.convert_to_tensor(1 - 2**-24)
    )
    check(filtered, logits, np.array([[True, False, True]]))
