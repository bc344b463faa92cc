import re

import numpy as np
import pytest

from keras_gpt3.models.generate.generation_request import GenerationRequest
from keras_gpt3.models.generate.prompt_batch import batch_of_ids
from keras_gpt3.models.generate.prompt_batch import batch_of_texts
from keras_gpt3.models.generate.prompt_batch import check_prompt
from tests.models.whole_pass import whole_pass
from tests.small_gpt3 import as_inputs
from tests.small_gpt3 import small_model
from tests.small_gpt3 import talking_model

# === Prompt batch ===


def request(**arguments):
    return GenerationRequest.checked(talking_model(), **arguments)


def texts(prompts, prefix=(), **arguments):
    return batch_of_texts(
        talking_model(), prompts, request(**arguments), prefix
    )


def test_each_prompt_ends_where_its_new_tokens_do():
    batch = texts(["!?", "!"], max_new_tokens=3)
    assert batch.token_ids.shape == (2, 5)
    assert batch.lengths.tolist() == [2, 1]
    assert batch.ends.tolist() == [5, 4]


def test_with_a_length_all_prompts_end_there():
    batch = texts(["!?", "!"], max_length=7)
    assert batch.token_ids.shape == (2, 7)
    assert batch.ends.tolist() == [7, 7]


@pytest.mark.parametrize("limit", [{"max_new_tokens": 35}, {"max_length": 6}])
def test_truncation_drops_first_tokens_but_not_the_prefix(limit):
    batch = texts(["!?:;!?"], (1, 2), truncate="left", **limit)
    (prompt,) = batch.token_ids[:, : batch.lengths[0]].tolist()
    whole = [int(i) for i in talking_model().preprocessor.tokenizer("!?:;!?")]
    assert prompt == [1, 2, *whole[-3:]]


@pytest.mark.parametrize(
    ("prefix", "limit", "num_last"),
    [
        ((), {"max_new_tokens": 37}, 2),
        ((), {"max_length": 4}, 2),
        ((), {"max_new_tokens": 39}, 0),
        ((1, 2), {"max_new_tokens": 37}, 1),
    ],
)
def test_truncation_keeps_the_start_token(prefix, limit, num_last, monkeypatch):
    preprocessor = talking_model().preprocessor
    monkeypatch.setattr(preprocessor, "add_start_token", True)
    batch = texts(["!?:;!?"], prefix, truncate="left", **limit)
    (prompt,) = batch.token_ids[:, : batch.lengths[0]].tolist()
    front = prefix or [preprocessor.tokenizer.start_token_id]
    whole = [int(i) for i in preprocessor.tokenizer("!?:;!?")]
    assert prompt == [*front, *whole[len(whole) - num_last :]]


@pytest.mark.parametrize("add_start_token", [True, False])
def test_truncation_cannot_make_room_where_there_is_none(
    add_start_token, monkeypatch
):
    preprocessor = talking_model().preprocessor
    monkeypatch.setattr(preprocessor, "add_start_token", add_start_token)
    with pytest.raises(ValueError, match="must fit the context of 40 tokens"):
        texts(["!?"], truncate="left", max_new_tokens=40)


def test_ids_keep_their_room():
    inputs = as_inputs(np.array([[5, 6, 7]]))
    inputs["padding_mask"][0, 2] = False
    batch = batch_of_ids(talking_model(), inputs, request())
    assert batch.token_ids.tolist() == [[5, 6, 0]]
    assert batch.ends.tolist() == [3]


IDS = as_inputs(np.arange(1, 51)[None])  # More than the context of 40.


def test_padding_beyond_the_context_does_not_count_with_new_tokens():
    inputs = {k: v.copy() for k, v in IDS.items()}
    inputs["padding_mask"][0, 5:] = False
    batch = batch_of_ids(talking_model(), inputs, request(max_new_tokens=3))
    assert batch.token_ids.tolist() == [[1, 2, 3, 4, 5, 0, 0, 0]]


@pytest.mark.parametrize(
    ("limit", "kept"), [({"max_new_tokens": 3}, 37), ({}, 39)]
)
def test_ids_are_truncated_to_the_context(limit, kept):
    asked = request(truncate="left", **limit)
    batch = batch_of_ids(talking_model(), IDS, asked)
    assert batch.token_ids.shape == (1, 40)
    assert batch.token_ids[0, :kept].tolist() == list(range(51 - kept, 51))


@pytest.mark.parametrize("width", [25, 31])
def test_a_prefix_and_the_room_behind_ids_must_fit(width):
    inputs = as_inputs(np.ones((1, width), int))
    inputs["padding_mask"][0, 4:] = False
    with pytest.raises(ValueError, match="length=") as error:
        batch_of_ids(talking_model(), inputs, request(), [1] * 20)
    assert f"Received: length={width + 20}." in str(error.value)


def test_more_padding_and_more_copies():
    batch = texts(["!?", "!"], max_new_tokens=2)
    wide = batch.widened(9).repeated(2)
    assert wide.token_ids.shape == wide.padding_mask.shape == (4, 9)
    assert wide.lengths.tolist() == [2, 2, 1, 1]
    assert wide.ends.tolist() == [4, 4, 3, 3]


# === Prompt check ===


def refused(message, inputs):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        check_prompt(inputs)


def prompt(ids, mask):
    return {"token_ids": ids, "padding_mask": mask}


@pytest.mark.parametrize("mask", [[[1, 1, 1], [1, 0, 0]], [[True] * 3] * 2])
def test_a_prompt_of_lists_becomes_arrays(mask):
    received = check_prompt(prompt([[1, 2, 3], [4, 5, 6]], mask))
    np.testing.assert_array_equal(received["token_ids"], [[1, 2, 3], [4, 5, 6]])
    np.testing.assert_array_equal(received["padding_mask"], mask)
    assert received["padding_mask"].dtype == "bool"


def test_strings_raise():
    refused(
        "A prompt must be a dict of token_ids and padding_mask where no "
        "preprocessor is attached. Received: type=str. Attach a "
        "GPT3Preprocessor, or tokenize first.",
        "hello",
    )


def test_a_key_that_is_missing_or_too_many_raises():
    message = (
        "A prompt must be a dict of token_ids and padding_mask. Received: "
        "keys={}. Pass both, each of shape (batch, length)."
    )
    refused(message.format(["token_ids"]), {"token_ids": [[1]]})
    more = prompt([[1]], [[True]]) | {"more": 1}
    refused(message.format(["more", "padding_mask", "token_ids"]), more)


@pytest.mark.parametrize(
    "ids, mask, shapes",
    [
        ([[1, 2]], [[True]], "(1, 2) and (1, 1)"),
        ([1, 2], [True, True], "(2,) and (2,)"),
    ],
)
def test_shapes_that_do_not_fit_raise(ids, mask, shapes):
    refused(
        "token_ids and padding_mask must share one shape (batch, length). "
        f"Received: shapes={shapes}. Pad shorter prompts on the right, and "
        "mark them in the mask.",
        prompt(ids, mask),
    )


def test_no_prompt_raises():
    refused(
        "inputs must hold at least one prompt. Received: prompts=0. Leave the "
        "empty batch out.",
        prompt(np.zeros((0, 3), "int32"), np.zeros((0, 3), "bool")),
    )


def test_an_empty_prompt_raises():
    refused(
        "A prompt must have at least one token. Received: padding_mask with "
        "no True in row 1. Start with the end-of-text id to start from "
        "nothing.",
        prompt([[1, 2], [3, 4]], [[True, False], [False, False]]),
    )


@pytest.mark.parametrize("mask", [[False, True, True], [True, False, True]])
def test_padding_before_or_inside_a_prompt_raises(mask):
    refused(
        f"Padding must follow the prompt. Received: padding_mask={[mask]}. "
        "Pad on the right.",
        prompt([[1, 2, 3]], [mask]),
    )


# === Prompt prefix ===


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
@pytest.mark.quick_cases(1)
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
