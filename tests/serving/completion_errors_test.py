"""OpenAI's routes where a request is wrong, fails, or its client has gone."""

import asyncio
import json
import types

import pytest

COMPLETIONS = "/v1/completions"


def error_of(completing, body, path=COMPLETIONS, **options):
    answer = completing.client.post(path, json=body, **options)
    error = answer.json()["error"]
    assert list(error) == ["message", "type", "param", "code"]
    return answer.status_code, error


@pytest.mark.parametrize(
    "body, message, param",
    [
        ({}, "A completion must have a prompt.", "prompt"),
        ({"prompt": ""}, "A prompt must have at least one token.", "prompt"),
        (
            {"prompt": [999]},
            "The ids of prompt must be from 0 to 271.",
            "prompt",
        ),
        ({"prompt": "z?" * 30}, "prompt and max_tokens must fit", "prompt"),
        (
            {"prompt": "a", "logit_bias": {"999": 1}},
            "The ids of logit_bias must be from 0 to 271.",
            "logit_bias",
        ),
        (
            {"prompt": ["a"] * 7, "n": 2},
            "A request must have at most 12 prompts times n. Received: 14.",
            "prompt",
        ),
        (
            {"prompt": "a", "heat": 1},
            "The body's keys must be among",
            None,
        ),
    ],
)
def test_a_bad_request_names_its_option(completing, body, message, param):
    status, error = error_of(completing, body)
    assert error["message"].startswith(message)
    assert (status, error["type"], error["param"]) == (
        400,
        "invalid_request_error",
        param,
    )


def test_other_models_and_chats_are_not_found(completing):
    status, error = error_of(completing, {"prompt": "a", "model": "gpt-4"})
    assert (status, error["code"]) == (404, "model_not_found")
    status, error = error_of(completing, {}, "/v1/chat/completions")
    assert (status, error["message"]) == (
        404,
        "A base model continues texts, without chats, tools or embeddings. "
        "Received: POST '/v1/chat/completions'. Use /v1/completions.",
    )
    answer = completing.client.get(COMPLETIONS)
    assert answer.status_code == 405
    assert answer.json()["error"]["type"] == "invalid_request_error"


def test_the_guards_and_the_bodys_errors_have_openais_form(completing):
    plain = {"Content-Type": "text/plain"}
    assert error_of(completing, {}, headers=plain)[0] == 415
    evil = {"Origin": "https://evil.example"}
    assert error_of(completing, {}, headers=evil)[0] == 403
    assert error_of(completing, {"prompt": "a" * 6000})[0] == 413
    answer = completing.client.post(COMPLETIONS, content=b"{")
    assert answer.status_code == 400
    assert answer.json()["error"]["message"].startswith("The body must be JSON")


def test_too_many_rows_at_a_time_are_told_to_come_again(completing):
    with completing.server._queue.admit(11):
        answer = completing.client.post(
            COMPLETIONS, json={"prompt": ["a", "b"]}
        )
        body = {"prompt": "a", "max_tokens": 1}
        one = completing.client.post(COMPLETIONS, json=body)
        assert one.status_code == 200
    assert answer.status_code == 429
    assert answer.headers["Retry-After"] == "1"
    assert answer.json()["error"]["code"] == "rate_limit_exceeded"


async def _broken(request):
    yield types.SimpleNamespace(
        text="a", tokens=(), finish_reason=None, num_tokens=1
    )
    raise RuntimeError("broken")


async def _stuck(request):
    await asyncio.sleep(60)
    yield


@pytest.mark.parametrize(
    "generate, status", [(_broken, 500), (_stuck, 504)], ids=["500", "504"]
)
def test_an_engine_that_fails_is_a_servers_error(
    completing, monkeypatch, generate, status
):
    server = completing.server
    monkeypatch.setattr(completing.engine, "generate", generate)
    quick = types.SimpleNamespace(
        **vars(server.settings) | {"request_timeout": 0.1}
    )
    monkeypatch.setattr(server, "settings", quick)
    found, error = error_of(completing, {"prompt": "a"})
    assert (found, error["type"]) == (status, "server_error")
    assert server._queue.inside == 0


def test_an_export_for_ids_has_no_completions(completing, monkeypatch):
    monkeypatch.setattr(completing.server._served, "engine", None)
    status, error = error_of(completing, {"prompt": "a"})
    assert status == 400
    assert error["message"].startswith("A completion must have the signatures")


def test_an_error_in_a_stream_is_its_last_event(completing, monkeypatch):
    monkeypatch.setattr(completing.engine, "generate", _broken)
    body = {"prompt": "a", "stream": True}
    answer = completing.client.post(COMPLETIONS, json=body)
    assert answer.status_code == 200
    *_, last, rest = answer.text.split("\n\n")
    assert rest == ""
    error = json.loads(last.removeprefix("data: "))["error"]
    assert error["type"] == "server_error"


def test_who_disconnects_frees_all_rows(completing):
    server, engine = completing.server, completing.engine
    body = {"prompt": ["a", "b"], "n": 2, "stream": True, "max_tokens": 30}
    before = engine.closed, len(engine.requests)

    async def leave():
        events = server.complete(json.dumps(body).encode())
        await anext(events)
        assert server._queue.inside == 4
        await events.aclose()

    asyncio.run(leave())
    assert server._queue.inside == 0
    assert engine.closed - before[0] == len(engine.requests) - before[1] == 4
