"""The signatures for texts, against the live model and its tokenizer."""

import re

import numpy as np
import pytest
import tensorflow as tf

from keras_gpt3.export.text_signatures import TextSignatures
from keras_gpt3.generation import SeededSampler
from keras_gpt3.generation.stop_strings import cut_at_stop
from keras_gpt3.ops import op_compilation

CONTEXT = 40
NEW = 9
PROMPTS = ["the cat", "a", "Hello, Wörld 12"]
GREEDY = {"max_new_tokens": NEW, "temperature": 0.0}


@pytest.fixture(scope="module")
def model(talker):
    return talker.model


@pytest.fixture(scope="module")
def call(talker):
    return talker.call


def generate(call, prompts, **changes):
    """The answers, a list of dicts with Python values."""
    answer = call("generate", prompts=prompts, **(GREEDY | changes))
    rows = zip(*(value.tolist() for value in answer.values()), strict=True)
    return [
        {
            name: value.decode() if isinstance(value, bytes) else value
            for name, value in zip(answer, row, strict=True)
        }
        for row in rows
    ]


def encode(model, text):
    return model.preprocessor.tokenizer.encoding.encode_batch([text], True)[0]


def live_answer(model, prompt, sampler):
    """What the live model says after a prompt: text, tokens and the end."""
    tokenizer = model.preprocessor.tokenizer
    ids = encode(model, prompt)
    length = len(ids) + NEW
    padded = np.zeros((1, length), "int32")
    padded[0, : len(ids)] = ids
    mask = np.arange(length)[None] < len(ids)
    model.compile(sampler=sampler, jit_compile=False)
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


def test_texts_become_the_tokenizers_ids_and_texts_again(call, model):
    answer = call("tokenize", texts=PROMPTS)
    expected = [encode(model, prompt) for prompt in PROMPTS]
    assert answer["lengths"].tolist() == [len(ids) for ids in expected]
    for row, ids in zip(answer["token_ids"], expected, strict=True):
        assert row[: len(ids)].tolist() == list(ids)
    texts = call("detokenize", **answer)["texts"]
    assert [text.decode() for text in texts] == PROMPTS


def test_bytes_amid_a_character_come_back_as_they_are(call, model):
    # Each of the two bytes is a token.
    ids = encode(model, "ö")
    assert len(ids) == 2
    answer = call("detokenize", token_ids=[ids, ids], lengths=[1, 2])
    assert answer["texts"].tolist() == ["ö".encode()[:1], "ö".encode()]


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
def test_each_prompt_gets_the_live_models_answer(call, model, changes, sampler):
    for answer, prompt in zip(
        generate(call, PROMPTS, **changes), PROMPTS, strict=True
    ):
        text, num_tokens, reason = live_answer(model, prompt, sampler)
        assert answer == {
            "texts": text,
            "num_tokens": num_tokens,
            "num_prompt_tokens": len(encode(model, prompt)),
            "finish_reason": reason,
        }


def test_a_row_of_a_batch_gets_what_it_gets_alone(call):
    options = {
        "max_new_tokens": [3, 30, 9, 14],
        "temperature": [0.0, 1.2, 0.7, 2.0],
        "top_k": [0, 5, 0, 40],
        "top_p": [1.0, 0.9, 0.5, 1.0],
        "seed": [1, 7, 3, 2],
        "truncate": ["", "left", "", "left"],
    }
    prompts = ["the cat", "z? " * 30, "a b c d", "Wörld"]
    wholes = generate(call, prompts, **options)
    stop = [["", ""], ["never", two_characters(wholes[1]["texts"])]]
    options["stop"] = [*stop, ["no such", "never"], ["never", ""]]
    batch = generate(call, prompts, **options)
    assert {row["finish_reason"] for row in batch} == {"stop", "length"}
    for row, prompt in enumerate(prompts):
        own = {name: values[row] for name, values in options.items()}
        own["stop"] = [string for string in own["stop"] if string]
        assert generate(call, [prompt], **own) == [batch[row]]


def two_characters(text):
    """The first two in a row that are whole."""
    return re.search("[^\ufffd]{2}", text)[0]


@pytest.mark.parametrize("seed", [6, 9])
def test_an_answer_ends_with_the_token_that_completes_a_stop_string(call, seed):
    settings = {"temperature": 1.1, "seed": seed}
    # Each prompt's answers of 1, 2, ... tokens: the slow way to watch them.
    answers = [
        generate(call, PROMPTS, max_new_tokens=number, **settings)
        for number in range(1, 21)
    ]
    straddling = 0
    for prompt, *parts in zip(PROMPTS, *answers, strict=True):
        text = parts[-1]["texts"]
        for start in range(0, len(text) - 2, 3):
            # Most tokens are single bytes: these straddle their borders.
            stop = (text[start : start + 2], "never", text[-1] * 3)
            if "\ufffd" in "".join(stop):
                continue
            expected = slow_answer(parts, stop)
            received = generate(
                call, [prompt], stop=stop, max_new_tokens=20, **settings
            )
            assert received == [expected]
            straddling += expected["num_tokens"] < 20
    assert straddling > 2


def slow_answer(parts, stop):
    """The first of growing answers that holds a stop string, cut there."""
    for part in parts:
        text, was_cut = cut_at_stop(part["texts"], stop)
        if was_cut:
            return part | {"texts": text, "finish_reason": "stop"}
    return parts[-1]


@pytest.mark.slow
def test_the_loop_ends_when_all_rows_have_ended(call, model):
    answers = [
        generate(call, PROMPTS, max_new_tokens=number)
        for number in range(1, NEW + 1)
    ]
    # A character of each answer, and the tokens after which it is whole. The
    # first answer has none: it gets one token.
    whole = [re.search("[^\ufffd]", row["texts"]) for row in answers[-1]]
    assert whole[0] is None
    stops = [["never"], *([found[0]] for found in whole[1:])]
    needed = [
        slow_answer(parts, stop)["num_tokens"]
        for *parts, stop in zip(*answers, stops, strict=True)
    ]
    needed[0] = 1
    signatures = TextSignatures(model)

    @tf.function(
        input_signature=[
            tf.TensorSpec([None], tf.int32),
            tf.TensorSpec([None, None], tf.string),
        ],
        autograph=False,
    )
    def decode(max_new_tokens, stop):
        state, lengths = signatures.decode(
            tf.constant(PROMPTS),
            max_new_tokens,
            tf.constant(""),
            stop,
            temperature=tf.constant(0.0),
            top_k=tf.constant(0),
            top_p=tf.constant(1.0),
            seed=tf.constant(0),
        )
        return state.index, state.token_ids, lengths

    def positions(max_new_tokens, stop):
        """Positions that the loop filled, and those it could have."""
        with op_compilation(False):
            index, token_ids, lengths = decode(max_new_tokens, stop)
        assert not token_ids[:, int(index) :].numpy().any()
        return int(index), token_ids.shape[1], lengths.numpy()

    index, total, lengths = positions([1, NEW, NEW], stops)
    assert index == max(lengths + needed) < total == max(lengths) + NEW
    # One row goes on.
    index, total, _ = positions([1, NEW, NEW], [*stops[:2], ["never"]])
    assert index == total
    # The longest prompt wants one token, and is done long before another.
    index, total, lengths = positions([1, 25, 1], [*stops[:2], ["x"]])
    assert total == lengths[1] + 25 and index == max(lengths) + 1


def test_options_may_be_left_out(call):
    short = {"max_new_tokens": 5, "seed": 0}
    left_out = call("generate", prompts=PROMPTS, **short)
    defaults = {"temperature": 1.0, "top_k": 0, "top_p": 1.0}
    given = call(
        "generate", prompts=PROMPTS, stop=[], truncate="", **short, **defaults
    )
    for name, value in left_out.items():
        np.testing.assert_array_equal(value, given[name])


def test_a_long_prompt_keeps_its_last_tokens(call, model):
    prompt = "z?" * 40
    ids = encode(model, prompt)
    kept = model.preprocessor.tokenizer.encoding.decode_bytes(
        ids[-(CONTEXT - NEW) :]
    )
    (answer,) = generate(call, [prompt], truncate="left")
    assert answer["num_prompt_tokens"] == CONTEXT - NEW
    (same,) = generate(call, [kept])
    assert answer == same


@pytest.mark.parametrize("truncate", ["", "left"])
def test_scores_are_the_live_models(call, model, truncate):
    pairs = [("the cat", " sat"), ("", "Hello"), ("a b c d", " e")]
    if truncate:
        pairs += [("z?" * 40, " and so"), ("q" * 60, "u" * CONTEXT)]
    contexts, continuations = map(list, zip(*pairs, strict=True))
    answer = call(
        "score",
        contexts=contexts,
        continuations=continuations,
        truncate=truncate,
    )
    expected = model.score(contexts, continuations, truncate=truncate or None)
    np.testing.assert_allclose(
        answer["log_likelihood"],
        [score.log_likelihood for score in expected],
        rtol=1e-4,
    )
    assert answer["is_greedy"].tolist() == [x.is_greedy for x in expected]
    assert answer["num_tokens"].tolist() == [
        len(encode(model, text)) for text in continuations
    ]


def test_a_single_context_serves_all_continuations(call):
    continuations = [" sat", "a", " and so"]
    single = call("score", contexts=["the"], continuations=continuations)
    each = call("score", contexts=["the"] * 3, continuations=continuations)
    for name, value in single.items():
        np.testing.assert_array_equal(value, each[name])


@pytest.mark.parametrize(
    "prompts, changes, message",
    [
        (
            ["a", ""],
            {},
            "A prompt must have at least one token. Received: tokens=0. Pass "
            "<|endoftext|> to start from nothing.",
        ),
        (
            ["a"],
            {"max_new_tokens": 0},
            "max_new_tokens must be an integer of at least 1. Received: "
            "max_new_tokens=0. Pass 1 or more.",
        ),
        (
            ["a", "b"],
            {"max_new_tokens": [3, 40], "truncate": "left"},
            "prompt and max_new_tokens must fit the context of 40 tokens. "
            "Received: tokens=41. Shorten the prompt, request fewer tokens, or "
            "set truncate to left.",
        ),
        (
            ["a", "q" * 32],
            {"truncate": ["left", ""]},
            "prompt and max_new_tokens must fit the context of 40 tokens. "
            "Received: tokens=41. Shorten the prompt, request fewer tokens, or "
            "set truncate to left.",
        ),
        (
            ["a"],
            {"temperature": float("nan")},
            "temperature must be a finite number of at least 0. Received: "
            "temperature=nan. Use 0 for greedy decoding.",
        ),
        (
            ["a"],
            {"top_p": 1.5},
            "top_p must be a finite number above 0 and at most 1. Received: "
            "top_p=1.5. Use 1.0 to draw among all tokens.",
        ),
        (
            ["a"],
            {"top_k": -1},
            "top_k must be an integer of at least 0. Received: top_k=-1. Pass "
            "0 or more.",
        ),
        (
            ["a"],
            {"truncate": "right"},
            "truncate must be left, or left out. Received: truncate=right. "
            "Use left to drop the first tokens of a long prompt.",
        ),
        (
            ["a"],
            {"stop": ["b", ""]},
            "stop must be a string or a list of strings, none of them empty. "
            "Received: stop=[b, ]. Leave it out to stop at the end of text "
            "only.",
        ),
        (
            ["a", "b"],
            {"seed": [1, 2, 3]},
            "seed must be one for all rows, or one for each. Received: "
            "shape=[3]. Pass a single value, or as many as there are texts.",
        ),
        (
            ["a", b"\xff"],
            {},
            "Texts must be valid UTF-8. Received: an invalid byte in the text "
            "at index=1. Replace it with U+FFFD, or send the text as UTF-8.",
        ),
        (
            [],
            {},
            "A request must hold at least one text. Received: texts=0. Pass "
            "one or more.",
        ),
    ],
)
def test_a_bad_request_is_one_line(call, prompts, changes, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        generate(call, prompts, **changes)


@pytest.mark.parametrize(
    "contexts, continuations, truncate, message",
    [
        (
            ["q"],
            ["z?" * 21],
            "left",
            "continuation must have at most max_sequence_length=40 tokens. "
            "Received: 42 tokens. Score it in parts.",
        ),
        (
            ["q" * 39],
            ["z?z"],
            "",
            "context and continuation must have at most max_sequence_length + "
            "1 = 41 tokens. Received: 39 + 3 tokens. Shorten the context, or "
            "set truncate to left.",
        ),
        (
            ["q", "q"],
            ["a", ""],
            "",
            "continuation must have at least one token. Received: continuation "
            "1 with 0 tokens. Move the end of its context to it.",
        ),
        (
            ["q", "q"],
            ["a"],
            "",
            "context must have one entry for each continuation. Received: "
            "contexts=2, continuations=1. Pass lists of equal length, or a "
            "single context.",
        ),
        (
            ["q"],
            ["a"],
            "both",
            "truncate must be left, or left out. Received: truncate=both. Use "
            "left to drop the first tokens of a long prompt.",
        ),
    ],
)
def test_a_bad_score_is_one_line(
    call, contexts, continuations, truncate, message
):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        call(
            "score",
            contexts=contexts,
            continuations=continuations,
            truncate=truncate,
        )
