"""OpenAI's own client, unchanged, against a server on a socket."""

import time

import openai
import pytest

from keras_gpt3.serving.model_server import ModelServer
from keras_gpt3.serving.server_settings import ServerSettings
from keras_gpt3.serving.slots.slot_engine import SlotEngine
from tests.serving.running_server import running


@pytest.fixture(scope="module")
def server(export_folder):
    return ModelServer(export_folder, ServerSettings(max_queue=12))


@pytest.fixture(scope="module")
def client(server):
    with running(server) as (host, port):
        with openai.OpenAI(
            base_url=f"http://{host}:{port}/v1", api_key="any", max_retries=0
        ) as client:
            yield client


def test_the_client_lists_and_finds_the_model(client):
    assert [model.id for model in client.models.list()] == ["gpt3"]
    model = client.models.retrieve("gpt3")
    assert (model.id, model.object) == ("gpt3", "model")
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("other")


def test_the_client_reads_texts_of_texts_and_ids(client, model, alone):
    options = {"model": "gpt3", "temperature": 0, "max_tokens": 5}
    one = client.completions.create(prompt="the cat", **options)
    expected = alone("the cat", max_new_tokens=5, temperature=0.0)
    assert one.choices[0].text == expected["texts"]
    assert one.usage.completion_tokens == expected["num_tokens"]
    many = client.completions.create(
        prompt=["the cat", "a"], n=2, best_of=2, **options
    )
    assert [choice.index for choice in many.choices] == [0, 1, 2, 3]
    assert many.choices[1].text == one.choices[0].text
    ids = model.call("tokenize", {"texts": [b"the cat"]})["token_ids"][0]
    by_ids = client.completions.create(prompt=ids.tolist(), **options)
    assert by_ids.choices[0].text == one.choices[0].text


def test_the_client_reads_streams(client):
    options = {"model": "gpt3", "prompt": "the cat", "seed": 3, "n": 2}
    whole = client.completions.create(**options)
    texts, usage = ["", ""], None
    for event in client.completions.create(
        stream=True, stream_options={"include_usage": True}, **options
    ):
        usage = event.usage or usage
        for choice in event.choices:
            texts[choice.index] += choice.text
    assert texts == [choice.text for choice in whole.choices]
    assert usage == whole.usage


def test_the_client_reads_log_probabilities_of_prompts(client):
    answer = client.completions.create(
        model="gpt3",
        prompt="the cat",
        echo=True,
        logprobs=2,
        max_tokens=2,
        temperature=0,
        extra_body={"top_k": 5, "min_p": 0.0, "repetition_penalty": 1.0},
    )
    (choice,) = answer.choices
    scores = choice.logprobs
    assert "".join(scores.tokens[:-2]) == "the cat"
    assert choice.text.startswith("the cat")
    assert scores.token_logprobs[0] is None
    for token, place in zip(scores.tokens, scores.text_offset, strict=True):
        # A part of a character is the replacement character in the text.
        token = "\ufffd" if token.startswith("bytes:") else token
        assert choice.text[place:].startswith(token)
    for token, own, top in zip(
        scores.tokens[1:],
        scores.token_logprobs[1:],
        scores.top_logprobs[1:],
        strict=True,
    ):
        assert top[token] == own <= max(top.values()) < 0


def test_the_client_raises_what_it_does_at_openai(client, server):
    create = client.completions.create
    with pytest.raises(openai.BadRequestError) as caught:
        create(model="gpt3", prompt="a", temperature=-1)
    assert caught.value.param == "temperature"
    assert "temperature must be a finite number" in caught.value.message
    with pytest.raises(openai.BadRequestError) as caught:
        create(model="gpt3", prompt="the " * 50)
    assert caught.value.code == "context_length_exceeded"
    with pytest.raises(openai.NotFoundError) as caught:
        create(model="gpt-4", prompt="a")
    assert caught.value.code == "model_not_found"
    with server._queue.admit(12), pytest.raises(openai.RateLimitError):
        create(model="gpt3", prompt="a")
    with pytest.raises(openai.NotFoundError, match="Use /v1/completions"):
        client.chat.completions.create(
            model="gpt3", messages=[{"role": "user", "content": "Hello"}]
        )
    with pytest.raises(openai.NotFoundError, match="Use /v1/completions"):
        client.embeddings.create(model="gpt3", input="a")


def in_time(condition):
    """Whether something is so within seconds."""
    end = time.monotonic() + 5
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    return condition()


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_leaves_ends_its_answers(
    client, server, stream, monkeypatch
):
    advance, steps = SlotEngine._advance, []

    def slowly(engine, rows):
        steps.append(len(rows))
        time.sleep(0.02)
        return advance(engine, rows)

    monkeypatch.setattr(SlotEngine, "_advance", slowly)
    options = {"model": "gpt3", "prompt": ["a", "b"], "n": 2, "max_tokens": 39}
    if stream:
        events = client.completions.create(stream=True, **options)
        next(events)
        events.close()
    else:
        with pytest.raises(openai.APITimeoutError):
            client.completions.create(timeout=0.1, **options)
    assert in_time(lambda: server._queue.inside == 0)
    assert in_time(lambda: server._served.engine.num_slots_used == 0)
    # All answers would have taken as many steps as the longest has tokens.
    assert max(steps) == 4 and len(steps) < 39
