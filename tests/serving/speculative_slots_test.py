import asyncio
import concurrent.futures
import dataclasses
import types

import numpy as np
import pytest

from keras_gpt3.serving.model_server import ServerMetrics
from keras_gpt3.serving.server_settings import ServerSettings
from keras_gpt3.serving.slot_engine import SlotEngine
from keras_gpt3.serving.slot_engine import SlotRequest
from keras_gpt3.serving.slot_engine import _looked_up
from tests.generation.speculative_decoding_test import slow_lookup

REPEATING = [70, 71, 72, 73] * 4


def answers(model, requests, **settings):
    """All answers at once, each as token ids, and the drafts' counts."""
    metrics = ServerMetrics()
    with concurrent.futures.ThreadPoolExecutor(1) as running:
        threads = types.SimpleNamespace(running=running)
        engine = SlotEngine(model, ServerSettings(**settings), threads, metrics)

        async def answer(request):
            pieces = [piece async for piece in engine.generate(request)]
            tokens = [t.token_id for piece in pieces for t in piece.tokens]
            return tokens, pieces[-1].finish_reason

        async def all_answers():
            return await asyncio.gather(*map(answer, requests))

        found = asyncio.run(all_answers())
    counts = metrics.drafted_tokens, metrics.accepted_tokens
    return found, [counter._value.get() for counter in counts]


REQUESTS = [
    SlotRequest(REPEATING, 20, temperature=0.0),
    SlotRequest([5, 6, 7] * 3, 25, temperature=0.4, seed=3),
    SlotRequest(REPEATING[:9], 30, 0.3, top_k=5, seed=4, top_p=0.9),
    SlotRequest(
        REPEATING[:6],
        17,
        temperature=0.2,
        seed=5,
        repetition_penalty=1.05,
        frequency_penalty=-0.5,
        logit_bias=((70, 1.0), (71, 1.0)),
    ),
]


@pytest.mark.parametrize("requests", [REQUESTS[:1], REQUESTS[3:], REQUESTS])
def test_answers_are_those_without_drafts(model, requests):
    expected, none = answers(model, requests)
    found, (drafted, accepted) = answers(model, requests, speculative="prompt")
    assert found == expected
    assert none == [0, 0]
    assert 0 < accepted <= drafted


def test_a_prompt_that_is_being_read_does_not_see_the_drafts_of_others(model):
    # The second prompt waits for room behind the first one's parts.
    long = SlotRequest(list(range(10, 34)), 10, temperature=0.0)
    requests = [REQUESTS[0], long, REQUESTS[1]]
    expected, _ = answers(model, requests)
    found, _ = answers(model, requests, speculative="prompt")
    assert found == expected


def test_log_probabilities_are_of_plain_steps(model):
    request = dataclasses.replace(REQUESTS[0], num_top=2)
    _, counts = answers(model, [request], speculative="prompt")
    assert counts == [0, 0]


def test_drafts_are_those_of_a_plain_search():
    generator = np.random.default_rng(0)
    for _ in range(100):
        size = generator.integers(1, 14)
        tokens = generator.integers(3, size=size).tolist()
        assert _looked_up(tokens, 5) == (slow_lookup(tokens, 5) or [])


def test_drafts_beyond_the_spare_slots_are_refused(model):
    inputs = {
        "num_slots": 1,
        "length": 8,
        "spare": 1,
    }
    model.call("resize_slots", inputs)
    numbers = ("temperature", "top_p", "min_p", "repetition_penalty")
    inputs = {name: np.ones(1, "float32") for name in numbers}
    inputs |= {
        name: np.zeros(1, "float32")
        for name in ("presence_penalty", "frequency_penalty")
    }
    inputs |= {
        name: np.zeros(1, "int32")
        for name in ("top_k", "seed", "history_length", "prompt_length")
    }
    inputs |= {
        "token_ids": np.ones((1, 4), "int32"),
        "num_drafts": np.array([3], "int32"),
        "index": np.array([8], "int32"),
        "history": np.zeros((1, 0), "int32"),
        "bias_token_ids": np.zeros((1, 0), "int32"),
        "biases": np.zeros((1, 0), "float32"),
    }
    with pytest.raises(ValueError, match="Make the slots longer first"):
        model.call("verify_slots", inputs)
