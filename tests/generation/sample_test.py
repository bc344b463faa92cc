import itertools
import re

import keras_hub
import numpy as np
import pytest

from keras_gpt3.generation import BeamSampler
from keras_gpt3.generation import sample
from tests.generation.toy_model import LENGTH
from tests.generation.toy_model import PROMPTS
from tests.generation.toy_model import VOCABULARY_SIZE
from tests.generation.toy_model import next_logits
from tests.generation.toy_model import padded_prompts
from tests.generation.toy_model import slow_continuation
from tests.generation.toy_model import slow_logits

samplers = keras_hub.samplers


def run(sampler, stop_token_ids=None, prompts=None):
    def step(token_ids, cache, index):
        logits, cache = next_logits(token_ids, cache, index)
        return logits, logits, cache

    token_ids, mask = padded_prompts() if prompts is None else prompts
    result = sample(sampler, step, token_ids, mask, token_ids, stop_token_ids)
    return {name: np.asarray(value) for name, value in result.items()}


@pytest.mark.parametrize(
    "sampler",
    [
        samplers.GreedySampler(),
        samplers.TopKSampler(k=1),
        samplers.TopPSampler(p=1e-6),
        samplers.BeamSampler(num_beams=1),
    ],
    ids=lambda sampler: type(sampler).__name__,
)
def test_sure_samplers_give_what_a_plain_loop_gives_alone(sampler):
    result = run(sampler)
    np.testing.assert_array_equal(
        result["token_ids"], [slow_continuation(p) for p in PROMPTS]
    )
    assert result["padding_mask"].all()


@pytest.mark.parametrize("stop", range(VOCABULARY_SIZE))
def test_a_stop_token_ends_a_row_whatever_the_padding_holds(stop):
    token_ids, mask = padded_prompts()
    for fill in (stop, (stop + 1) % VOCABULARY_SIZE):
        token_ids = np.where(mask, token_ids, fill).astype("int32")
        result = run(samplers.GreedySampler(), [stop], (token_ids, mask))
        for row, prompt in enumerate(PROMPTS):
            expected = slow_continuation(prompt, [stop])
            answered = np.arange(LENGTH) < len(expected)
            np.testing.assert_array_equal(result["padding_mask"][row], answered)
            np.testing.assert_array_equal(
                result["token_ids"][row][answered], expected
            )
        behind = result["token_ids"][~result["padding_mask"]]
        assert np.all(behind == fill)


def test_random_samplers_repeat_with_their_seed():
    def draw(seed):
        return run(samplers.RandomSampler(seed=seed))["token_ids"]

    np.testing.assert_array_equal(draw(1), draw(1))
    assert (draw(1) != draw(2)).any()
    token_ids, mask = padded_prompts()
    np.testing.assert_array_equal(draw(1)[mask], token_ids[mask])


def log_likelihood(tokens, prompt):
    """Log-probability of the tokens behind a prompt."""
    total = 0.0
    for i in range(len(prompt), LENGTH):
        scores = slow_logits(tokens[:i])
        total += scores[tokens[i]] - np.log(np.exp(scores).sum())
    return total


def test_a_beam_as_wide_as_all_answers_finds_the_likeliest():
    """The cache must follow the beams as they change places."""
    prompts = [slow_continuation(prompt)[: LENGTH - 3] for prompt in PROMPTS]
    mask = np.arange(LENGTH) < LENGTH - 3 + np.zeros((len(prompts), 1), "int")
    token_ids = np.pad(prompts, ((0, 0), (0, 3))).astype("int32")
    beam = samplers.BeamSampler(num_beams=VOCABULARY_SIZE**2)
    result = run(beam, prompts=(token_ids, mask))["token_ids"]
    for row, prompt in enumerate(prompts):
        answers = itertools.product(range(VOCABULARY_SIZE), repeat=3)
        best = max(
            (prompt + list(answer) for answer in answers),
            key=lambda tokens: log_likelihood(tokens, prompt),
        )
        np.testing.assert_array_equal(result[row], best)


@pytest.mark.parametrize("sampler", [samplers.BeamSampler, BeamSampler])
def test_several_answers_for_a_prompt_raise(sampler):
    message = (
        "sampler must return one answer for each prompt. Received: "
        "sampler=BeamSampler with return_all_beams=True. Use "
        "keras_gpt3.generation.beam_search for all answers."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        run(sampler(num_beams=2, return_all_beams=True))
