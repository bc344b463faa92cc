import re

import numpy as np
import pytest
from keras import ops

from keras_gpt3.models.score.continuation_pairs import continuation_pairs
from keras_gpt3.models.score.continuation_pairs import fit_to_window
from tests.small_gpt3 import small_model
from tests.small_gpt3 import small_text_model

END = 271  # The last of the small vocabulary's 272 tokens.


@pytest.fixture(scope="module")
def model():
    return small_model(num_layers=1)


@pytest.fixture(scope="module")
def text_model():
    return small_text_model(num_layers=1)


def fails(message, function, *arguments):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        function(*arguments)


# === What is scored ===

ONE, TWO = [1, 2], [3]


@pytest.mark.parametrize(
    ("context", "continuation", "pairs", "is_single"),
    [
        (ONE, TWO, [(ONE, TWO)], True),
        (np.array(ONE), ops.convert_to_tensor(TWO), [(ONE, TWO)], True),
        (ONE, [TWO, ONE], [(ONE, TWO), (ONE, ONE)], False),
        (ONE, [TWO], [(ONE, TWO)], False),
        ([ONE], [TWO, ONE], [(ONE, TWO), (ONE, ONE)], False),
        ([ONE, TWO], [TWO, TWO], [(ONE, TWO), (TWO, TWO)], False),
        (np.array([ONE]), [np.array(TWO)], [(ONE, TWO)], False),
        ((1, 2), ((3,), (1, 2)), [(ONE, TWO), (ONE, ONE)], False),
    ],
)
def test_ids_come_as_pairs(context, continuation, pairs, is_single, model):
    received = continuation_pairs(model, context, continuation)
    assert received == (pairs, is_single)


def test_texts_are_encoded_apart_and_their_spaces_kept(text_model):
    tokenize = text_model.preprocessor.tokenizer.tokenize
    pairs, is_single = continuation_pairs(
        text_model, "hello", [" world", "world", "o"]
    )
    assert not is_single
    assert [context for context, _ in pairs] == [[*tokenize("hello")]] * 3
    assert [end for _, end in pairs] == tokenize([" world", "world", "o"])
    assert len(pairs[0][1]) == 1
    # Joined as text, the end of the context would be another token.
    (pair,), _ = continuation_pairs(text_model, "hell", "o")
    assert [*pair[0], *pair[1]] != [*tokenize("hello")]


def test_ids_are_taken_where_a_preprocessor_is_attached(text_model):
    pairs, _ = continuation_pairs(text_model, ["he", [3]], [[4, 5], "he"])
    he = text_model.preprocessor.tokenizer.tokenize("he").tolist()
    assert pairs == [(he, [4, 5]), ([3], he)]


@pytest.mark.parametrize("empty", ["", []])
def test_an_empty_context_is_the_end_of_text(empty, text_model):
    assert continuation_pairs(text_model, empty, [5])[0] == [([END], [5])]


def test_a_preprocessor_with_a_start_token_adds_it_to_texts(text_model):
    text_model.preprocessor.add_start_token = True
    try:
        for context, ids in [("", [END]), ("a", [END, 97]), ([7], [7])]:
            ((received, _),), _ = continuation_pairs(text_model, context, [5])
            if context == "a":
                ids = [END, *text_model.preprocessor.tokenizer.tokenize("a")]
            assert received == ids
    finally:
        text_model.preprocessor.add_start_token = False


# === What is refused ===


@pytest.mark.parametrize(
    ("context", "continuation", "message"),
    [
        (
            [ONE, TWO],
            [ONE],
            "context must have one entry for each continuation. Received: "
            "contexts=2, continuations=1. Pass lists of equal length, or a "
            "single context.",
        ),
        (
            ONE,
            [TWO, []],
            "continuation must have at least one token. Received: continuation "
            "1 with 0 tokens. Move the end of its context to it.",
        ),
        (
            [],
            TWO,
            "context must have at least one token where no preprocessor is "
            "attached. Received: context with 0 tokens. Pass the id of the end "
            "of text to start from nothing.",
        ),
        (
            "text",
            TWO,
            "context must be token ids where no preprocessor is attached. "
            "Received: type=str. Attach a GPT3Preprocessor, or tokenize first.",
        ),
        (
            ONE,
            {"a": 1},
            "continuation must be a string or a list of token ids, or a list "
            "of either. Received: type=dict. Pass a string.",
        ),
        (
            [ONE, None],
            [TWO, TWO],
            "context must be a string or a list of token ids, or a list of "
            "either. Received: type=NoneType. Pass a string.",
        ),
        (
            ONE,
            [TWO, [61]],
            "continuation must be from 0 to below vocabulary_size=61. Received:"
            " id=61. Use the tokenizer that the model was made for, or a "
            "larger vocabulary_size.",
        ),
        (
            [1.0],
            TWO,
            "context must be integers. Received: dtype=float64. Tokenize the "
            "text, or cast the ids to int32.",
        ),
    ],
)
def test_wrong_pairs_raise(context, continuation, message, model):
    fails(message, continuation_pairs, model, context, continuation)


# === The context window ===


@pytest.mark.parametrize("truncate", [None, "left"])
def test_a_pair_may_have_one_token_more_than_the_window(truncate):
    pairs = [([1, 2, 3], [4, 5]), ([1], [2, 3, 4, 5])]
    assert fit_to_window(pairs, 4, truncate) == pairs


def test_a_longer_pair_loses_the_first_tokens_of_its_context():
    pairs = [([1, 2, 3, 4], [5, 6]), ([1, 2], [3, 4, 5, 6])]
    expected = [([2, 3, 4], [5, 6]), ([2], [3, 4, 5, 6])]
    assert fit_to_window(pairs, 4, "left") == expected
    fails(
        "context and continuation must have at most max_sequence_length + 1 = "
        "5 tokens. Received: 4 + 2 tokens. Shorten the context, or "
        "set truncate to left.",
        fit_to_window,
        pairs,
        4,
    )


@pytest.mark.parametrize("truncate", [None, "left"])
def test_a_continuation_longer_than_the_window_raises(truncate):
    fails(
        "continuation must have at most max_sequence_length=4 tokens. "
        "Received: 5 tokens. Score it in parts.",
        fit_to_window,
        [([1], [2, 3, 4, 5, 6])],
        4,
        truncate,
    )


@pytest.mark.parametrize(
    ("context", "add_start_token", "num_before", "expected"),
    [
        ([END, 1, 2, 3], True, 0, [END, 3]),
        ([END, 1, 2, 3], False, 0, [2, 3]),
        ([1, 2, 3], True, 0, [2, 3]),  # Ids that came without one.
        ([END, 1, 2, 3], True, 1, [3]),  # The prefix has it.
    ],
)
def test_a_start_token_is_not_dropped(
    context, add_start_token, num_before, expected, text_model
):
    text_model.preprocessor.add_start_token = add_start_token
    try:
        ((kept, _),) = fit_to_window(
            [(context, [5, 6, 7])],
            4,
            "left",
            num_before,
            text_model.preprocessor,
        )
    finally:
        text_model.preprocessor.add_start_token = False
    assert kept == expected


def test_a_start_token_alone_may_be_left(text_model):
    text_model.preprocessor.add_start_token = True
    try:
        pairs = fit_to_window(
            [([END, 1], [5, 6, 7, 8])], 4, "left", 0, text_model.preprocessor
        )
    finally:
        text_model.preprocessor.add_start_token = False
    assert pairs == [([END], [5, 6, 7, 8])]


def test_another_way_to_truncate_raises():
    fails(
        "truncate must be left, or left out. Received: truncate=right. Use "
        "left to drop the first tokens of a long prompt.",
        fit_to_window,
        [],
        4,
        "right",
    )
