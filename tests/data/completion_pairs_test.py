import gzip
import json
import re

import pytest

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


@pytest.mark.parametrize("name", ["pairs.jsonl", "pairs.jsonl.gz"])
def test_a_line_of_a_file_is_a_pair(name, tmp_path):
    text = "\n\n".join(map(json.dumps, LINES))
    path = write(tmp_path / name, text)
    assert read_completion_pairs(path) == PAIRS
    assert read_completion_pairs(str(path)) == PAIRS


def test_pairs_may_be_dicts():
    assert read_completion_pairs(iter(LINES)) == PAIRS


@pytest.mark.parametrize(
    "line",
    [
        "[1]",
        "{",
        '{"prompt": "a"}',
        '{"prompt": "a", "completion": 4}',
        '{"prompt": "a", "context": "a", "completion": "b"}',
        '{"prompt": "\\ud800", "completion": "b"}',
    ],
)
def test_a_damaged_line_is_named(line, tmp_path):
    path = write(tmp_path / "a.jsonl", json.dumps(LINES[0]) + "\n" + line)
    message = SHAPE.format(f"file='{path}', line=2")
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        read_completion_pairs(path)


def test_a_damaged_dict_is_named():
    with pytest.raises(ValueError, match="Received: pair 2. Correct"):
        read_completion_pairs([LINES[0], {"prompt": "a"}])


def test_an_empty_completion_is_named():
    message = (
        "A completion must have at least one character. Received: pair 1 with "
        "an empty one. Fill or remove it."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        read_completion_pairs([{"prompt": "a", "completion": ""}])


@pytest.mark.parametrize(
    ("name", "text", "error", "message"),
    [
        ("a.txt", "", ValueError, r"must end in .jsonl or .jsonl.gz. Received"),
        ("a.jsonl", None, FileNotFoundError, r"must exist. Received: file="),
        ("a.jsonl", "\n", ValueError, r"at least one pair .* which holds none"),
    ],
)
def test_a_file_without_pairs_is_named(name, text, error, message, tmp_path):
    path = tmp_path / name
    if text is not None:
        write(path, text)
    with pytest.raises(error, match=message):
        read_completion_pairs(path)


def test_a_file_that_is_cut_is_named(tmp_path):
    path = write(tmp_path / "a.jsonl.gz", json.dumps(LINES[0]) * 50)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(ValueError, match="must be complete and gzipped"):
        read_completion_pairs(path)


def test_no_pairs_at_all_raise():
    with pytest.raises(ValueError, match="Received: an empty list. Add some."):
        read_completion_pairs([])
