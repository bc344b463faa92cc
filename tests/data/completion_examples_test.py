import re

import numpy as np
import pytest

from keras_gpt3 import GPT3Preprocessor
from keras_gpt3 import GPT3Tokenizer
from keras_gpt3.data.completion_examples import CompletionExamples
from tests.tokenization.small_vocabulary import small_vocabulary

PAIRS = [("hello", " world"), ("", "12"), ("hello the", "o")]


def preprocessor(**options):
    tokenizer = GPT3Tokenizer(*small_vocabulary())
    return GPT3Preprocessor(tokenizer, sequence_length=8, **options)


@pytest.mark.parametrize("add_end_token", [True, False])
@pytest.mark.parametrize("add_start_token", [True, False])
def test_prompt_and_completion_are_encoded_apart(
    add_start_token, add_end_token
):
    made = preprocessor(
        add_start_token=add_start_token, add_end_token=add_end_token
    )
    tokenizer = made.tokenizer
    end = tokenizer.end_token_id
    examples = CompletionExamples(PAIRS, made)
    assert len(examples) == len(PAIRS)
    for number, (prompt, completion) in enumerate(PAIRS):
        given = [end] * add_start_token + list(tokenizer(prompt))
        given = given or [end]  # As `score` reads an empty context.
        followed = list(tokenizer(completion)) + [end] * add_end_token
        sequence = examples.sequences[number]
        np.testing.assert_array_equal(sequence, given + followed)
        assert examples.num_given[number] == len(given)
    assert examples.lengths == [len(x) - 1 for x in examples.sequences]
    assert examples.num_completion_tokens == 3 + 3 * add_end_token


def test_a_pair_that_is_too_long_is_named_or_loses_its_start():
    pairs = [PAIRS[0], ("12 the world", "12")]
    message = (
        "A pair must have at most sequence_length + 1 = 4 tokens. Received: "
        "pair 2 with 3 + 2 tokens. Shorten its prompt, or set truncate to left."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        CompletionExamples(pairs, preprocessor(), sequence_length=3)
    examples = CompletionExamples(
        pairs, preprocessor(), sequence_length=3, truncate="left"
    )
    whole = CompletionExamples(pairs, preprocessor())
    np.testing.assert_array_equal(
        examples.sequences[1], whole.sequences[1][-4:]
    )
    assert examples.num_given[1] == 2
    np.testing.assert_array_equal(examples.sequences[0], whole.sequences[0])


@pytest.mark.parametrize("truncate", [None, "left"])
def test_a_completion_that_is_too_long_is_an_error_in_any_case(truncate):
    message = (
        "A completion must leave room for a token before it. Received: pair 1 "
        "with 4 tokens to predict, sequence_length=3. Shorten it or use a "
        "longer context."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        CompletionExamples(
            [("hello", "12 the world")],
            preprocessor(),
            sequence_length=3,
            truncate=truncate,
        )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"truncate": "right"}, "truncate must be None or 'left'. Received: "),
        ({"sequence_length": 0}, "sequence_length must be an integer of at"),
    ],
)
def test_options_out_of_range_raise(options, message):
    with pytest.raises(ValueError, match=message):
        CompletionExamples(PAIRS, preprocessor(), **options)
