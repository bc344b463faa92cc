"""Rows that the highest scores cover, and rows that they do not."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_gpt3.generation import choose_token
from keras_gpt3.generation import token_choice
from keras_gpt3.generation.logit_filters import highest_scores
from keras_gpt3.ops.op_compilation import jit_compile
from tests.generation.graphs import traced
from tests.generation.slow_choice import slow_distribution
from tests.generation.slow_choice import slow_kept

RANDOM = np.random.default_rng(3)
SIZE = 300
NORMAL = RANDOM.normal(size=SIZE).astype("float32")
# Of shape (SIZE,): random, peaked, with many ties, flat, with removed tokens.
SCORES = {
    "normal": NORMAL,
    "peaked": 8 * NORMAL,
    "ties": np.round(NORMAL),
    "flat": np.zeros(SIZE, "float32"),
    "removed": np.where(RANDOM.random(SIZE) < 0.9, np.float32(-1e30), NORMAL),
    "infinite": np.where(NORMAL < 1.5, np.float32(-np.inf), NORMAL),
}
FILTERS = [
    {"top_k": 1},
    {"top_k": 7},
    {"top_k": 8},
    {"top_k": 90},
    {"top_k": 5000},
    {"top_p": 0.03},
    {"top_p": 0.9},
    {"min_p": 0.4},
    {"top_k": 6, "top_p": 0.7},
    {"top_k": 100, "top_p": 0.6},
    {"top_k": 100, "top_p": 0.6, "min_p": 0.5},
    {"top_p": 0.9, "min_p": 0.3, "temperature": 0.5},
    {"top_k": 40, "top_p": 0.9, "temperature": 3.0},
    {"top_p": 0.95, "temperature": 0.001},
]
OFF = {"temperature": 1.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0}
NAMES = tuple(OFF)
DTYPES = ("float32", "int32", "float32", "float32")


@pytest.fixture(autouse=True)
def few_highest(monkeypatch):
    """So few that small vocabularies have rows that they do not cover."""
    monkeypatch.setattr(token_choice, "NUM_HIGHEST", 8)


def choose(logits, index, seed, *settings):
    settings = dict(zip(NAMES, settings, strict=True))
    return choose_token(logits, index, seed=seed, **settings)


def arrays(settings, count):
    """Every setting for every row."""
    return [
        np.full(count, (OFF | settings)[name], dtype)
        for name, dtype in zip(NAMES, DTYPES, strict=True)
    ]


def draw(scores, settings, seeds, choose=choose, index=5):
    tensors = [
        np.tile(scores, (len(seeds), 1)),
        np.array(index, "int32"),
        np.array(seeds, "int32"),
        *arrays(settings, len(seeds)),
    ]
    return np.asarray(choose(*map(ops.convert_to_tensor, tensors)))


# One graph for all: of any number of rows, all settings are tensors.
SIDES = {"xla": traced(choose, whole=True)}
if keras.config.backend() == "tensorflow":
    SIDES["op by op"] = traced(choose)
DRAWS = 1500


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("name", SCORES)
@pytest.mark.quick_cases(4)
def test_draws_follow_the_probabilities_of_what_is_kept(name, side):
    scores = SCORES[name]
    for settings in FILTERS:
        tokens = draw(scores, settings, range(DRAWS), SIDES[side])
        counts = np.bincount(tokens, minlength=SIZE)
        with np.errstate(over="ignore"):
            expected = DRAWS * slow_distribution(scores, **(OFF | settings))
        assert not counts[~slow_kept(scores, **settings)].any()
        check_counts(counts, expected, settings)


def check_counts(counts, expected, settings):
    """Chi-square, where the rare tokens count as one."""
    order = np.argsort(expected)
    counts, expected = counts[order], expected[order]
    num_rare = 1 + np.searchsorted(np.cumsum(expected), 5)
    starts = [0, *range(num_rare, len(expected))]
    counts = np.add.reduceat(counts, starts)
    expected = np.add.reduceat(expected, starts)
    distance = np.sum((counts - expected) ** 2 / expected)
    freedom = len(expected) - 1
    # Its mean is the degrees of freedom, its variance twice that.
    limit = freedom + 4.5 * (2 * freedom) ** 0.5 + 1e-6
    assert distance < limit, settings


# === The same draw on every way ===


@pytest.mark.parametrize("name", ["normal", "ties"])
def test_rows_of_all_kinds_draw_as_each_alone(name):
    every = [{"temperature": 0.0}, {}, *FILTERS]
    logits = np.tile(SCORES[name], (len(every), 1))
    columns = [
        np.array([(OFF | s)[key] for s in every], dtype)
        for key, dtype in zip(NAMES, DTYPES, strict=True)
    ]
    index, seed = np.arange(2, 2 + len(every)), np.arange(len(every)) % 3
    tensors = [logits, index.astype("int32"), seed.astype("int32"), *columns]
    tensors = [ops.convert_to_tensor(x) for x in tensors]
    together = [np.asarray(side(*tensors)) for side in SIDES.values()]
    for tokens in together:
        np.testing.assert_array_equal(tokens, together[0])
    for row in range(len(every)):
        alone = [x[row : row + 1] for x in tensors]
        alone = np.asarray(SIDES["xla"](*alone))
        assert alone[0] == together[0][row], every[row]


def test_scores_of_bfloat16_tie_and_draw_as_in_float32():
    logits = ops.cast(np.tile(NORMAL, (4, 1)), "bfloat16")
    exact = ops.cast(logits, "float32")
    for settings in FILTERS:
        tensors = np.array(1, "int32"), np.arange(4, dtype="int32")
        tensors = map(ops.convert_to_tensor, (*tensors, *arrays(settings, 4)))
        tensors = list(tensors)
        np.testing.assert_array_equal(
            SIDES["xla"](logits, *tensors), SIDES["xla"](exact, *tensors)
        )


# === What a row pays for ===


@pytest.fixture
def calls(monkeypatch):
    """The kinds of rows that are computed."""
    if keras.config.backend() != "tensorflow":
        pytest.skip("Eager conditions run one branch on TensorFlow alone.")
    seen = []
    for kind in ("most_probable", "among_all", "among_highest", "by_rejection"):
        name = f"_{kind}" if kind == "most_probable" else f"_draw_{kind}"
        function = getattr(token_choice, name)

        def record(rows, kind=kind, function=function, **rounds):
            kind = "first_draw" if rounds else kind
            seen.append((kind, rows.logits.shape[0]))
            return function(rows, **rounds)

        monkeypatch.setattr(token_choice, name, record)
    return seen


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"temperature": [0.0, 0, 0]}, [("most_probable", 3)]),
        ({}, [("among_all", 3)]),
        (
            {"min_p": [0.1, 0.0, 0.9], "temperature": [0.01] * 3},
            [("among_all", 1), ("first_draw", 2)],
        ),
        ({"top_k": [SIZE, SIZE + 1, 0]}, [("among_all", 3)]),
        ({"top_k": [3, 4, 5]}, [("among_highest", 3)]),
        (
            {"top_k": [0, 4, 90], "temperature": [1.0, 0.01, 1.0]},
            [("among_highest", 1), ("among_all", 1), ("first_draw", 1)],
        ),
        (
            {"top_p": [0.9, 0.9, 1e-6], "temperature": [0.0, 0.01, 1.0]},
            [("most_probable", 1), ("first_draw", 2), ("by_rejection", 1)],
        ),
    ],
)
@pytest.mark.parametrize("as_tensors", [False, True])
def test_a_row_pays_for_what_it_asks(settings, expected, as_tensors, calls):
    if as_tensors:
        settings = {k: ops.convert_to_tensor(v) for k, v in settings.items()}
    choose_token(
        np.tile(NORMAL, (3, 1)),
        0,
        **({"top_k": 0} | {"temperature": 1.0} | settings),
        seed=0,
    )
    assert calls == expected


def test_numbers_that_ask_for_nothing_are_not_traced(calls):
    jit_compile(
        lambda logits: choose_token(logits, 0, 1.0, 0, 3, 1.0, min_p=0.0)
    )(ops.convert_to_tensor(NORMAL[None]))
    assert calls == [("among_all", 1)]


# === The highest scores ===


@pytest.mark.parametrize("size", [40, 700, 5003])
@pytest.mark.parametrize("compiled", [False, True])
def test_the_highest_scores_are_those_of_a_sort(size, compiled):
    scores = RANDOM.normal(size=(4, size))
    scores[1] = np.round(scores[1] * 30)  # Ties.
    scores[2] = np.sort(scores[2])
    scores[3, RANDOM.random(size) < 0.5] = -np.inf
    scores = scores.astype("float32")
    find = traced(lambda x: highest_scores(x, 20), whole=compiled)
    found, ids = map(np.asarray, find(ops.convert_to_tensor(scores)))
    order = np.lexsort((np.tile(np.arange(size), (4, 1)), -scores))[:, :20]
    expected = np.take_along_axis(scores, order, axis=-1)
    np.testing.assert_array_equal(found, expected)
    # Of those that tie with the last, any may be there.
    sure = expected > expected[:, -1:]
    np.testing.assert_array_equal(ids[sure], order[sure])


def test_a_vocabulary_of_the_paper_keeps_what_a_sort_keeps(monkeypatch):
    monkeypatch.setattr(token_choice, "NUM_HIGHEST", 128)
    logits = RANDOM.normal(scale=2, size=(6, 50257)).astype("float32")
    logits[3:] /= 20
    settings = {
        "temperature": np.array([1, 0.5, 1, 1, 2, 1], "float32"),
        "top_k": np.array([40, 0, 900, 0, 50, 0], "int32"),
        "top_p": np.array([1, 0.7, 0.8, 0.5, 0.9, 0.9], "float32"),
        "min_p": np.array([0, 0.001, 0, 0.5, 0, 0.9], "float32"),
    }
    kept = [
        slow_kept(row, **{k: v[i] for k, v in settings.items()})
        for i, row in enumerate(logits)
    ]
    tensors = [ops.convert_to_tensor(settings[name]) for name in NAMES]
    for index in range(5):
        for side in SIDES.values():
            tokens = side(
                *map(ops.convert_to_tensor, (logits, np.int32(index))),
                ops.arange(6, dtype="int32"),
                *tensors,
            )
            chosen = zip(kept, np.asarray(tokens), strict=True)
            assert all(row[token] for row, token in chosen)
