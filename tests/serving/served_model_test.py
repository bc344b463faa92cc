import asyncio
import json
import re
import threading

import numpy as np
import pytest

from keras_gpt3.serving import request_limits
from keras_gpt3.serving.model_server import ServingThreads
from keras_gpt3.serving.predict_request import PredictRequest
from keras_gpt3.serving.predict_request import parse_predict
from keras_gpt3.serving.predict_request import parse_stream
from keras_gpt3.serving.request_limits import prompt_rows
from keras_gpt3.serving.served_model import ServedModel
from keras_gpt3.serving.server_metrics import ServerMetrics
from keras_gpt3.serving.server_settings import ServerSettings

# === Served model ===


SETTINGS = ServerSettings(batch_timeout_ms=50.0)


@pytest.fixture
def served_model(model):
    threads = ServingThreads()
    yield ServedModel(model, SETTINGS, threads, ServerMetrics())
    threads.close()


def test_requests_with_other_options_share_the_steps(
    served_model, model, alone, monkeypatch
):
    sizes, call = [], model.call_on_tensors

    def count(name, inputs):
        if name == "step_slots":
            sizes.append(len(inputs["token_ids"]))
        return call(name, inputs)

    monkeypatch.setattr(model, "call_on_tensors", count)
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
    # The longest answer has 12 tokens, and others none of their own.
    assert max(sizes) == 3 and len(sizes) <= 13
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
        "A stream must have the signature generate of an export with a "
        "preprocessor. Received: no generate. Attach one and export again."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        parse_stream(b'{"prompt": "a"}', model, SETTINGS)


# === Answers in slots ===


def all_pieces(served_model, arrays):
    """The pieces of a stream, and what its last event says."""

    async def main():
        return [event async for event in served_model.stream(arrays)]

    *pieces, last = asyncio.run(main())
    return [piece["text"] for piece in pieces], last


@pytest.mark.parametrize(
    "prompt, options",
    [
        ("the cat", {"max_new_tokens": 9, "temperature": 0.0}),
        ("the cat", {"max_new_tokens": 30, "temperature": 0.7, "seed": 4}),
        ("a", {"max_new_tokens": 1, "seed": 2}),
        ("a", {"max_new_tokens": 39, "top_k": 9, "seed": 5}),
        ("Hello, Wörld 12", {"max_new_tokens": 12, "top_p": 0.6, "seed": 3}),
        (
            "z?" * 30,
            {"max_new_tokens": 11, "truncate": "left", "seed": 6},
        ),
    ],
)
def test_the_pieces_are_the_answer_of_generate(
    served_model, alone, arrays_of, prompt, options
):
    pieces, last = all_pieces(served_model, arrays_of(prompt, **options))
    expected = alone(prompt, **options)
    assert "".join(pieces) == expected["texts"]
    for name in ("finish_reason", "num_tokens", "num_prompt_tokens"):
        assert last[name] == expected[name]


@pytest.mark.parametrize("seed", range(6))
def test_a_stop_string_ends_the_stream_where_it_ends_generate(
    served_model, alone, arrays_of, seed
):
    options = {"max_new_tokens": 30, "seed": seed}
    whole = alone("the cat", **options)["texts"]
    # Two characters from amid the answer, and what is not there. Bytes that
    # are no character are compared as bytes by the graph.
    ends = [i for i in range(3, len(whole)) if "\ufffd" not in whole[i - 2 : i]]
    end = ends[seed % len(ends)]
    options["stop"] = [whole[end - 2 : end], "not there"]
    pieces, last = all_pieces(served_model, arrays_of("the cat", **options))
    expected = alone("the cat", **options)
    assert "".join(pieces) == expected["texts"]
    assert last["finish_reason"] == expected["finish_reason"] == "stop"
    assert last["num_tokens"] == expected["num_tokens"]


@pytest.fixture
def model_that_ends(model):
    """The model, its end of text more likely than it was."""
    name = "token_embedding/embeddings:0"
    embeddings = [
        variable
        for signature in ("generate", "step_slots")
        for variable in model._loaded.signatures[signature].variables
        if variable.name == name
    ]
    before = embeddings[0].numpy()
    raised = before.copy()
    raised[-1] *= 5  # The last token ends a text.
    for variable in embeddings:
        variable.assign(raised)
    yield model
    for variable in embeddings:
        variable.assign(before)


@pytest.mark.parametrize("seed", [2, 3])
def test_the_end_of_text_ends_the_stream(
    served_model, model_that_ends, arrays_of, seed
):
    arrays = arrays_of("the cat", max_new_tokens=30, seed=seed)
    pieces, last = all_pieces(served_model, arrays)
    expected = model_that_ends.call("generate", arrays)
    assert 1 < expected["num_tokens"] < 30
    assert "".join(pieces) == expected["texts"][0].decode()
    assert last["finish_reason"] == "stop"
    assert last["num_tokens"] == expected["num_tokens"]


def test_a_prompt_that_is_cut_keeps_the_start_token(
    model, arrays_of, monkeypatch
):
    call = model.call

    def call_with_start(name, inputs):
        answer = call(name, inputs)
        if name == "tokenize":
            answer["start_token_ids"] = np.array([[7]], "int32")
        return answer

    monkeypatch.setattr(model, "call", call_with_start)
    monkeypatch.setattr(request_limits, "num_start_tokens", lambda model: 1)
    arrays = arrays_of("z?" * 30, max_new_tokens=37, truncate="left")
    ids = call("tokenize", {"texts": arrays["prompts"]})["token_ids"][0]
    assert prompt_rows(model, arrays) == [[7, *ids[-2:].tolist()]]
