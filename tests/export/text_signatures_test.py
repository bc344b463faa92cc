"""The signatures for texts, against the live model and its tokenizer."""

import json
import pathlib
import re
import subprocess
import sys
import types

import numpy as np
import pytest
import tensorflow as tf

from keras_gpt3.generation import SeededSampler
from keras_gpt3.ops.graph_assertion import one_line_errors
from tests.small_gpt3 import small_text_model

SCRIPT = pathlib.Path(__file__).parents[1] / "run_saved_model.py"
CONTEXT = 40
PROMPTS = ["the cat", "a", "Hello, Wörld 12"]
SETTINGS = {
    "max_new_tokens": 9,
    "temperature": 0.0,
    "top_k": 0,
    "top_p": 1.0,
    "seed": 0,
    "stop": [],
}
DTYPES = {
    "max_new_tokens": "int32",
    "temperature": "float32",
    "top_k": "int32",
    "top_p": "float32",
    "seed": "int32",
    "stop": "string",
}


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A live model, its signatures, and what stock TensorFlow refuses."""
    folder = str(tmp_path_factory.mktemp("export") / "model")
    model = small_text_model(max_sequence_length=CONTEXT)
    generator = np.random.default_rng(1)
    model.set_weights(
        [w + generator.normal(0, 0.4, w.shape) for w in model.get_weights()]
    )
    model.export(folder, verbose=False)
    done = subprocess.run(
        [sys.executable, str(SCRIPT), json.dumps({"scan": [folder]})],
        check=True,
        stdout=subprocess.PIPE,
        cwd=SCRIPT.parent,
    )
    loaded = tf.saved_model.load(folder)
    return types.SimpleNamespace(
        model=model,
        loaded=loaded,
        signatures=loaded.signatures,
        refused=json.loads(done.stdout)["refused"],
    )


def generate(exported, prompts, **changes):
    settings = {
        name: tf.constant(value, DTYPES[name])
        for name, value in (SETTINGS | changes).items()
    }
    with one_line_errors():
        answer = exported.signatures["generate"](
            prompts=tf.constant(prompts, "string"), **settings
        )
    return {name: value.numpy().tolist() for name, value in answer.items()}


def live_answer(exported, prompt, sampler, new_tokens=9):
    """What the live model says after a prompt: text, tokens and the end."""
    model, tokenizer = exported.model, exported.model.preprocessor.tokenizer
    ids = tokenizer.encoding.encode_batch([prompt], True)[0]
    length = len(ids) + new_tokens
    padded = np.zeros((1, length), "int32")
    padded[0, : len(ids)] = ids
    mask = np.arange(length)[None] < len(ids)
    model.compile(sampler=sampler)
    preprocessor, model.preprocessor = model.preprocessor, None
    answer = model.generate(
        {"token_ids": padded, "padding_mask": mask},
        max_length=length,
        stop_token_ids=[tokenizer.end_token_id],
    )
    model.preprocessor = preprocessor
    new = answer["token_ids"][0][np.asarray(answer["padding_mask"][0])]
    new = np.asarray(new)[len(ids) :].tolist()
    ended = tokenizer.end_token_id in new
    new = [i for i in new if i != tokenizer.end_token_id]
    text = tokenizer.encoding.decode_bytes(new).decode("utf-8", "replace")
    return text, len(new), "stop" if ended else "length"


def test_stock_tensorflow_runs_all_of_it(exported):
    assert list(exported.refused.values()) == [[]]


def test_texts_become_the_tokenizers_ids(exported):
    answer = exported.signatures["tokenize"](texts=tf.constant(PROMPTS))
    encoding = exported.model.preprocessor.tokenizer.encoding
    expected = encoding.encode_batch(PROMPTS, True)
    assert answer["lengths"].numpy().tolist() == [len(ids) for ids in expected]
    for row, ids in zip(answer["token_ids"].numpy(), expected, strict=True):
        assert row[: len(ids)].tolist() == list(ids)


@pytest.mark.parametrize(
    "changes, sampler",
    [
        ({}, SeededSampler(temperature=0.0)),
        (
            {"temperature": 0.8, "top_k": 20, "seed": 3},
            SeededSampler(temperature=0.8, top_k=20, seed=3),
        ),
        (
            {"temperature": 1.5, "top_p": 0.7, "seed": 4},
            SeededSampler(temperature=1.5, top_p=0.7, seed=4),
        ),
    ],
)
def test_each_prompt_gets_the_live_models_answer(exported, changes, sampler):
    answer = generate(exported, PROMPTS, **changes)
    for row, prompt in enumerate(PROMPTS):
        text, num_tokens, reason = live_answer(exported, prompt, sampler)
        assert answer["texts"][row].decode() == text
        assert answer["num_tokens"][row] == num_tokens
        assert answer["finish_reason"][row].decode() == reason


def test_answers_are_cut_at_the_first_stop_string(exported):
    whole = [text.decode() for text in generate(exported, PROMPTS)["texts"]]
    stops = [whole[0][3:5], whole[0][2:4], "not there"]
    answer = generate(exported, PROMPTS, stop=stops)
    for text, received, reason in zip(
        whole, answer["texts"], answer["finish_reason"], strict=True
    ):
        places = [text.find(stop) for stop in stops if stop in text]
        assert received.decode() == text[: min(places, default=None)]
        if places:
            assert reason == b"stop"
    assert len(answer["texts"][0].decode()) <= 2


def test_scores_are_the_live_models(exported):
    pairs = [("the cat", " sat"), ("", "Hello"), ("a b c d", " e")]
    contexts, continuations = map(list, zip(*pairs, strict=True))
    answer = exported.signatures["score"](
        contexts=tf.constant(contexts), continuations=tf.constant(continuations)
    )
    expected = exported.model.score(contexts, continuations)
    np.testing.assert_allclose(
        answer["log_likelihood"],
        [score.log_likelihood for score in expected],
        rtol=1e-4,
    )
    assert answer["is_greedy"].numpy().tolist() == [
        score.is_greedy for score in expected
    ]


@pytest.mark.parametrize(
    "prompts, changes, message",
    [
        (
            ["a", ""],
            {},
            "A text must have at least one token. Received: length=0. Leave "
            "empty ones out.",
        ),
        (
            ["a"],
            {"max_new_tokens": 0},
            "max_new_tokens must be at least 1. Received: max_new_tokens=0. "
            "Use the signature tokenize to generate nothing.",
        ),
        (
            ["a"],
            {"max_new_tokens": 40},
            "Prompt and answer must fit the context of 40 tokens. Received: "
            "tokens=41. Shorten the prompt, or ask for fewer.",
        ),
    ],
)
def test_a_bad_request_is_one_line(exported, prompts, changes, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        generate(exported, prompts, **changes)


def test_a_text_too_long_to_score_is_one_line(exported):
    # Every letter is a token here; the last one is predicted, not read.
    def score(length):
        with one_line_errors():
            return exported.signatures["score"](
                contexts=tf.constant(["q"]),
                continuations=tf.constant(["z?" * (length // 2)]),
            )

    assert score(CONTEXT)["log_likelihood"].shape == (1,)
    message = (
        "Prompt and answer must fit the context of 40 tokens. Received: "
        "tokens=42. Shorten the prompt, or ask for fewer."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        score(CONTEXT + 2)


def test_an_empty_stop_string_is_refused(exported):
    with pytest.raises(ValueError, match="^Stop strings must not be empty."):
        generate(exported, ["a"], stop=["b", ""])
