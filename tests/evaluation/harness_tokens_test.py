import logging

import numpy as np
import pytest

from keras_gpt3 import GPT3Preprocessor
from keras_gpt3 import GPT3Tokenizer
from keras_gpt3.evaluation.harness.harness_tokens import HarnessTokens
from tests.tokenization.small_vocabulary import small_vocabulary

END = 271
TOKENIZER = GPT3Tokenizer(*small_vocabulary())


def tokens(max_length=12, add_start_token=False):
    preprocessor = GPT3Preprocessor(TOKENIZER, add_start_token=add_start_token)
    return HarnessTokens(preprocessor, max_length)


def ids(text):
    return np.asarray(TOKENIZER(text)).tolist()


@pytest.mark.parametrize(
    ("context", "continuation", "expected"),
    [
        ("hello", " world", ("hello", " world")),
        # White space goes to the continuation: " the" is one token.
        ("hello ", "the", ("hello", " the")),
        ("hello\n\n", "a", ("hello", "\n\na")),
        ("", "the", ("<|endoftext|>", "the")),
        (" \n", "the", ("<|endoftext|>", " \nthe")),
        ("", "<|endoftext|>the", ("<|endoftext|>", "the")),
    ],
)
def test_a_pair_is_split_where_the_harness_splits_it(
    context, continuation, expected
):
    found = tokens().pair(context, continuation)
    assert found == tuple(ids(text) for text in expected)


def test_a_pair_is_encoded_as_one_text():
    # "12" is a token: apart they would be two.
    assert tokens().pair("a1", "2the") == (ids("a1"), ids("a12the")[2:])


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a", [END, *ids("a")]), ("<|endoftext|>a", [END, *ids("a")])],
)
def test_a_start_token_stands_once(text, expected):
    assert tokens(add_start_token=True).encode(text) == expected
    assert tokens(add_start_token=True).encode(text, False)[-1:] == ids("a")


@pytest.mark.parametrize("add_start_token", [False, True])
def test_an_empty_context_is_the_start_token_alone(add_start_token):
    found = tokens(add_start_token=add_start_token)
    assert found.pair("", "a") == ([END], ids("a"))
    assert found.prompts([""], 2) == [[END]]


@pytest.mark.parametrize(
    ("context", "continuation", "message"),
    [
        ("a", "", "from 1 to max_length=12 tokens. Received: 0 tokens, cont"),
        ("", "", "Received: 0 tokens, continuation=''. Correct the task's "),
        ("1", "2", "Received: 0 tokens, continuation='2'. Correct the task"),
        ("a", "b" * 13, "Received: 13 tokens, continuation='bbbbbbbbbbbbb'. "),
    ],
)
def test_a_continuation_must_have_tokens_that_fit(
    context, continuation, message
):
    with pytest.raises(ValueError, match=message):
        tokens().pair(context, continuation)


def test_what_is_too_long_loses_its_first_tokens_with_a_word(caplog):
    before = list(range(12))
    with caplog.at_level(logging.WARNING):
        found = tokens().fitted([(before, [1, 2]), (before, [1])])
    # Of 13 tokens the last is not read.
    assert found == [(before[1:], [1, 2]), (before, [1])]
    (record,) = caplog.records
    assert record.getMessage() == (
        "1 of 2 contexts lost their first tokens to fit max_length=12."
    )


def test_prompts_leave_room_for_their_answers():
    text = "abcdefghijkl"
    assert tokens().prompts([text, "a"], 4) == [ids("efghijkl"), ids("a")]
    with pytest.raises(
        ValueError, match="below max_length=12. Received: max_gen_toks=12. Ask"
    ):
        tokens().prompts(["a"], 12)


def test_special_tokens_are_left_out_of_texts_unless_asked_for():
    found = [*ids("a"), END, *ids("b")]
    assert tokens().decode(found) == "ab"
    assert tokens().decode(found, skip_special_tokens=False) == (
        "a<|endoftext|>b"
    )
    assert tokens().decode(END, skip_special_tokens=False) == "<|endoftext|>"
