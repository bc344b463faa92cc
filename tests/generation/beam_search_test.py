import itertools
import math
import re

import numpy as np
import pytest
from keras import KerasTensor
from keras import ops

from keras_gpt3.generation import beam_search
from tests.generation.graphs import call
from tests.generation.graphs import show
from tests.generation.graphs import traced
from tests.generation.graphs import wait_for_shown
from tests.generation.toy_model import LENGTH
from tests.generation.toy_model import PROMPTS
from tests.generation.toy_model import VOCABULARY_SIZE
from tests.generation.toy_model import next_logits
from tests.generation.toy_model import padded_prompts
from tests.generation.toy_model import slow_continuation
from tests.generation.toy_model import slow_logits

PENALTIES = [0.0, 0.6, 1.0]


def slow_beam_search(
    logits_of, prompt, stops, num_beams, penalty, length=LENGTH
):
    """Pairs of score and tokens, best first; never ends early."""

    def in_order(hypotheses):
        # Python's sort is stable: of equal scores the first stays first.
        return sorted(hypotheses, key=lambda h: -h[0])

    def by_score(hypotheses):
        return in_order(hypotheses)[:num_beams]

    def finish(score, tokens):
        divisor = ((5 + len(tokens) - len(prompt)) / 6) ** penalty
        return score / divisor, tokens

    live, pool = [(0.0, list(prompt))], []
    for _ in range(length - len(prompt)):
        extensions = []
        for score, tokens in live:
            logits = np.asarray(logits_of(tokens), "float64")
            sums = score + logits - np.log(np.exp(logits).sum())
            extensions += [(s, [*tokens, t]) for t, s in enumerate(sums)]
        kept = by_score(extensions)
        # A single beam is greedy.
        among = in_order(extensions) if num_beams > 1 else kept
        live = [h for h in among if h[1][-1] not in stops][:num_beams]
        ended = [finish(*h) for h in kept if h[1][-1] in stops]
        pool = by_score(pool + ended)
    return by_score(pool + [finish(*h) for h in live])


def search(token_ids, mask, stops, penalty=0.6, num_beams=3):
    penalty = np.float32(penalty)
    return call(search_plainly, token_ids, mask, stops, penalty, num_beams)


def search_plainly(token_ids, mask, stops, penalty=0.6, num_beams=3):
    # Earlier tokens are seen only in the cache, which must follow the beams.
    answers = beam_search(
        next_logits, token_ids, mask, token_ids, stops, num_beams, penalty
    )
    return answers["token_ids"], answers["padding_mask"], answers["scores"]


in_graph = traced(
    search_plainly,
    signature=[
        KerasTensor((None, None), "int32"),
        KerasTensor((None, None), "bool"),
        [KerasTensor((), "int32")],
        KerasTensor((), "float32"),
    ],
)
by_xla = traced(search_plainly, whole=True)


def check(answers, row, expected):
    """Compares one prompt's beams with pairs of score and tokens."""
    token_ids, mask, scores = (np.asarray(x)[row] for x in answers)
    for beam, (score, tokens) in enumerate(expected):
        np.testing.assert_array_equal(
            mask[beam], np.arange(mask.shape[1]) < len(tokens)
        )
        np.testing.assert_array_equal(token_ids[beam][mask[beam]], tokens)
        # Float32 sums of a dozen terms.
        np.testing.assert_allclose(scores[beam], score, rtol=1e-5)


# === Against slow searches ===


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("num_beams", [1, 2, 4, 5])
@pytest.mark.parametrize("stops", [[-1], [0], [3], [4, 1]])
@pytest.mark.quick_cases(8)
def test_each_row_gives_what_a_slow_search_gives_alone(
    stops, num_beams, penalty
):
    answers = search(*padded_prompts(), stops, penalty, num_beams)
    for row, prompt in enumerate(PROMPTS):
        expected = slow_beam_search(
            slow_logits, prompt, stops, num_beams, penalty
        )
        assert len(expected) == num_beams
        check(answers, row, expected)


@pytest.mark.parametrize("search_all", [in_graph, by_xla])
@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.quick_cases(2)
def test_graphs_plain_and_by_xla_give_the_same(search_all, penalty):
    for stop in range(-1, VOCABULARY_SIZE):
        stops = [ops.convert_to_tensor(stop)]
        answers = search_all(
            *padded_prompts(), stops, ops.convert_to_tensor(penalty)
        )
        for row, prompt in enumerate(PROMPTS):
            expected = slow_beam_search(slow_logits, prompt, [stop], 3, penalty)
            check(answers, row, expected)


def test_the_toy_answers_differ_in_length_and_with_the_penalty():
    lengths, best = set(), set()
    for penalty in PENALTIES:
        answers = slow_beam_search(slow_logits, PROMPTS[1], [3], 4, penalty)
        lengths |= {len(tokens) for _, tokens in answers}
        best.add(tuple(answers[0][1]))
    assert len(lengths) > 2 and len(best) > 1


@pytest.mark.parametrize("penalty", PENALTIES)
def test_beams_enough_for_all_answers_list_all_in_order(penalty):
    """31 answers: four tokens of three, of which one is a stop token."""
    possible, stop = (3, 17, 30), 30
    # By position, too: a chain alone has many answers of equal score.
    table = np.full((5, 32, 32), -np.inf, "float32")
    random = np.random.default_rng(1)
    table[:, :, possible] = random.normal(size=(5, 32, 3))

    def chain(token_ids, cache, index):
        previous = ops.take(token_ids, index - 1, axis=1)
        return ops.take(ops.take(table, index, axis=0), previous, axis=0), cache

    expected = []
    for tokens in itertools.product(possible, repeat=4):
        end = tokens.index(stop) + 1 if stop in tokens else 4
        total, previous = 0.0, 0
        for index, token in enumerate(tokens[:end], start=1):
            logits = table[index, previous].astype("float64")
            total += logits[token] - np.log(np.exp(logits).sum())
            previous = token
        score = total / ((5 + end) / 6) ** penalty
        expected.append((score, (0, *tokens[:end])))
    expected = sorted(set(expected), reverse=True)
    assert len(expected) == 31

    token_ids = np.zeros((1, 5), "int32")
    mask = np.array([[True, False, False, False, False]])
    answers = beam_search(
        chain, token_ids, mask, (), [stop], num_beams=32, length_penalty=penalty
    )
    check(answers.values(), 0, [*expected, (-np.inf, (0,))])


# === Properties ===


@pytest.mark.parametrize("stop", range(-1, VOCABULARY_SIZE))
def test_one_beam_is_greedy(stop):
    token_ids, mask, _ = search(*padded_prompts(), [stop], num_beams=1)
    for row, prompt in enumerate(PROMPTS):
        greedy = slow_continuation(prompt, [stop])
        answer = np.asarray(token_ids)[row, 0][np.asarray(mask)[row, 0]]
        np.testing.assert_array_equal(answer, greedy)


@pytest.mark.parametrize("stops", [[], [1], [0, 2]])
@pytest.mark.parametrize("num_beams", [1, 3, 5])
def test_of_equal_scores_the_earlier_beam_and_lower_id_come_first(
    num_beams, stops
):
    def all_equal(token_ids, cache, index):
        return ops.zeros((ops.shape(token_ids)[0], 5)), cache

    token_ids, mask = np.zeros((1, 4), "int32"), np.arange(4)[None] < 1
    answers = beam_search(all_equal, token_ids, mask, (), stops, num_beams)
    expected = slow_beam_search(
        lambda tokens: np.zeros(5), [0], stops, num_beams, 0.6, length=4
    )
    check(answers.values(), 0, expected)


def test_a_row_of_a_batch_gives_what_it_gives_alone():
    token_ids, mask = padded_prompts()
    together = search(token_ids, mask, [3])
    for row in range(len(PROMPTS)):
        this = slice(row, row + 1)
        alone = search(token_ids[this], mask[this], [3])
        for one, of_batch in zip(alone, together, strict=True):
            # The last bit of a score depends on where its row begins.
            np.testing.assert_allclose(one[0], of_batch[row], rtol=1e-6)


def test_every_leaf_of_the_cache_follows_its_beam():
    token_ids, mask = padded_prompts()
    seen = []

    def watched(token_ids, cache, index):
        [(plain, shifted)] = cache
        logits, plain = next_logits(token_ids, plain, index)
        _, shifted = next_logits(token_ids + 10, shifted, index)
        show(lambda *x: seen.append(x), index, token_ids, plain, shifted)
        return logits, [(plain, shifted)]

    cache = [(token_ids, token_ids + 10)]
    beam_search(watched, token_ids, mask, cache, [], num_beams=4)
    wait_for_shown()
    histories = []
    for index, *arrays in seen:
        history, plain, shifted = (x[:, :index] for x in arrays)
        np.testing.assert_array_equal(plain, history)
        np.testing.assert_array_equal(shifted, history + 10)
        histories.append(history)
    # A beam that only went on would keep the last step's row as it is.
    assert any(
        (new[:, :-1] != old).any() for old, new in itertools.pairwise(histories)
    )


@pytest.mark.parametrize(
    ("penalty", "going_on", "last", "best"),
    # Long answers may win where the penalty is large, and are waited for; a
    # beam as likely as the worst of the pool is not.
    [(0.0, 0.3, 2, 2), (1.0, 0.3, 3, 2), (20.0, 0.3, 7, 8), (0.0, 0.5, 2, 2)],
)
def test_it_ends_where_no_beam_can_beat_the_pool(penalty, going_on, last, best):
    logits = np.log(np.array([going_on, 1 - going_on], "float32"))
    stop = 1
    visited = []

    def constant(token_ids, cache, index):
        show(visited.append, index)
        rows = ops.zeros((ops.shape(token_ids)[0], 1))
        return rows + logits, cache

    token_ids, mask = np.zeros((1, 8), "int32"), np.arange(8)[None] < 1
    answers = beam_search(constant, token_ids, mask, (), [stop], 2, penalty)
    wait_for_shown()
    assert visited == list(range(1, last + 1))
    assert np.sum(answers["padding_mask"][0, 0]) == best
    expected = slow_beam_search(
        lambda tokens: logits, [0], [stop], 2, penalty, length=8
    )
    check(answers.values(), 0, expected)


def test_a_full_prompt_comes_back_as_it_is():
    token_ids, _ = padded_prompts()
    answers = search(token_ids, np.ones_like(token_ids, "bool"), [4])
    for row, prompt in enumerate(token_ids):
        check(answers, row, [(0.0, prompt), *[(-np.inf, prompt)] * 2])


def test_scores_are_summed_in_float32():
    def rounded(dtype):
        def step(token_ids, cache, index):
            logits, cache = next_logits(token_ids, cache, index)
            return ops.cast(ops.cast(logits, "bfloat16"), dtype), cache

        token_ids, mask = padded_prompts()
        return beam_search(step, token_ids, mask, token_ids, [3])

    low, full = rounded("bfloat16"), rounded("float32")
    assert low["scores"].dtype == "float32"
    for name in low:
        np.testing.assert_array_equal(low[name], full[name])


# === Errors ===


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"num_beams": 0},
            "num_beams must be an integer of at least 1. Received: "
            "num_beams=0. Pass 1 or more.",
        ),
        (
            {"num_beams": 6},
            "num_beams must be at most the vocabulary's 5 tokens. Received: "
            "num_beams=6. Use fewer beams.",
        ),
        *(
            (
                {"penalty": penalty},
                "length_penalty must be finite and at least 0. Received: "
                f"length_penalty={penalty}. Use 0 to compare sums of "
                "log-probabilities.",
            )
            for penalty in (-0.5, math.inf, math.nan)
        ),
    ],
)
def test_a_setting_out_of_range_raises(settings, message):
    # A first line: JAX adds a note to what is raised in a loop.
    with pytest.raises(ValueError, match=f"(?m)^{re.escape(message)}$"):
        search_plainly(*padded_prompts(), [], **settings)
