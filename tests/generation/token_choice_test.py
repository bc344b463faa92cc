import keras
import numpy as np
import pytest
from keras import KerasTensor
from keras import ops

from keras_gpt3.generation import choose_token
from keras_gpt3.generation.seeded_draws import SeedAtPosition
from keras_gpt3.generation.seeded_draws import gumbel_noise
from keras_gpt3.ops.op_compilation import jit_compile
from tests.generation.graphs import call
from tests.generation.graphs import traced
from tests.generation.slow_choice import slow_choose_token
from tests.generation.slow_choice import slow_distribution

# === Token choice ===


VOCABULARY_SIZE = 11
LOGITS = np.random.default_rng(0).normal(size=(3, VOCABULARY_SIZE))
LOGITS = LOGITS.astype("float32")
# Temperature, top-k, seed, top-p, min-p.
SETTINGS = [
    (1.0, 0, 0, 1.0, 0.0),
    (0.0, 0, 1, 1.0, 0.0),
    (0.7, 3, 2, 1.0, 0.0),
    (2.0, 0, -3, 0.6, 0.0),
    (1.3, 0, 4, 1.0, 0.2),
    (1.5, 6, 2**31 - 1, 0.8, 0.1),
]
DTYPES = ("float32", "int32", "int32", "float32", "float32")


def choose(
    index=0,
    temperature=1.0,
    top_k=0,
    seed=0,
    top_p=1.0,
    min_p=0.0,
    logits=LOGITS,
):
    settings = temperature, top_k, seed, top_p, min_p
    return np.asarray(call(choose_token, logits, np.array(index), *settings))


def slow(index, *settings, logits=LOGITS):
    """Row by row; settings may be of one value for each row."""
    rows = zip(
        *(np.broadcast_to(s, len(logits)) for s in settings), strict=True
    )
    rows = zip(logits, rows, strict=True)
    return [
        slow_choose_token(row, index, *(s.item() for s in setting))
        for row, setting in rows
    ]


# === One token ===


@pytest.mark.parametrize("settings", SETTINGS)
def test_equals_the_definition_row_by_row(settings):
    for index in range(12):
        chosen = choose(index, *settings)
        assert chosen.dtype == "int32"
        np.testing.assert_array_equal(chosen, slow(index, *settings))


def test_the_settings_of_these_tests_all_matter():
    chosen = {
        tuple(choose(index, *settings)[0] for index in range(12))
        for settings in SETTINGS
    }
    assert len(chosen) == len(SETTINGS)


def test_a_row_of_a_batch_gets_what_it_gets_alone():
    batch = choose(3, seed=5)
    alone = [choose(3, seed=5, logits=LOGITS[i : i + 1])[0] for i in range(3)]
    np.testing.assert_array_equal(batch, alone)


@pytest.mark.parametrize(
    "settings",
    [
        {"temperature": 0.0},
        {"temperature": np.float32(0.0)},
        {"top_k": 1},
        {"top_p": 1e-6},
        {"min_p": 1.0},
    ],
)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_temperature_0_and_one_token_are_greedy(settings, dtype):
    logits = ops.cast(LOGITS, dtype)
    for index in range(5):
        chosen = choose(index, logits=logits, **settings)
        assert chosen.dtype == "int32"
        np.testing.assert_array_equal(chosen, LOGITS.argmax(-1))


def test_scores_of_bfloat16_are_drawn_from_in_float32():
    logits = ops.cast(LOGITS, "bfloat16")
    exact = ops.convert_to_numpy(ops.cast(logits, "float32"))
    for index, settings in enumerate(SETTINGS):
        chosen = choose(index, *settings, logits=logits)
        np.testing.assert_array_equal(
            chosen, slow(index, *settings, logits=exact)
        )


def test_what_is_removed_is_never_drawn_however_hot():
    seeds = np.arange(60)
    for settings in ({"top_k": 2}, {"top_k": ops.convert_to_tensor(2)}):
        chosen = choose(
            temperature=ops.convert_to_tensor(np.inf),
            seed=seeds,
            logits=np.tile(LOGITS[:1], (60, 1)),
            **settings,
        )
        assert set(chosen) == set(np.argsort(LOGITS[0])[-2:])


def test_seed_and_position_decide():
    row = np.zeros((1, 5000), "float32")
    first = choose(3, seed=5, logits=row)
    np.testing.assert_array_equal(first, choose(3, seed=5, logits=row))
    for other in ({"index": 4, "seed": 5}, {"index": 3, "seed": 6}):
        assert first != choose(logits=row, **other)


# === Rows of different settings ===


def test_each_row_goes_by_its_own_settings():
    for start in range(len(SETTINGS) - 2):
        columns = zip(*SETTINGS[start : start + 3], strict=True)
        settings = [
            np.array(column, dtype)
            for column, dtype in zip(columns, DTYPES, strict=True)
        ]
        for index in range(6):
            np.testing.assert_array_equal(
                choose(index, *settings), slow(index, *settings)
            )


def test_rows_of_one_seed_share_their_draw():
    row = np.zeros((1, 5000), "float32")
    rows = np.repeat(row, 4, axis=0)
    chosen = choose(2, seed=np.array([7, 8, 7, 9]), logits=rows)
    assert chosen[0] == chosen[2] and len(set(chosen)) == 3
    for seed, token in zip((7, 8, 7, 9), chosen, strict=True):
        assert choose(2, seed=seed, logits=row) == token


# === Graphs ===


def by_xla(function):
    return traced(function, whole=True)


@pytest.mark.parametrize("shape", [(), (3,)])
def test_one_graph_serves_all_settings_and_batches(shape):
    choose_in_graph = traced(
        choose_token,
        signature=[
            KerasTensor((None, VOCABULARY_SIZE)),
            KerasTensor((), "int32"),
            *(KerasTensor(shape, dtype) for dtype in DTYPES),
        ],
    )
    for index, settings in enumerate(SETTINGS):
        tensors = [
            np.full(shape, setting, dtype)
            for setting, dtype in zip(settings, DTYPES, strict=True)
        ]
        np.testing.assert_array_equal(
            choose_in_graph(LOGITS, index, *tensors), slow(index, *settings)
        )


@pytest.mark.parametrize("compiler", [by_xla, jit_compile])
@pytest.mark.parametrize("shape", [(), (3,)])
@pytest.mark.quick_cases(2)
def test_xla_chooses_the_same(shape, compiler):
    compiled = compiler(choose_token)
    for index, settings in enumerate(SETTINGS):
        tensors = [
            ops.full(shape, setting, dtype)
            for setting, dtype in zip(settings, DTYPES, strict=True)
        ]
        np.testing.assert_array_equal(
            compiled(*map(ops.convert_to_tensor, (LOGITS, index)), *tensors),
            slow(index, *settings),
        )


# === Many tokens ===

DRAWS = 4000


@traced
def over_positions(row, settings):
    return ops.map(
        lambda index: choose_token(row, index, seed=0, **settings)[0],
        ops.arange(DRAWS),
    )


@traced
def over_seeds(row, settings):
    rows = ops.repeat(row, DRAWS, axis=0)
    return choose_token(rows, 7, seed=ops.arange(DRAWS), **settings)


@pytest.mark.parametrize("draw", [over_positions, over_seeds])
@pytest.mark.parametrize(
    "settings",
    [
        {"temperature": 1.0, "top_k": 0},
        {"temperature": 0.5, "top_k": 0},
        {"temperature": 3.0, "top_k": 4},
        {"temperature": 1.0, "top_k": 0, "top_p": 0.8},
        {"temperature": 1.0, "top_k": 0, "min_p": 0.2},
        {"temperature": 2.0, "top_k": 9, "top_p": 0.9, "min_p": 0.25},
    ],
)
@pytest.mark.quick_cases(4)
def test_draws_follow_the_softmax_of_what_is_kept(settings, draw):
    tensors = {k: ops.convert_to_tensor(v) for k, v in settings.items()}
    chosen = np.asarray(draw(ops.convert_to_tensor(LOGITS[:1]), tensors))
    counts = np.bincount(chosen, minlength=VOCABULARY_SIZE)
    probabilities = slow_distribution(LOGITS[0], **settings)
    kept = probabilities > 0
    assert counts[~kept].sum() == 0
    expected = DRAWS * probabilities[kept]
    distance = np.sum((counts[kept] - expected) ** 2 / expected)
    # Chi-square: its mean is the degrees of freedom, its variance twice that.
    freedom = np.count_nonzero(kept) - 1
    assert distance < freedom + 4 * (2 * freedom) ** 0.5


# === Gumbel noise ===


def keras_noise(seed, index, size):
    """As Keras draws it, outside XLA."""
    seed = SeedAtPosition(seed, index)
    uniform = keras.random.uniform((size,), 1e-20, 1.0, seed=seed)
    return -keras.ops.log(-keras.ops.log(uniform))


@pytest.mark.parametrize("seed", [0, -5, 2**31 - 1])
@pytest.mark.parametrize("index", [0, 3, 2047])
def test_equals_what_keras_draws(seed, index):
    noise = gumbel_noise(seed, index, 11)
    assert keras.backend.standardize_dtype(noise.dtype) == "float32"
    np.testing.assert_array_equal(noise, keras_noise(seed, index, 11))


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("seed", [4, [4, -1, 4]])
def test_a_graph_and_xla_draw_the_same(seed, compiled):
    draw = traced(
        lambda seed, index: gumbel_noise(seed, index, 11), whole=compiled
    )
    noise = draw(ops.convert_to_tensor(seed), ops.convert_to_tensor(3))
    # XLA's logarithms round otherwise; another draw would differ in all.
    np.testing.assert_allclose(noise, gumbel_noise(seed, 3, 11), rtol=1e-4)


def test_each_row_draws_by_its_own_seed():
    noise = np.asarray(gumbel_noise([4, -1, 4], 3, 11))
    assert noise.shape == (3, 11)
    for row, seed in zip(noise, [4, -1, 4], strict=True):
        np.testing.assert_array_equal(row, gumbel_noise(seed, 3, 11))


def test_seed_and_position_decide_the_noise():
    first = np.asarray(gumbel_noise(1, 2, 11))
    np.testing.assert_array_equal(first, gumbel_noise(1, 2, 11))
    for other in ((2, 1), (1, 3), (3, 2)):
        assert (first != np.asarray(gumbel_noise(*other, 11))).all()


def test_follows_gumbel_s_distribution():
    noise = np.sort(gumbel_noise(0, 0, 20000))
    shares = (np.arange(20000) + 0.5) / 20000
    # Kolmogorov and Smirnov's bound that one sample in 2000 exceeds.
    assert np.abs(np.exp(-np.exp(-noise)) - shares).max() < 2.04 / 20000**0.5


# === Seed at position ===


def uniform(seed, index):
    seed = SeedAtPosition(seed, index)
    return np.asarray(keras.random.uniform((5,), seed=seed))


def test_the_same_seed_and_position_draw_the_same():
    np.testing.assert_array_equal(uniform(1, 2), uniform(1, 2))
    assert (uniform(1, 2) != uniform(2, 1)).all()
    assert (uniform(1, 2) != uniform(1, 3)).all()


def test_seed_and_position_may_be_tensors_of_a_graph():
    draw = traced(
        lambda seed, index: keras.random.uniform(
            (5,), seed=SeedAtPosition(seed, index)
        )
    )
    for seed in (1, -1):
        drawn = draw(ops.convert_to_tensor(seed), ops.convert_to_tensor(2))
        np.testing.assert_array_equal(drawn, uniform(seed, 2))


def test_it_has_no_state():
    seed = SeedAtPosition(1, 2)
    np.testing.assert_array_equal(seed.next(), seed.next())
