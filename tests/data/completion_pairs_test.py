import copy
import gzip
import json
import re

import pytest

from keras_gpt3.data.completion_pairs import pair_origin
from keras_gpt3.data.completion_pairs import read_completion_pairs

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
