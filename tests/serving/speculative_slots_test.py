import asyncio
import concurrent.futures
import dataclasses
import types

import keras
import numpy as np
import pytest

from keras_gpt3.serving.exported_model import ExportedModel
from keras_gpt3.serving.model_server import ServerMetrics
from keras_gpt3.serving.server_settings import ServerSettings
from keras_gpt3.serving.slots.prefix_store import BLOCK
from keras_gpt3.serving.slots.slot_answer import SlotRequest
from keras_gpt3.serving.slots.slot_drafts import ModelDrafts
from keras_gpt3.serving.slots.slot_drafts import PromptDrafts
from keras_gpt3.serving.slots.slot_drafts import looked_up
from keras_gpt3.serving.slots.slot_engine import SlotEngine
from tests.generation.speculative_decoding_test import slow_lookup
from tests.serving.conftest import CONTEXT
from tests.small_gpt3 import small_text_model

REPEATING = [70, 71, 72, 73] * 4


@pytest.fixture(scope="module")
def drafters(export_folder, tmp_path_factory):
    """Exports by name: "same" is the model itself, "other" drafts badly."""
    folder = tmp_path_factory.mktemp("draft")
    keras.utils.set_random_seed(7)
    other = small_text_model(max_sequence_length=CONTEXT, num_layers=1)
    other.export(folder, verbose=False)
    folders = {"same": export_folder, "other": folder}
    # Each has slots of its own.
    return {k: ExportedModel(x / "1", 1) for k, x in folders.items()}


def make_drafts(model, drafters, name):
    """Drafts by prompt, or by an export."""
    if name == "prompt":
        return PromptDrafts()
    return ModelDrafts(drafters[name], model)


def answers(model, requests, drafts=None):
    """All answers at once, each as token ids, and the drafts' counts."""
    metrics, settings = ServerMetrics(), ServerSettings()
    with concurrent.futures.ThreadPoolExecutor(1) as running:
        threads = types.SimpleNamespace(running=running)
        engine = SlotEngine(model, settings, threads, metrics, drafts)

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


@pytest.mark.parametrize("name", ["prompt", "same", "other"])
@pytest.mark.parametrize("requests", [REQUESTS[:1], REQUESTS[3:], REQUESTS])
def test_answers_are_those_without_drafts(model, drafters, name, requests):
    expected, none = answers(model, requests)
    drafts = make_drafts(model, drafters, name)
    found, (drafted, accepted) = answers(model, requests, drafts)
    assert found == expected
    assert none == [0, 0]
    if name == "other":
        assert drafted and 0 <= accepted < drafted
    elif name == "same":
        # It reads what it drafted, and what was not accepted, as the model.
        assert 0.9 * drafted < accepted <= drafted
    else:
        assert 0 < accepted <= drafted


@pytest.mark.parametrize("name", ["prompt", "same"])
def test_a_prompt_that_is_being_read_does_not_see_the_drafts_of_others(
    model, drafters, name, monkeypatch
):
    # The long prompt is read in two parts, the second behind another's.
    monkeypatch.setattr(
        "keras_gpt3.serving.slots.slot_engine._TOKENS_A_STEP", BLOCK
    )
    long = SlotRequest(list(range(10, 48)), 2, temperature=0.0)
    requests = [REQUESTS[0], long, REQUESTS[1]]
    expected, _ = answers(model, requests)
    drafts = make_drafts(model, drafters, name)
    assert answers(model, requests, drafts)[0] == expected


@pytest.mark.parametrize("name", ["same", "other"])
def test_drafts_that_are_not_checked_are_forgotten(
    model, drafters, name, monkeypatch
):
    # While the draft model reads the long prompt, few rows have drafts.
    monkeypatch.setattr(
        "keras_gpt3.serving.slots.slot_drafts._TOKENS_A_STEP", 3
    )
    long = SlotRequest(list(range(10, 30)), 18, temperature=0.0)
    requests = [REQUESTS[0], long, *REQUESTS[1:], long]
    expected, _ = answers(model, requests)
    drafts = ModelDrafts(drafters[name], model)
    propose, unused = drafts.propose, []

    def watch(rows, wanted):
        found = propose(rows, wanted)
        unused.append([bool(ids) for ids in found.values()])
        return found

    monkeypatch.setattr(drafts, "propose", watch)
    assert answers(model, requests, drafts)[0] == expected
    # Some had drafts that were too few to be checked.
    assert any(0 < 2 * sum(x) < len(x) for x in unused)


def test_slots_get_other_answers(model, drafters):
    drafts = ModelDrafts(drafters["same"], model)
    for request in REQUESTS:
        expected, _ = answers(model, [request])
        found, (drafted, accepted) = answers(model, [request], drafts)
        assert found == expected
        assert accepted > 0.9 * drafted


def test_a_long_prompt_is_read_in_parts(model, drafters, monkeypatch):
    monkeypatch.setattr(
        "keras_gpt3.serving.slots.slot_drafts._TOKENS_A_STEP", 3
    )
    request = SlotRequest(list(range(10, 30)), 20, temperature=0.0)
    drafts = ModelDrafts(drafters["same"], model)
    _, (drafted, accepted) = answers(model, [request], drafts)
    assert 0 < accepted == drafted < 15


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"token_bytes": []}, "must continue texts"),
        ({"token_bytes": [b"a"]}, "the model's vocabulary. Received: .* of 1,"),
        ({"context": 7}, "the model's context. Received: context=7"),
    ],
)
def test_draft_models_that_do_not_fit_are_refused(model, changes, message):
    names = ("token_bytes", "context")
    draft = types.SimpleNamespace(
        **{name: getattr(model, name) for name in names}
    )
    vars(draft).update(changes)
    with pytest.raises(ValueError, match=message):
        ModelDrafts(draft, model)


def test_log_probabilities_are_of_plain_steps(model):
    request = dataclasses.replace(REQUESTS[0], num_top=2)
    _, counts = answers(model, [request], PromptDrafts())
    assert counts == [0, 0]


def test_drafts_are_those_of_a_plain_search():
    generator = np.random.default_rng(0)
    for _ in range(100):
        size = generator.integers(1, 14)
        tokens = generator.integers(3, size=size).tolist()
        assert looked_up(tokens, 5) == (slow_lookup(tokens, 5) or [])
