"""Answers in slots, against whole passes over each row alone."""

import asyncio
import dataclasses

import numpy as np
import pytest

from keras_gpt3.serving.model_server import ServerMetrics
from keras_gpt3.serving.model_server import ServingThreads
from keras_gpt3.serving.server_settings import ServerSettings
from keras_gpt3.serving.slots.prefix_store import BLOCK
from keras_gpt3.serving.slots.slot_answer import SlotRequest
from keras_gpt3.serving.slots.slot_engine import SlotEngine
from tests.serving.slot_engine_fake import FakeEngine

# A long one, two that share its beginning, one of a single token.
LONG = [(7 * i) % 60 + 40 for i in range(38)]
GREEDY = {"temperature": 0.0}


@pytest.fixture
def make_engine(model):
    threads = ServingThreads()

    def make(**settings):
        settings = ServerSettings(**settings)
        return SlotEngine(model, settings, threads, ServerMetrics())

    yield make
    threads.close()


@pytest.fixture
def slow_engine(model):
    """The oracle: one row at a time, all of it read for every token."""
    return FakeEngine(model, model.token_bytes, model.end_token_id)


async def whole(engine, request):
    """All pieces of an answer as one."""
    pieces = [piece async for piece in engine.generate(request)]
    tokens = [token for piece in pieces for token in piece.tokens]
    return "".join(p.text for p in pieces), tokens, pieces[-1].finish_reason


def answers(engine, requests):
    async def main():
        return await asyncio.gather(*(whole(engine, r) for r in requests))

    return asyncio.run(main())


def read(counter):
    return counter._value.get()


REQUESTS = [
    SlotRequest(LONG[:5], 12, **GREEDY),
    SlotRequest(LONG[:30], 9, num_top=3, **GREEDY),
    SlotRequest(LONG[:1], 20, logit_bias=((50, 2.0), (51, -5.0)), **GREEDY),
    SlotRequest(LONG[:8], 3, num_top=0, **GREEDY),
    SlotRequest(LONG[10:37], 3, stop=(b"e", b"th"), **GREEDY),
]


@pytest.mark.parametrize("max_slots", [1, 2, 8])
def test_answers_are_those_of_whole_passes(make_engine, slow_engine, max_slots):
    engine = make_engine(max_slots=max_slots)
    found = answers(engine, REQUESTS)
    expected = [asyncio.run(whole(slow_engine, r)) for r in REQUESTS]
    for (text, tokens, reason), own in zip(found, expected, strict=True):
        assert (text, reason) == (own[0], own[2])
        for token, other in zip(tokens, own[1], strict=True):
            assert token.token_id == other.token_id
            if token.log_probability is None:
                assert other.log_probability is None
                continue
            # Sums of float32 in another order: measured 2e-6.
            assert token.log_probability == pytest.approx(
                other.log_probability, abs=1e-5
            )
            ids, logs = zip(*token.top, strict=True) if token.top else ((), ())
            assert ids == tuple(i for i, _ in other.top)
            expected_logs = [value for _, value in other.top]
            np.testing.assert_allclose(logs, expected_logs, atol=1e-5)
    assert engine.num_slots_used == engine.num_waiting == 0


PENALTIES = {
    "repetition_penalty": 1.8,
    "presence_penalty": 0.5,
    "frequency_penalty": -0.4,
}


def test_a_row_draws_alone_as_among_others(make_engine):
    engine = make_engine(max_slots=4)
    options = [
        {"seed": 3},
        {"seed": 3, "top_k": 9, "min_p": 0.05},
        {"seed": 5, "top_p": 0.8, "temperature": 0.6} | PENALTIES,
        {"seed": 6, **PENALTIES},
        GREEDY | {"frequency_penalty": 2.0},
        {"seed": 7, "logit_bias": ((45, 3.0),)},
    ]
    requests = [
        SlotRequest(LONG[: 3 + 5 * i], 12 - i, **option)
        for i, option in enumerate(options)
    ]
    together = answers(engine, requests)
    alone = [answers(engine, [request])[0] for request in requests]
    assert together == alone
    # Without their penalties and biases they are others.
    plain = [
        dataclasses.replace(
            request,
            logit_bias=(),
            repetition_penalty=1.0,
            presence_penalty=0.0,
            frequency_penalty=0.0,
        )
        for request in requests[2:]
    ]
    for one, other in zip(answers(engine, plain), together[2:], strict=True):
        assert one != other


def test_without_a_seed_each_answer_is_drawn_anew(make_engine):
    requests = [SlotRequest(LONG[:5], 30)] * 2
    one, other = answers(make_engine(), requests)
    assert one[1] != other[1]


def test_a_beginning_that_prompts_share_is_read_once(make_engine):
    engine = make_engine(max_slots=2)
    request = SlotRequest(LONG[: BLOCK + 3], 4, num_top=1, **GREEDY)
    (first,) = answers(engine, [request])
    assert read(engine._metrics.read_tokens) == BLOCK + 2
    other = dataclasses.replace(request, token_ids=LONG[:BLOCK] + [41, 42])
    again, _ = answers(engine, [request, other])
    assert read(engine._metrics.reused_tokens) == 2 * BLOCK
    assert read(engine._metrics.read_tokens) == BLOCK + 2 + 2 + 1
    (text, tokens, reason), (own_text, own_tokens, own) = first, again
    assert (text, reason) == (own_text, own)
    for one, two in zip(tokens, own_tokens, strict=True):
        assert one.token_id == two.token_id
        assert one.log_probability == pytest.approx(two.log_probability)


def test_a_short_answer_does_not_wait_for_a_long_one(make_engine):
    engine, ended = make_engine(), []

    async def answer(request):
        await whole(engine, request)
        ended.append(request.max_new_tokens)

    async def main():
        long = asyncio.create_task(answer(SlotRequest([45], 35, **GREEDY)))
        await asyncio.sleep(0)
        await answer(SlotRequest(LONG[:3], 2, **GREEDY))
        await long

    asyncio.run(main())
    assert ended == [2, 35]
    # It joined the steps of the other: none were its own.
    assert read(engine._metrics.steps) <= 36


def test_a_long_prompt_is_read_in_parts_between_steps(make_engine, monkeypatch):
    engine, reads = make_engine(), []
    monkeypatch.setattr(
        "keras_gpt3.serving.slots.slot_engine._TOKENS_A_STEP", BLOCK
    )
    call = engine._call

    def watch(name, inputs):
        reads.append((name, np.size(inputs.get("token_ids", 0))))
        return call(name, inputs)

    monkeypatch.setattr(engine, "_call", watch)

    async def main():
        short = engine.generate(SlotRequest([45], 12, **GREEDY))
        await anext(short)
        rest = asyncio.create_task(
            whole(engine, SlotRequest(LONG[: BLOCK + 5], 2, **GREEDY))
        )
        async for _ in short:
            pass
        await rest

    asyncio.run(main())
    sizes = [size for name, size in reads if name == "read_into_slot"]
    assert sizes == [BLOCK, 4]
    first, second = (
        i for i, (name, _) in enumerate(reads) if name == "read_into_slot"
    )
    assert "step_slots" in [name for name, _ in reads[first:second]]


def test_who_leaves_frees_the_slot_at_the_next_step(make_engine):
    engine = make_engine(max_slots=1)

    async def main():
        long = engine.generate(SlotRequest([45], 35, **GREEDY))
        await anext(long)
        waiting = asyncio.create_task(
            whole(engine, SlotRequest(LONG[:3], 2, **GREEDY))
        )
        await asyncio.sleep(0)
        assert engine.num_waiting == 1
        await long.aclose()
        return await waiting

    _, tokens, _ = asyncio.run(main())
    assert len(tokens) == 2
    assert read(engine._metrics.steps) <= 5


def test_the_caches_keep_to_their_bytes(make_engine, monkeypatch):
    engine = make_engine()
    # Two of the shortest slots: the context of the model.
    engine._most_bytes = 2 * 40 * engine._cache_bytes
    used, advance = [], engine._advance

    def watch(rows):
        used.append(len(rows))
        return advance(rows)

    monkeypatch.setattr(engine, "_advance", watch)
    found = answers(engine, REQUESTS)
    assert max(used) == 2
    texts = [text for text, _, _ in answers(make_engine(), REQUESTS)]
    assert [text for text, _, _ in found] == texts


def test_a_long_answer_waits_for_slots_that_are_many(make_engine, monkeypatch):
    """All slots are as long as the longest: those of the first stay many."""
    monkeypatch.setattr("keras_gpt3.serving.slots.slot_engine._SHORTEST", 8)
    engine, sizes = make_engine(), []
    engine._most_bytes = 4 * 8 * engine._cache_bytes
    resize = engine._resize

    def watch(rows):
        resize(rows)
        sizes.append(engine._size)

    monkeypatch.setattr(engine, "_resize", watch)
    # Of four slots the last ends last, beside which the long one has no room.
    requests = [
        SlotRequest([45, 46 + i], 1 + 2 * (i == 3), **GREEDY) for i in range(4)
    ]
    requests.append(SlotRequest(LONG[:20], 5, **GREEDY))
    found = answers(engine, requests)
    assert {(4, 8), (1, 32)} == set(sizes)
    assert found == answers(make_engine(), requests)


def test_an_error_is_told_to_all_and_the_next_are_answered(
    make_engine, monkeypatch
):
    engine = make_engine(max_slots=2)
    expected = answers(engine, REQUESTS[:2])

    def fail(rows):
        raise MemoryError

    async def main():
        tasks = [whole(engine, request) for request in REQUESTS[:2]]
        return await asyncio.gather(*tasks, return_exceptions=True)

    with monkeypatch.context() as patch:
        patch.setattr(engine, "_advance", fail)
        assert [type(x) for x in asyncio.run(main())] == [MemoryError] * 2
    assert answers(engine, REQUESTS[:2]) == expected
