"""OpenAI's routes, over the ASGI application, with a plain engine."""

import dataclasses
import json
import types

import numpy as np
import pytest
from google.protobuf import json_format
from tensorflow_serving.apis import get_model_status_pb2

from keras_gpt3.serving.completions import ScoredToken
from tests.serving.conftest import CONTEXT
from tests.serving.slot_engine_fake import log_softmax

COMPLETIONS = "/v1/completions"
GREEDY = {"temperature": 0, "max_tokens": 6}


def complete(completing, prompt, **options):
    """The answer to a prompt."""
    body = {"prompt": prompt} | options
    answer = completing.client.post(COMPLETIONS, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def events(completing, prompt, **options):
    body = {"prompt": prompt, "stream": True} | options
    answer = completing.client.post(COMPLETIONS, json=body)
    assert answer.headers["Content-Type"].startswith("text/event-stream")
    *parts, done, rest = answer.text.split("\n\n")
    assert (done, rest) == ("data: [DONE]", "")
    return [json.loads(part.removeprefix("data: ")) for part in parts]


def texts(answer):
    return [choice["text"] for choice in answer["choices"]]


# === Answers ===


def test_an_answer_has_openais_form(completing, alone):
    answer = complete(completing, "the cat", model="gpt3", **GREEDY)
    expected = alone("the cat", max_new_tokens=6, temperature=0.0)
    assert answer.pop("id").startswith("cmpl-")
    assert isinstance(answer.pop("created"), int)
    assert answer == {
        "object": "text_completion",
        "model": "gpt3",
        "choices": [
            {
                "text": expected["texts"],
                "index": 0,
                "logprobs": None,
                "finish_reason": expected["finish_reason"],
            }
        ],
        "usage": {
            "prompt_tokens": expected["num_prompt_tokens"],
            "completion_tokens": expected["num_tokens"],
            "total_tokens": expected["num_prompt_tokens"]
            + expected["num_tokens"],
        },
    }


def test_prompts_of_a_list_are_answered_as_if_alone(completing, model):
    answer = complete(completing, ["the", "Hello"], seed=3, n=2, max_tokens=5)
    first = complete(completing, "the", seed=3, max_tokens=5)
    second = complete(completing, "Hello", seed=4, max_tokens=5)
    assert [choice["index"] for choice in answer["choices"]] == [0, 1, 2, 3]
    assert texts(answer)[0] == texts(first)[0]
    assert texts(answer)[3] == texts(second)[0]
    assert len(set(texts(answer))) == 4
    ids = [
        model.call("tokenize", {"texts": [text]})["token_ids"][0].tolist()
        for text in (b"the", b"Hello")
    ]
    by_ids = complete(completing, ids, seed=3, n=2, max_tokens=5)
    assert texts(by_ids) == texts(answer)
    only = complete(completing, ids[0], seed=3, n=2, max_tokens=5)
    assert texts(only) == texts(answer)[:2]
    assert by_ids["usage"]["prompt_tokens"] == sum(map(len, ids))


def test_options_reach_the_engine(completing):
    options = {
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 7,
        "min_p": 0.1,
        "seed": 5,
        "repetition_penalty": 1.5,
        "presence_penalty": -1.0,
        "frequency_penalty": 2.0,
    }
    more = {"logit_bias": {"3": 4, "0": -100}, "stop": "é", "logprobs": 2}
    complete(completing, [5, 6], max_tokens=2, user="a", **options, **more)
    request = completing.engine.requests[-1]
    assert dataclasses.asdict(request) == dict(
        token_ids=[5, 6],
        max_new_tokens=2,
        logit_bias=((3, 4.0), (0, -100.0)),
        stop=("é".encode(),),
        num_top=2,
        **options,
    )


def test_options_that_are_null_are_left_out(completing):
    names = ("max_tokens", "n", "best_of", "stop", "seed", "suffix", "logprobs")
    options = dict.fromkeys(names) | {"stream": None, "logit_bias": None}
    answer = complete(completing, "the", **options, temperature=0)
    assert answer == complete(completing, "the", temperature=0) | {
        name: answer[name] for name in ("id", "created")
    }
    assert completing.engine.requests[-1].max_new_tokens == 16


@pytest.mark.parametrize("echo", [False, True])
def test_a_stream_says_what_the_whole_answer_does(completing, echo):
    options = GREEDY | {"logprobs": 2, "n": 2, "echo": echo, "stop": ["a"]}
    whole = complete(completing, ["the cat", "b"], **options)
    usage = {"stream_options": {"include_usage": True}}
    *parts, last = events(completing, ["the cat", "b"], **options, **usage)
    assert (last["choices"], last["usage"]) == ([], whole["usage"])
    joined = {}
    for part in parts:
        assert part["usage"] is None and part["object"] == "text_completion"
        (choice,) = part["choices"]
        joined.setdefault(choice["index"], []).append(choice)
    assert len(parts) > 4
    for expected in whole["choices"]:
        own = joined[expected["index"]]
        assert "".join(part["text"] for part in own) == expected["text"]
        assert own[-1]["finish_reason"] == expected["finish_reason"]
        for name, values in expected["logprobs"].items():
            found = [part["logprobs"][name] for part in own]
            assert sum(found, []) == values
    plain = events(completing, ["the cat", "b"], **options)
    assert all("usage" not in part and part["choices"] for part in plain)


def test_the_time_to_the_first_piece_is_that_of_streams(
    completing, monkeypatch
):
    seconds = []
    histogram = types.SimpleNamespace(observe=seconds.append)
    metrics = completing.server.metrics
    monkeypatch.setattr(metrics, "first_piece_seconds", histogram)
    complete(completing, "a", **GREEDY)
    assert not seconds
    events(completing, "a", **GREEDY)
    assert len(seconds) == 1


@pytest.fixture
def start_token(completing, monkeypatch):
    """Has the model put a token before texts, as exports of OPT do."""
    model = completing.server._served.model
    call, signature = model.call, model.signatures["tokenize"]
    outputs = signature.outputs | {"start_token_ids": None}
    started = dataclasses.replace(signature, outputs=outputs)

    def call_with_start(name, inputs):
        answer = call(name, inputs)
        if name == "tokenize":
            starts = np.full((len(inputs["texts"]), 1), 2, "int32")
            answer["start_token_ids"] = starts
        return answer

    signatures = model.signatures | {"tokenize": started}
    monkeypatch.setattr(model, "signatures", signatures)
    monkeypatch.setattr(model, "call", call_with_start)


def test_an_empty_text_after_a_start_token_echoes_nothing(
    completing, start_token
):
    options = GREEDY | {"echo": True}
    answer = complete(completing, "", **options)
    assert completing.engine.requests[-1].token_ids == [2]
    assert texts(answer) == texts(complete(completing, [2], **GREEDY))
    parts = events(completing, "", **options)
    choices = [choice for part in parts for choice in part["choices"]]
    assert None not in choices
    assert "".join(choice["text"] for choice in choices) == texts(answer)[0]


# === Log-probabilities ===


def softmax_of(model, ids):
    inputs = {"token_ids": np.array([ids], "int32")}
    return log_softmax(model.call("logits", inputs)["logits"][0])


@pytest.mark.parametrize("length", [2, CONTEXT])
def test_an_echoed_prompt_is_scored(completing, model, length):
    ids = np.random.default_rng(5).integers(97, 120, length).tolist()
    answer = complete(completing, ids, echo=True, max_tokens=0, logprobs=2)
    (choice,) = answer["choices"]
    assert choice["text"] == "".join(map(chr, ids))
    assert choice["finish_reason"] == "length"
    assert answer["usage"]["completion_tokens"] == 0
    scores = choice["logprobs"]
    assert scores["tokens"] == list(map(chr, ids))
    assert scores["text_offset"] == list(range(length))
    assert (scores["token_logprobs"][0], scores["top_logprobs"][0]) == (
        None,
        None,
    )
    logs = softmax_of(model, ids)
    token_bytes = completing.server._served.token_bytes
    for place in range(1, length):
        before, own = logs[place - 1], ids[place]
        # float32 against float64.
        given = scores["token_logprobs"][place]
        assert given == pytest.approx(before[own], abs=1e-4)
        best = {int(i) for i in np.argsort(-before)[:2]} | {own}
        names = [token_bytes[i].decode(errors="replace") for i in best]
        top = scores["top_logprobs"][place]
        assert len(top) == len(best)
        assert max(top.values()) == pytest.approx(before.max(), abs=1e-4)
        assert {n for n in top if not n.startswith("bytes:")} <= set(names)


def test_an_echo_ends_with_the_tokens_that_were_written(completing, model):
    prompts = [[97, 98, 99], [100, 101]]
    options = {"echo": True, "logprobs": 1, "temperature": 0, "max_tokens": 1}
    answer = complete(completing, prompts, **options)
    for ids, choice in zip(prompts, answer["choices"], strict=True):
        scores = choice["logprobs"]
        assert all(len(values) == len(ids) + 1 for values in scores.values())
        logs = softmax_of(model, ids)[-1]
        assert scores["token_logprobs"][-1] == pytest.approx(
            logs.max(), abs=1e-4
        )


def test_bytes_amid_a_character_are_written_as_openai_does(completing):
    echo = {"echo": True, "max_tokens": 0, "logprobs": 0}
    token_bytes = completing.server._served.token_bytes
    ids = [token_bytes.index(bytes([byte])) for byte in "né!".encode()]
    (choice,) = complete(completing, ids, **echo)["choices"]
    assert choice["text"] == "né!"
    scores = choice["logprobs"]
    assert scores["tokens"] == ["n", "bytes:\\xc3", "bytes:\\xa9", "!"]
    assert scores["text_offset"] == [0, 1, 2, 2]
    assert [len(top or ()) for top in scores["top_logprobs"]] == [0, 1, 1, 1]


def test_offsets_count_no_text_of_special_tokens(completing, monkeypatch):
    special = completing.server._served.token_bytes.index(b"<|endoftext|>")

    async def generate(request):
        for number, token_id in enumerate([97, special, 98], start=1):
            yield types.SimpleNamespace(
                text="" if token_id == special else chr(token_id),
                tokens=(ScoredToken(token_id, -1.0, ()),),
                finish_reason="length" if number == 3 else None,
                num_tokens=number,
            )

    monkeypatch.setattr(completing.engine, "generate", generate)
    # Of an echo it is the text, as in a prompt.
    options = {"echo": True, "logprobs": 0, "max_tokens": 3}
    (choice,) = complete(completing, [special], **options)["choices"]
    assert choice["text"] == "<|endoftext|>ab"
    assert choice["logprobs"]["text_offset"] == [0, 13, 14, 14]


def test_an_impossible_token_has_a_finite_log_probability(completing):
    answer = complete(
        completing, "the", logit_bias={"97": 100}, logprobs=5, **GREEDY
    )
    json.dumps(answer, allow_nan=False)
    assert texts(answer) == ["aaaaaa"]


# === Models ===


def test_models_are_listed_for_both_kinds_of_client(completing):
    listed = completing.client.get("/v1/models").json()
    assert listed["object"] == "list"
    (model,) = listed["data"]
    assert model["id"] == "gpt3" and model["object"] == "model"
    assert isinstance(model["created"], int) and model["owned_by"]
    answer = completing.client.get("/v1/models/gpt3")
    parsed = json_format.Parse(
        answer.text,
        get_model_status_pb2.GetModelStatusResponse(),
        ignore_unknown_fields=True,
    )
    (version,) = parsed.model_version_status
    assert version.version == 1 and version.state == version.AVAILABLE
    status = answer.json()
    (version,) = status.pop("model_version_status")
    assert version["state"] == "AVAILABLE"
    assert status == model
    missing = completing.client.get("/v1/models/other")
    # TensorFlow Serving's form, as on all paths of one model.
    assert missing.status_code == 404
    assert isinstance(missing.json()["error"], str)
