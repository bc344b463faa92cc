import copy
import gzip
import json
import re

import numpy as np
import pytest

from keras_gpt3 import GPT3Preprocessor
from keras_gpt3 import GPT3Tokenizer
from keras_gpt3.data.completion_pairs import CompletionExamples
from keras_gpt3.data.completion_pairs import pair_origin
from keras_gpt3.data.completion_pairs import read_completion_pairs
from tests.tokenization.small_vocabulary import small_vocabulary

# === Completion pairs ===


LINES = [
    {"prompt": "2 + 2 =", "completion": " 4"},
    {"context": "", "completion": "Once", "note": "left alone"},
]
PAIRS = [("2 + 2 =", " 4"), ("", "Once")]
SHAPE = (
    'A pair must be an object with the strings "prompt" (or "context") and '
    '"completion". Received: {}. Correct or remove it.'
)


def write(path, text):
    opener = gzip.open if path.name.endswith(".gz") else open
    with opener(path, "wt", encoding="utf-8") as file:
        file.write(text)
    return path


def fails(message, source):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        read_completion_pairs(source)


@pytest.mark.parametrize("name", ["pairs.jsonl", "pairs.jsonl.gz"])
def test_a_line_of_a_file_is_a_pair(name, tmp_path):
    text = "\n\n".join(map(json.dumps, LINES))
    path = write(tmp_path / name, text)
    assert read_completion_pairs(path) == PAIRS
    assert read_completion_pairs(str(path)) == PAIRS


def test_pairs_of_a_file_know_their_lines(tmp_path):
    path = str(write(tmp_path / "a.jsonl", "\n\n".join(map(json.dumps, LINES))))
    pairs = read_completion_pairs(path)
    expected = [f"file='{path}', line={number}" for number in (1, 3)]
    assert [pair.where for pair in pairs] == expected
    # In another order, copied, and among others.
    pairs = read_completion_pairs([("a", "b"), *copy.deepcopy(pairs[::-1])])
    origins = [pair_origin(pair, n) for n, pair in enumerate(pairs, start=1)]
    assert origins == [
        "pair 1",
        f"file='{path}', line=3",
        f"file='{path}', line=1",
    ]


@pytest.mark.parametrize("source", [LINES, PAIRS, list(map(list, PAIRS))])
def test_pairs_may_be_in_a_list(source):
    assert read_completion_pairs(iter(source)) == PAIRS


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"prompt": "a"}', "no \"completion\" among the keys ['prompt']"),
        ('{"messages": []}', "no \"prompt\" among the keys ['messages']"),
        ("{}", 'no "prompt" among the keys []'),
        ('{"prompt": "a", "completion": 4}', "its completion is of type int"),
        ('{"context": [], "completion": ""}', "its prompt is of type list"),
        (
            '{"prompt": "\\ud800", "completion": "b"}',
            "its prompt: 'utf-8' codec can't encode character '\\ud800' in "
            "position 0: surrogates not allowed",
        ),
    ],
)
def test_a_damaged_line_is_named(line, reason, tmp_path):
    path = write(tmp_path / "a.jsonl", json.dumps(LINES[0]) + "\n" + line)
    fails(SHAPE.format(f"file='{path}', line=2 ({reason})"), path)


def test_the_message_does_not_quote_all_keys():
    entry = {letter * 100: 1 for letter in "abcdefgh"}
    with pytest.raises(ValueError, match=r"aaa, 'bbb.*, \.\.\.\]") as error:
        read_completion_pairs([entry])
    assert len(str(error.value)) < 400


def test_two_names_of_the_prompt_are_one_too_many():
    fails(
        'A pair must have one of "prompt" and "context". Received: pair 2 '
        "with both. Remove one.",
        [LINES[0], {"prompt": "a", "context": "a", "completion": "b"}],
    )


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ("ab", "it is of type str"),
        (None, "it is of type NoneType"),
        (("a", "b", "c"), "it has 3 entries"),
    ],
)
def test_what_is_no_pair_is_named(entry, reason):
    fails(
        'A pair must be two strings, or an object with the strings "prompt" '
        f'(or "context") and "completion". Received: pair 2 ({reason}). '
        "Correct or remove it.",
        [PAIRS[0], entry],
    )


def test_a_pair_of_anything_but_strings_is_named():
    fails(SHAPE.format("pair 1 (its completion is of type int)"), [("a", 4)])


def test_what_holds_no_pairs_is_named():
    fails(
        "Pairs must be a path, or an iterable of dicts or pairs. Received: "
        "type=NoneType. Pass a list.",
        None,
    )


@pytest.mark.parametrize(
    "entry", [("a", ""), {"prompt": "a", "completion": ""}]
)
def test_an_empty_completion_is_named(entry):
    fails(
        "A completion must have at least one character. Received: pair 1 with "
        "an empty one. Fill or remove it.",
        [entry],
    )


def test_a_file_without_pairs_is_named(tmp_path):
    path = write(tmp_path / "a.jsonl", "\n")
    fails(
        "There must be at least one pair of prompt and completion. Received: "
        f"file='{path}', which holds none. Add some.",
        path,
    )


def test_no_pairs_at_all_raise():
    fails(
        "There must be at least one pair of prompt and completion. Received: "
        "an empty list. Add some.",
        [],
    )


# === Completion examples ===


EXAMPLE_PAIRS = [
    ("hello", " world"),
    ("", "12"),
    ("hello the", "o"),
]


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
    examples = CompletionExamples(EXAMPLE_PAIRS, made)
    assert len(examples) == len(EXAMPLE_PAIRS)
    for number, (prompt, completion) in enumerate(EXAMPLE_PAIRS):
        given = [end] * add_start_token + list(tokenizer(prompt))
        given = given or [end]  # As `score` reads an empty context.
        followed = list(tokenizer(completion)) + [end] * add_end_token
        sequence = examples.sequences[number]
        np.testing.assert_array_equal(sequence, given + followed)
        assert examples.num_given[number] == len(given)
    assert examples.num_completion_tokens == 3 + 3 * add_end_token


def test_a_pair_that_is_too_long_is_named_or_loses_its_start():
    pairs = [EXAMPLE_PAIRS[0], ("12 the world", "12")]
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


def write_pairs(path):
    lines = [
        {"prompt": prompt, "completion": end} for prompt, end in EXAMPLE_PAIRS
    ]
    path.write_text("\n\n".join(map(json.dumps, lines)))
    return path


def test_pairs_may_be_whatever_can_be_read_as_such(tmp_path):
    expected = CompletionExamples(EXAMPLE_PAIRS, preprocessor())
    dicts = [
        {"context": prompt, "completion": end} for prompt, end in EXAMPLE_PAIRS
    ]
    for source in (dicts, write_pairs(tmp_path / "a.jsonl")):
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
    path = write_pairs(tmp_path / "a.jsonl")
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
        CompletionExamples(EXAMPLE_PAIRS, preprocessor(), **options)


@pytest.mark.parametrize("given", [None, "gpt3_small_en"])
def test_what_holds_no_tokenizer_raises(given):
    message = (
        "preprocessor must be a GPT3Preprocessor, which holds the tokenizer. "
        f"Received: preprocessor={given!r}. Pass model.preprocessor of a model "
        "that was loaded with one."
    )
    with pytest.raises(TypeError, match=f"^{re.escape(message)}$"):
        CompletionExamples(EXAMPLE_PAIRS, given)
