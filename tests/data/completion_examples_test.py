import json
import re

import numpy as np
import pytest

from keras_gpt3 import GPT3Preprocessor
from keras_gpt3 import GPT3Tokenizer
from keras_gpt3.data.completion_pairs import CompletionExamples
from keras_gpt3.data.completion_pairs import read_completion_pairs
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


@pytest.mark.parametrize("sequence_length", [3, 2])
def test_a_prompt_that_is_cut_keeps_its_start_token(sequence_length):
    made = preprocessor(add_start_token=True)
    examples = CompletionExamples(
        [("12 the world", "12")], made, sequence_length, truncate="left"
    )
    whole = CompletionExamples([("12 the world", "12")], made).sequences[0]
    start, *rest = whole.tolist()
    assert start == made.tokenizer.start_token_id
    assert examples.sequences[0].tolist() == [start, *rest[-sequence_length:]]
    assert examples.num_given[0] == sequence_length - 1


def write(path):
    lines = [{"prompt": prompt, "completion": end} for prompt, end in PAIRS]
    path.write_text("\n\n".join(map(json.dumps, lines)))
    return path


def test_pairs_may_be_whatever_can_be_read_as_such(tmp_path):
    expected = CompletionExamples(PAIRS, preprocessor())
    dicts = [{"context": prompt, "completion": end} for prompt, end in PAIRS]
    for source in (dicts, write(tmp_path / "a.jsonl")):
        examples = CompletionExamples(source, preprocessor())
        assert examples.num_given == expected.num_given
        for pair in zip(examples.sequences, expected.sequences, strict=True):
            np.testing.assert_array_equal(*pair)


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        (["ab"], "A pair must be two strings, or .* pair 1 .it is of type str"),
        ([("a", "b"), ("a", "")], "A completion must have .* pair 2 with an "),
        ([], "There must be at least one pair of prompt and completion."),
    ],
)
def test_what_is_no_pair_raises(pairs, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        CompletionExamples(pairs, preprocessor(add_end_token=False))


@pytest.mark.parametrize("is_read", [True, False])
def test_a_long_pair_of_a_file_is_named_by_its_line(is_read, tmp_path):
    path = write(tmp_path / "a.jsonl")
    pairs = read_completion_pairs(path)[1:] if is_read else path
    message = (
        "A pair must have at most sequence_length + 1 = 3 tokens. Received: "
        f"file='{path}', line=5 with 2 + 2 tokens. Shorten its prompt, or set "
        "truncate to left."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        CompletionExamples(pairs, preprocessor(), sequence_length=2)


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


@pytest.mark.parametrize("given", [None, "gpt3_small_en"])
def test_what_holds_no_tokenizer_raises(given):
    message = (
        "preprocessor must be a GPT3Preprocessor, which holds the tokenizer. "
        f"Received: preprocessor={given!r}. Pass model.preprocessor of a model "
        "that was loaded with one."
    )
    with pytest.raises(TypeError, match=f"^{re.escape(message)}$"):
        CompletionExamples(PAIRS, given)
