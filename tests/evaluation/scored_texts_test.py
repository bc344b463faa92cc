import gzip

import pytest

from keras_gpt3.evaluation.contamination.contamination import read_scored_texts


def test_texts_come_with_their_scores(tmp_path):
    path = tmp_path / "a.jsonl.gz"
    lines = b'{"text": "one", "score": 1}\n\n{"text": "two", "score": 0.5}\n'
    path.write_bytes(gzip.compress(lines))
    assert read_scored_texts(path) == (["one", "two"], [1.0, 0.5])


def test_texts_may_have_no_scores(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "one", "id": 3}')
    assert read_scored_texts(tmp_path / "a.jsonl") == (["one"], None)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "must hold an example. Received: file='.*' with none. "),
        (
            b'{"text": "a", "score": 1}\n{"text": "b"}\n{"text": "c"}',
            "line=2 without one, as 2 of 3. Add",
        ),
        (b'{"texts": "a"}', r"line=1 \(it has no text\)"),
        (b'{"text": "a", "score": NaN}', r"line=1 \(its score is nan\)"),
        (b'\n{"text": "a"', r"a.jsonl', line=2 \(Expecting"),
        (b'{"text": "\xff"}', r"line=1 \('utf-8' codec"),
        (b'["a"]', r"line=1 \(it starts an array"),
        (b'{"text": 3}', r"line=1 \(its text is of type int"),
        (b'{"text": "a", "score": "1"}', r"line=1 \(its score is of type str"),
    ],
)
def test_what_is_wrong_is_said_with_file_and_line(tmp_path, content, message):
    (tmp_path / "a.jsonl").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_scored_texts(tmp_path / "a.jsonl")


def test_a_missing_file_raises(tmp_path):
    with pytest.raises(FileNotFoundError, match="A file of texts must exist"):
        read_scored_texts(tmp_path / "a.jsonl")
