import asyncio
import json
import re
import threading

import numpy as np
import pytest

from keras_gpt3.serving.model_server import ServerMetrics
from keras_gpt3.serving.model_server import ServingThreads
from keras_gpt3.serving.predict_request import PredictRequest
from keras_gpt3.serving.predict_request import parse_predict
from keras_gpt3.serving.predict_request import parse_stream
from keras_gpt3.serving.served_model import ServedModel
from keras_gpt3.serving.server_settings import ServerSettings

SETTINGS = ServerSettings(batch_timeout_ms=50.0)


@pytest.fixture
def served_model(model):
    threads = ServingThreads()
    yield ServedModel(model, SETTINGS, threads, ServerMetrics())
    threads.close()


def test_requests_with_other_options_share_a_batch(
    served_model, model, alone, monkeypatch
):
    sizes, call = [], model.call

    def count(name, inputs):
        if name == "generate":
            sizes.append(len(inputs["prompts"]))
        return call(name, inputs)

    monkeypatch.setattr(model, "call", count)
    rows = [
        ("the cat", {"max_new_tokens": 9, "seed": 1, "stop": ["e"]}),
        ("a", {"max_new_tokens": 3, "temperature": 0.0}),
        ("Hello, Wörld", {"max_new_tokens": 12, "top_p": 0.5, "seed": 0}),
    ]

    async def main():
        bodies = [
            {"instances": [{"prompts": prompt} | options]}
            for prompt, options in rows
        ]
        requests = [
            parse_predict(json.dumps(body).encode(), model, SETTINGS)
            for body in bodies
        ]
        return await asyncio.gather(*map(served_model.predict, requests))

    answers = asyncio.run(main())
    assert sizes == [3]
    for (prompt, options), answer in zip(rows, answers, strict=True):
        assert json.loads(answer) == {"predictions": [alone(prompt, **options)]}


def test_a_bad_score_fails_alone(served_model, model):
    pairs = [("the", " cat"), ("the", ""), ("", "a")]

    async def main():
        requests = [
            parse_predict(
                json.dumps(
                    {
                        "signature_name": "score",
                        "inputs": {"contexts": [a], "continuations": [b]},
                    }
                ).encode(),
                model,
                SETTINGS,
            )
            for a, b in pairs
        ]
        return await asyncio.gather(
            *map(served_model.predict, requests), return_exceptions=True
        )

    first, second, third = asyncio.run(main())
    assert isinstance(second, ValueError)
    assert str(second).startswith("continuation must have at least one token")
    for (context, continuation), answer in (
        (pairs[0], first),
        (pairs[2], third),
    ):
        expected = model.call(
            "score",
            {
                "contexts": np.array([context.encode()], object),
                "continuations": np.array([continuation.encode()], object),
                "truncate": np.array([b""], object),
            },
        )
        np.testing.assert_allclose(
            json.loads(answer)["outputs"]["log_likelihood"],
            expected["log_likelihood"],
            rtol=1e-5,  # float32 sums beside rows of other lengths.
        )


@pytest.mark.parametrize(
    "prompt, message",
    [
        ("", "A prompt must have at least one token. Received: tokens=0."),
        (
            "z?" * 20,
            "prompt and max_new_tokens must fit the context of 40 tokens. "
            "Received: tokens=45.",
        ),
    ],
)
def test_a_wrong_prompt_of_a_stream_does_not_wait_for_what_runs(
    served_model, arrays_of, prompt, message
):
    go_on = threading.Event()
    served_model._threads.running.submit(go_on.wait)
    stream = served_model.stream(arrays_of(prompt, max_new_tokens=5))

    async def main():
        async with asyncio.timeout(10):
            await anext(stream)

    try:
        with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
            asyncio.run(main())
    finally:
        go_on.set()


@pytest.mark.parametrize("signature", ["generate", "score", "tokenize"])
def test_a_text_that_no_context_holds_is_not_tokenized(
    served_model, model, monkeypatch, signature
):
    calls = []
    limit = model.max_text_bytes
    monkeypatch.setattr(model, "call", lambda *call: calls.append(call))
    first = model.signatures[signature].required[0]
    inputs = {k: ["a"] for k in model.signatures[signature].required}
    inputs |= {first: ["x" * (limit + 1)]}
    body = {"signature_name": signature, "inputs": inputs}
    request = parse_predict(json.dumps(body).encode(), model, SETTINGS)
    message = f"^A text must have at most {limit} bytes, a context of the "
    with pytest.raises(ValueError, match=message):
        asyncio.run(served_model.predict(request))
    assert not calls


def test_an_answer_is_written_beside_what_runs(
    served_model, model, monkeypatch
):
    threads, answer = [], PredictRequest.answer

    def watch(*arguments):
        threads.append(threading.current_thread().name)
        return answer(*arguments)

    monkeypatch.setattr(PredictRequest, "answer", watch)
    body = b'{"signature_name": "logits", "inputs": [[1, 2]]}'
    request = parse_predict(body, model, SETTINGS)
    asyncio.run(served_model.predict(request))
    assert [name.split("_")[0] for name in threads] == ["writing"]


def test_a_model_for_ids_has_no_streams(model, monkeypatch):
    ids_only = {
        name: signature
        for name, signature in model.signatures.items()
        if name not in ("generate", "tokenize", "detokenize", "score")
    }
    monkeypatch.setattr(model, "signatures", ids_only)
    message = (
        "A stream needs the signatures of an export with a preprocessor. "
        "Received: none of detokenize, generate, tokenize. Attach one and "
        "export again."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        parse_stream(b'{"prompt": "a"}', model, SETTINGS)
