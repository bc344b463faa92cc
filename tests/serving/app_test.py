"""The REST interface, over the ASGI application."""

import base64
import dataclasses
import json
import re
import types

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from keras_gpt3.serving.app import make_app
from keras_gpt3.serving.server_settings import ServerSettings

PREDICT = "/v1/models/gpt3:predict"
STREAM = "/v1/models/gpt3:stream"


def post(served, path, body):
    """The status and JSON of an answer to a body: bytes, or what JSON says."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = served.client.post(path, content=content)
    assert answer.headers["Content-Type"] == "application/json"
    return answer.status_code, answer.json()


def refusal(served, path, body):
    status, answer = post(served, path, body)
    assert list(answer) == ["error"]
    return status, answer["error"]


def events(answer):
    assert answer.headers["Content-Type"].startswith("text/event-stream")
    *parts, rest = answer.text.split("\n\n")
    assert rest == ""
    return [json.loads(part.removeprefix("data: ")) for part in parts]


# === Predict ===


@pytest.mark.slow
@pytest.mark.parametrize("seed", [{}, {"seed": -1}])
def test_without_a_seed_requests_draw_differently(served, seed):
    body = {"instances": [{"prompts": "the cat"} | seed] * 2}
    answers = [post(served, PREDICT, body)[1] for _ in range(2)]
    texts = {p["texts"] for a in answers for p in a["predictions"]}
    assert len(texts) == 4


def test_rows_have_their_own_options_and_answers(served, alone):
    rows = [
        {"prompts": "the cat", "max_new_tokens": 9, "temperature": 0.0},
        {"prompts": "a", "max_new_tokens": 12, "seed": 3, "top_k": 20},
        {
            "prompts": "Hello, Wörld",
            "max_new_tokens": 4,
            "stop": ["e", "a"],
            "seed": 0,
        },
    ]
    status, answer = post(served, PREDICT, {"instances": rows})
    assert status == 200
    for row, prediction in zip(rows, answer["predictions"], strict=True):
        options = {k: v for k, v in row.items() if k != "prompts"}
        assert prediction == alone(row["prompts"], **options)


def test_columns_share_options_or_not(served, alone):
    inputs = {"prompts": ["b", "the"], "max_new_tokens": 5, "seed": [1, 2]}
    status, answer = post(served, PREDICT, {"inputs": inputs})
    assert status == 200
    expected = [alone("b", max_new_tokens=5, seed=1)]
    expected.append(alone("the", max_new_tokens=5, seed=2))
    assert answer["outputs"] == {
        name: [row[name] for row in expected] for name in expected[0]
    }


def test_a_default_above_the_servers_limit_is_lowered(served, alone):
    # A draw without a seed may end before the limit.
    body = {"instances": [{"prompts": "a", "seed": 3}]}
    status, answer = post(served, PREDICT, body)
    assert status == 200
    (prediction,) = answer["predictions"]
    expected = alone("a", max_new_tokens=30, seed=3)
    assert prediction["num_tokens"] == expected["num_tokens"] == 30


def test_scores_and_tokens_have_rows_too(served, model):
    status, answer = post(
        served,
        PREDICT,
        {
            "signature_name": "score",
            "instances": [{"contexts": "the cat", "continuations": " sat"}],
        },
    )
    assert status == 200
    (score,) = answer["predictions"]
    row = {"contexts": "the cat", "continuations": " sat", "truncate": ""}
    inputs = {name: np.array([text], object) for name, text in row.items()}
    expected = model.call("score", inputs)
    assert score == {name: x.tolist()[0] for name, x in expected.items()}
    assert score["num_tokens"] == 4
    request = {"signature_name": "tokenize", "inputs": ["the", "a"]}
    status, answer = post(served, PREDICT, request)
    assert answer["outputs"]["lengths"] == [1, 1]


def test_token_ids_are_scored_with_their_alternatives(served):
    inputs = {"token_ids": [[97, 98, 99], [97, 98, 0]], "lengths": [3, 2]}
    request = {"signature_name": "score_tokens", "inputs": inputs}
    inputs["number"] = 2
    status, answer = post(served, PREDICT, request)
    assert status == 200
    logs = np.array(answer["outputs"]["log_probabilities"])
    assert (logs[:, 0] == 0).all() and logs[1, 2] == 0 and logs[0, 2] < 0
    # The first two tokens are the same.
    assert logs[0, 1] == pytest.approx(logs[1, 1], abs=1e-5)
    assert np.shape(answer["outputs"]["top_token_ids"]) == (2, 3, 2)


def test_bytes_that_are_no_text_come_as_base64(served):
    inputs = {"token_ids": [[200, 201], [97, 0]], "lengths": [2, 1]}
    request = {"signature_name": "detokenize", "inputs": inputs}
    status, answer = post(served, PREDICT, request)
    assert status == 200
    first, second = answer["outputs"]
    assert list(first) == ["b64"]
    with pytest.raises(UnicodeDecodeError):
        base64.b64decode(first["b64"]).decode()
    assert second == "a"


BAD_ROWS = {
    "empty prompt": (
        {"prompts": ""},
        "A prompt must have at least one token. Received: tokens=0. Pass "
        "<|endoftext|> to start from nothing.",
    ),
    "long prompt": (
        {"prompts": "z?" * 18, "max_new_tokens": 9},
        "prompt and max_new_tokens must fit the context of 40 tokens. "
        "Received: tokens=45. Shorten the prompt, request fewer tokens, or set "
        "truncate to left.",
    ),
    "no new tokens": (
        {"prompts": "a", "max_new_tokens": 0},
        "max_new_tokens must be an integer of at least 1. Received: "
        "max_new_tokens=0. Pass 1 or more.",
    ),
    "above the limit": (
        {"prompts": "a", "max_new_tokens": 31},
        "max_new_tokens must be at most 30 on this server. Received: "
        "max_new_tokens=31. Request fewer, or start it with a higher "
        "--max-new-tokens.",
    ),
    "temperature": (
        {"prompts": "a", "temperature": -0.5},
        "temperature must be a finite number of at least 0. Received: "
        "temperature=-0.5. Use 0 for greedy decoding.",
    ),
    "stop": (
        {"prompts": "a", "stop": [3]},
        "stop must be a string or a list of strings, none of them empty. "
        "Received: stop=[3]. Leave it out to stop at the end of text only.",
    ),
    "unknown option": (
        {"prompts": "a", "heat": 0.5},
        "Inputs of generate must be among max_new_tokens, prompts, seed, stop, "
        "temperature, top_k, top_p, truncate. Received: heat. Check the "
        "spelling.",
    ),
    "no prompt": (
        {"seed": 1},
        "generate must have prompts. Received: no prompts. Add what is "
        "missing.",
    ),
    "stop strings": (
        {"prompts": "a", "stop": ["b"] * 17},
        "stop must have at most 16 strings on this server. Received: "
        "strings=17. Leave some out, or start it with a higher "
        "--max-stop-strings.",
    ),
    "surrogate": ({"prompts": "a\ud800"}, "Texts must be valid U"),
    "bytes": ({"prompts": {"b64": "YWL/"}}, "Texts must be valid UTF-8."),
}


@pytest.mark.parametrize("name", BAD_ROWS)
def test_a_bad_row_is_refused_in_one_sentence(served, name):
    row, message = BAD_ROWS[name]
    status, error = refusal(served, PREDICT, {"instances": [row]})
    assert status == 400
    assert error.startswith(message)


@pytest.mark.parametrize(
    "body, message",
    [
        (b"\xff", "Texts must be valid UTF-8. Received: an invalid byte in"),
        (b"{", "The body must be JSON."),
        (
            b'{"inputs": %s}' % (b"[" * 900 + b"]" * 900),
            "Lists and objects of a body must be at most 16 deep.",
        ),
        ([], "The body must be a JSON object. Received: list."),
        ({"instances": {}}, "instances must be a list of at least one row."),
        ({"inputs": {}}, "generate must have prompts."),
        ({"inputs": ["a"], "signature_name": "x"}, "signature_name must be"),
        ({"inputs": ["a"] * 5}, "A request must have at most 4 rows."),
        ({"prompts": ["a"]}, "The body's keys must be among signature_name, "),
    ],
)
def test_a_bad_body_is_refused_in_one_sentence(served, body, message):
    status, error = refusal(served, PREDICT, body)
    assert status == 400
    assert error.startswith(message)


def test_the_limit_of_new_tokens_holds_for_token_ids(served):
    inputs = {
        "token_ids": [[1] * 40],
        "padding_mask": [[True] * 9 + [False] * 31],
        **{"temperature": 0.0, "top_k": 0, "seed": 0, "end_token_id": -1},
    }
    body = {"signature_name": "generate_tokens", "inputs": inputs}
    status, error = refusal(served, PREDICT, body)
    assert status == 400
    assert error.startswith("max_new_tokens must be at most 30 on this server.")


def test_a_large_answer_is_refused_before_it_is_computed(served, monkeypatch):
    calls = []
    monkeypatch.setattr(
        served.server._served.model, "call", lambda *call: calls.append(call)
    )
    server = served.server
    few = dataclasses.replace(server.settings, max_answer_values=10**5)
    monkeypatch.setattr(server, "settings", few)
    inputs = [[1] * 100 for _ in range(4)]
    body = {"signature_name": "logits", "inputs": inputs}
    status, error = refusal(served, PREDICT, body)
    assert status == 400 and not calls
    assert error.startswith("An answer must have at most 100000 values.")


def test_another_page_may_not_send_requests(served):
    body, headers = {"inputs": ["a"]}, {"Origin": "https://evil.example"}
    answer = served.client.post(PREDICT, json=body, headers=headers)
    assert answer.status_code == 403
    assert answer.json()["error"].startswith("Origin must be")


def test_a_page_that_is_allowed_may(export_folder):
    origin = "https://known.example"
    server = types.SimpleNamespace(
        settings=ServerSettings(allow_origins=(origin,)), version=1
    )
    client = TestClient(make_app(server), "http://127.0.0.1")
    asked = client.options(
        PREDICT,
        headers={
            "Origin": origin,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "content-type",
        },
    )
    assert asked.status_code == 200
    told = client.get("/healthz", headers={"Origin": origin})
    for answer in (asked, told):
        assert answer.headers["Access-Control-Allow-Origin"] == origin


def test_a_long_body_is_refused(served):
    status, error = refusal(served, PREDICT, {"inputs": ["a" * 6000]})
    assert status == 413
    assert error.startswith("The body must be at most 5000 bytes.")


# === Stream ===


def test_a_stream_is_the_answer_in_events(served, alone):
    options = {"max_new_tokens": 12, "temperature": 0.7, "seed": 4}
    body = {"prompt": "the cat"} | options
    answer = served.client.post(STREAM, json=body)
    *pieces, last = events(answer)
    expected = alone("the cat", **options)
    assert len(pieces) > 1
    assert "".join(piece["text"] for piece in pieces) == expected.pop("texts")
    assert last == expected


@pytest.mark.parametrize("name", sorted(set(BAD_ROWS) - {"no prompt"}))
def test_a_stream_is_refused_before_its_first_event(served, name):
    row, message = BAD_ROWS[name]
    body = {"prompt" if k == "prompts" else k: v for k, v in row.items()}
    status, error = refusal(served, STREAM, body)
    assert status == 400
    if name == "unknown option":
        message = "The body's keys must be among prompt, max_new_tokens, "
    assert error.startswith(message)


def test_a_stream_without_a_prompt_is_refused(served):
    assert refusal(served, STREAM, {"seed": 1}) == (
        400,
        "A stream must have a prompt. Received: no prompt. Add one.",
    )


# === The rest ===


@pytest.mark.parametrize("path", ["", "/versions/1"])
def test_status_and_metadata_are_tensorflow_servings(served, path):
    answer = served.client.get(f"/v1/models/gpt3{path}").json()
    # The path of a model is OpenAI's as well.
    own = {"id", "object", "created", "owned_by"}
    assert own.isdisjoint(answer) is bool(path)
    assert {k: v for k, v in answer.items() if k not in own} == {
        "model_version_status": [
            {
                "version": "1",
                "state": "AVAILABLE",
                "status": {"error_code": "OK", "error_message": ""},
            }
        ]
    }
    answer = served.client.get(f"/v1/models/gpt3{path}/metadata").json()
    spec = {"name": "gpt3", "signature_name": "", "version": "1"}
    assert answer["model_spec"] == spec
    definitions = answer["metadata"]["signature_def"]["signature_def"]
    assert "prompts" in definitions["generate"]["inputs"]
    request = {"signature_name": "tokenize", "inputs": ["a"]}
    status, _ = post(served, f"/v1/models/gpt3{path}:predict", request)
    assert status == 200


@pytest.mark.parametrize(
    "method, path, status, message",
    [
        (
            "GET",
            "/v1/models/other",
            404,
            "The model must be gpt3. Received: name='other'. Request "
            "/v1/models/gpt3.",
        ),
        (
            "POST",
            "/v1/models/gpt3/versions/7:predict",
            404,
            "The version must be 1, the one served. Received: version='7'. "
            "Leave it out.",
        ),
        (
            "POST",
            "/v1/models/gpt3:classify",
            404,
            "The path must be one of this server's. Received: POST "
            "'/v1/models/gpt3:classify'. Use /v1/models/NAME:predict, or / for "
            "the page.",
        ),
        (
            "GET",
            "/v1/models/gpt3:predict",
            405,
            "The method must be one that the path has. Received: GET "
            "'/v1/models/gpt3:predict'. Use POST.",
        ),
    ],
)
def test_what_there_is_not_is_one_sentence(
    served, method, path, status, message
):
    answer = served.client.request(method, path, content=b"{}")
    assert answer.status_code == status
    assert answer.json() == {"error": message}


def test_the_page_loads_nothing_from_elsewhere(served):
    page = served.client.get("/")
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert page.headers["Content-Type"].startswith("text/html")
    assert 'data-model="gpt3"' in page.text
    for name in re.findall(r'(?:src|href)="([^"]*)"', page.text):
        if name != "data:,":
            assert served.client.get(f"/{name}").status_code == 200
    texts = page.text + served.client.get("/page.js").text
    assert "//" not in re.sub(r"(?m)^ *// .*$", "", texts)


def test_health_and_metrics_are_there(served):
    assert served.client.get("/healthz").json() == {
        "status": "ok",
        "version": 1,
    }
    post(served, PREDICT, {"inputs": {"prompts": ["a"], "max_new_tokens": 3}})
    metrics = served.client.get("/metrics")
    values = {
        (sample.name, sample.labels.get("signature")): sample.value
        for family in text_string_to_metric_families(metrics.text)
        for sample in family.samples
    }
    assert values["keras_gpt3_requests_total", "generate"] >= 1
    assert values["keras_gpt3_steps_total", None] >= 3
    assert values["keras_gpt3_first_token_seconds_count", None] >= 1
    assert values["keras_gpt3_generated_tokens_total", None] >= 3
    assert values["keras_gpt3_version", None] == 1
    assert values["keras_gpt3_prompts_inside", None] == 0
    assert values["keras_gpt3_slots", None] == 32
    assert values["keras_gpt3_slots_used", None] == 0
    assert values["keras_gpt3_prompts_waiting", None] == 0
