import re

import numpy as np
import pytest

from tests.models.whole_pass import whole_pass
from tests.small_gpt3 import as_inputs
from tests.small_gpt3 import small_model
from tests.small_gpt3 import talking_model

# Shorter than the band of four keys, as long, and much longer.
PREFIXES = ["a", "the cat", "12 the cat 12 a 12 the"]
PROMPTS = [" 12", " cat, the 12", "!"]
NEW = 6


def encode(text):
    return [int(i) for i in talking_model().preprocessor.tokenizer(text)]


def slow_answer(ids):
    """Greedy text after ids, each token from a whole forward pass."""
    model, answer = talking_model(), []
    for _ in range(NEW):
        logits = whole_pass(model, np.array([ids + answer]))
        answer.append(int(logits[0, -1].argmax()))
    return model.preprocessor.tokenizer.detokenize(answer)


@pytest.mark.parametrize("text", PREFIXES)
def test_answers_are_those_to_prefix_and_prompt(text):
    prefix = talking_model().prefix(text)
    answers = prefix.generate(PROMPTS, max_new_tokens=NEW, strip_prompt=True)
    assert answers == [
        slow_answer(encode(text) + encode(prompt)) for prompt in PROMPTS
    ]


def test_the_whole_text_starts_with_the_prefix():
    answer = talking_model().prefix("the cat").generate(" 12", max_new_tokens=2)
    assert answer.startswith("the cat 12")


def test_a_prefix_streams():
    prefix = talking_model().prefix(PREFIXES[2])
    assert "".join(prefix.stream(" 12", max_new_tokens=NEW)) == slow_answer(
        encode(PREFIXES[2]) + encode(" 12")
    )


@pytest.mark.parametrize("text", PREFIXES)
@pytest.mark.parametrize("context", ["", " 12 a"])
def test_scores_are_those_after_prefix_and_context(text, context):
    model, answers = talking_model(), [" cat", "the cat!", "a"]
    scores = model.prefix(text).score(context, answers, top_n=2)
    whole = encode(text) + encode(context)
    for score, answer in zip(scores, answers, strict=True):
        expected = model.score(whole, encode(answer), top_n=2)
        np.testing.assert_allclose(
            score.token_log_probabilities,
            expected.token_log_probabilities,
            rtol=1e-4,
            atol=1e-5,
        )
        assert score.top_token_ids == expected.top_token_ids
        assert score.is_greedy == expected.is_greedy


def test_a_prefix_is_read_once(monkeypatch):
    model = talking_model()
    prefix = model.prefix(PREFIXES[2])
    monkeypatch.delattr(type(model.decode_graphs()), "prefill")
    answers = [prefix.generate(p, max_new_tokens=NEW) for p in PROMPTS]
    assert len(set(answers)) == len(PROMPTS)


def test_ids_are_a_prefix_without_a_preprocessor():
    model = small_model(max_sequence_length=20)
    model.compile(sampler="greedy")
    prompt = as_inputs(np.array([[3, 4], [5, 6]]))
    answer = model.prefix([7, 8, 9]).generate(prompt, max_new_tokens=3)
    joined = as_inputs(np.array([[7, 8, 9, 3, 4], [7, 8, 9, 5, 6]]))
    np.testing.assert_array_equal(
        answer["token_ids"],
        model.generate(joined, max_new_tokens=3)["token_ids"],
    )


def test_truncation_leaves_the_prefix_whole():
    model, text = talking_model(), PREFIXES[2]
    long = " 12 the cat" * 20
    kept = encode(long)[-(40 - NEW - len(encode(text))) :]
    answer = model.prefix(text).generate(
        long, max_new_tokens=NEW, truncate="left", strip_prompt=True
    )
    assert answer == slow_answer(encode(text) + kept)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "",
            "A prompt must have at least one token. Received: tokens=0. Pass "
            "<|endoftext|> to start from nothing.",
        ),
        (
            "!?" * 20,
            "A sequence must not be longer than max_sequence_length=40. "
            "Received: length=41. Shorten it, or build the model with a larger "
            "max_sequence_length.",
        ),
    ],
)
def test_a_prefix_that_leaves_no_room_raises(text, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        talking_model().prefix(text)


def test_a_text_without_a_preprocessor_raises():
    message = (
        "prefix must be token ids where no preprocessor is attached. Received: "
        "type=str. Attach a GPT3Preprocessor, or tokenize first."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        small_model().prefix("a")
