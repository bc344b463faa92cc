import numpy as np
import pytest
from keras import ops

from keras_gpt3.generation.decode_loop import start_decoding
from keras_gpt3.generation.drafters import DraftModel
from keras_gpt3.generation.drafters import PromptLookup
from keras_gpt3.generation.drafters import drafts_a_row
from keras_gpt3.generation.speculative_decoding import speculate_until
from keras_gpt3.generation.speculative_decoding import start_drafting
from tests.generation.graphs import call
from tests.generation.graphs import traced
from tests.generation.toy_model import LENGTH
from tests.generation.toy_model import PROMPTS
from tests.generation.toy_model import TABLE
from tests.generation.toy_model import VOCABULARY_SIZE
from tests.generation.toy_model import padded_prompts
from tests.generation.toy_model import slow_continuation
from tests.generation.toy_model import slow_logits

NUM_DRAFTS = 3
GREEDY = {"temperature": 0.0, "seed": 0}

# === The loop ===


def score(token_ids, cache, start):
    """The toy model's scores after each token, from a cache with room."""
    size, logits = cache.shape[1], []
    positions = ops.arange(size, dtype="int32")
    for place in range(token_ids.shape[1]):
        index = start[:, None] + place
        cache = ops.where(
            positions == index, token_ids[:, place : place + 1], cache
        )
        seen = ops.where(positions <= index, cache + 1, 0)
        rows = ops.sum((positions + 1) * seen, axis=-1) % len(TABLE)
        logits.append(ops.take(ops.cast(TABLE, "float32"), rows, axis=0))
    return ops.stack(logits, axis=1), cache


def biased_score(token_ids, cache, start):
    """Another model, whose best tokens often differ."""
    logits, cache = score(token_ids, cache, start)
    return logits + 0.7 * ops.cast(TABLE[0], "float32"), cache


def counting(left, chosen, is_answer):
    left = left - ops.cast(is_answer, "int32")
    return left, left <= 0


def speculate(token_ids, mask, settings, make_drafter, stops, end, left):
    rows = token_ids.shape[0]
    wide = ops.pad(token_ids, ((0, 0), (0, NUM_DRAFTS)))
    state = start_decoding(token_ids, mask, wide, left, in_step=False)
    drafter = make_drafter(settings, mask)
    memory = ()
    if isinstance(drafter, DraftModel):
        memory = (wide, state.index - 1)
    drafting = start_drafting(rows, drafter.first_pause, memory)
    arguments = mask, stops, counting, rows
    return speculate_until(
        end, score, settings, drafter, state, drafting, *arguments
    )


def lookup(settings, mask):
    return PromptLookup(NUM_DRAFTS)


def same_model(settings, mask):
    return DraftModel(NUM_DRAFTS, score, settings, mask)


def other_model(settings, mask):
    return DraftModel(NUM_DRAFTS, biased_score, settings, mask)


def run(make_drafter, stops=(), settings=GREEDY, end=LENGTH, left=99):
    token_ids, mask = padded_prompts()
    left = np.full(len(token_ids), left, "int32")
    return call(
        lambda *x: speculate(*x, settings, make_drafter, stops, end, left),
        ops.convert_to_tensor(token_ids),
        ops.convert_to_tensor(mask),
    )


DRAFTERS = [lookup, same_model, other_model]


@pytest.mark.parametrize("make_drafter", DRAFTERS)
@pytest.mark.parametrize("stop", [-1, 0, 3])
def test_rows_are_those_of_a_plain_loop(make_drafter, stop):
    state, drafting = run(make_drafter, [stop])
    assert int(drafting.counts.accepted) <= int(drafting.counts.proposed)
    for row, prompt in enumerate(PROMPTS):
        expected = slow_continuation(prompt, [stop])
        found = np.asarray(state.token_ids[row])[: len(expected)]
        np.testing.assert_array_equal(found, expected)
        assert int(state.index[row]) == len(expected)
        assert bool(state.finished[row]) == (expected[-1] == stop)


@pytest.mark.parametrize("make_drafter", DRAFTERS)
def test_no_row_goes_beyond_its_end_or_its_count(make_drafter):
    end = np.array([4, 9, 10], "int32")
    state, _ = run(make_drafter, end=end)
    np.testing.assert_array_equal(state.index, end)
    assert not np.any(state.finished)
    state, _ = run(make_drafter, left=2)
    expected = [len(prompt) + 2 for prompt in PROMPTS]
    np.testing.assert_array_equal(state.index, expected)
    assert np.all(state.finished)


def test_all_drafts_of_the_model_itself_are_accepted():
    _, drafting = run(same_model)
    assert int(drafting.counts.rounds) > 0
    assert drafting.counts.accepted == drafting.counts.proposed


def test_a_model_that_drafts_badly_pauses():
    def worst_first(token_ids, cache, start):
        logits, cache = score(token_ids, cache, start)
        return -logits, cache

    _, drafting = run(
        lambda settings, mask: DraftModel(
            NUM_DRAFTS, worst_first, settings, mask
        )
    )
    # Of 11 positions: after 1, 2, and 4 steps.
    assert int(drafting.counts.rounds) <= 4
    assert int(drafting.counts.accepted) == 0
    assert np.all(np.asarray(drafting.next_pause) >= 4)


# === Draws ===


@pytest.mark.parametrize("make_drafter", DRAFTERS)
def test_draws_have_the_models_probabilities(make_drafter):
    # Two positions, and 25 pairs: above 51.2 with probability 0.001.
    rows, prompt = 1500, [4, 1, 4, 1, 4, 1]
    token_ids = np.tile([*prompt, 0, 0], (rows, 1)).astype("int32")
    settings = {"temperature": 0.8, "seed": np.arange(rows, dtype="int32")}
    mask = np.tile(np.arange(8) < 6, (rows, 1))

    def draw(token_ids, mask):
        left = np.full(rows, 99, "int32")
        return speculate(token_ids, mask, settings, make_drafter, (), 8, left)

    state, drafting = traced(draw)(
        *map(ops.convert_to_tensor, (token_ids, mask))
    )
    assert 0 < int(drafting.counts.accepted)
    pairs = np.asarray(state.token_ids)[:, 6:] @ [VOCABULARY_SIZE, 1]
    counts = np.bincount(pairs, minlength=VOCABULARY_SIZE**2)
    expected = rows * pair_probabilities(prompt, 0.8)
    assert ((counts - expected) ** 2 / expected).sum() < 51.2


def pair_probabilities(prompt, temperature):
    def softmax(logits):
        weights = np.exp(logits / temperature)
        return weights / weights.sum()

    firsts = softmax(slow_logits(prompt))
    return np.concatenate(
        [
            first * softmax(slow_logits([*prompt, token]))
            for token, first in enumerate(firsts)
        ]
    )


# === Drafts ===


def slow_lookup(tokens, count):
    """The continuation of the latest earlier place of the last tokens."""
    for length in (3, 2):
        for place in range(len(tokens) - 1, length - 1, -1):
            if tokens[place - length : place] == tokens[-length:]:
                drafts = list(tokens)
                for i in range(count):
                    drafts.append(drafts[place + i])
                return drafts[-count:]
    return None


def test_lookup_finds_what_a_plain_search_finds():
    generator = np.random.default_rng(0)
    token_ids = generator.integers(3, size=(200, 14), dtype="int32")
    lengths = generator.integers(1, 14, size=200, dtype="int32")
    lookup = PromptLookup(5)
    has_drafts = np.asarray(lookup.has_drafts(token_ids, lengths))
    drafts, _ = lookup.propose(token_ids, lengths, (), 5)
    assert 20 < has_drafts.sum() < 180
    for row, length in enumerate(lengths):
        expected = slow_lookup(token_ids[row, :length].tolist(), 5)
        assert has_drafts[row] == (expected is not None)
        if expected is not None:
            assert np.asarray(drafts[row]).tolist() == expected


@pytest.mark.parametrize(
    "next_pause, expected", [([16, 32], 3), ([64, 8], 5), ([1], 5)]
)
def test_a_model_drafts_half_until_its_drafts_are_good(next_pause, expected):
    drafter = same_model({}, np.ones((1, 4), "bool"))
    drafter.num_drafts = 5
    most = drafter.most(ops.convert_to_tensor(next_pause, "int32"))
    assert int(most) == expected
    assert [drafter.fewest_accepted(n) for n in (1, 2, 3, 5)] == [1, 1, 2, 3]


@pytest.mark.parametrize(
    "rows, expected", [(1, 7), (2, 3), (3, 1), (4, 1), (64, 1)]
)
def test_fewer_tokens_are_drafted_for_more_rows(rows, expected):
    assert drafts_a_row(rows) == expected
