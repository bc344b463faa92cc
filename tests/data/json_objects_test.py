import gzip
import io
import re

import pytest

from keras_gpt3.data.json_objects import decompressed
from keras_gpt3.data.json_objects import parse_json_line
from keras_gpt3.data.json_objects import read_json_objects

# === Json objects ===


LINE = '{"prompt": "é", "completion": "b"}\n'


def write(path, content):
    path.write_bytes(content)
    return str(path)


def fails(message, path, error=ValueError):
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        list(read_json_objects(path, "pairs"))


@pytest.mark.parametrize("name", ["a.jsonl", "A.JSONL.GZ"])
def test_objects_come_with_where_they_stand(name, tmp_path):
    content = ("\ufeff" + LINE + "\n \n" + LINE).encode()
    if name.endswith("GZ"):
        content = gzip.compress(content)
    entry = {"prompt": "é", "completion": "b"}
    path = write(tmp_path / name, content)
    assert list(read_json_objects(path, "pairs")) == [
        (f"file='{path}', line={number}", entry) for number in (1, 4)
    ]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "Expecting property name enclosed in double quotes, at column 2"),
        ('{"prompt": "a"} x', "Extra data, at column 17"),
        ("3", "it is of type int"),
        ("null", "it is of type NoneType"),
        ('["a", "b"]', "it starts an array"),
        ("[", "it starts an array"),
        ("[" * 100_000, "it starts an array"),
        ('{"a":' + "[" * 100_000, "it is nested too deep"),
    ],
)
def test_a_line_that_is_no_object_is_named(line, reason, tmp_path):
    path = write(tmp_path / "a.jsonl", (LINE + "\n" + line).encode())
    fails(
        "Each line of a file of pairs must be a JSON object. Received: "
        f"file='{path}', line=3 ({reason}). Write one object a line.",
        path,
    )


@pytest.mark.parametrize(
    ("encoding", "text", "reason"),
    [
        (
            "latin-1",
            LINE,
            "'utf-8' codec can't decode byte 0xe9 in position 12: invalid "
            "continuation byte",
        ),
        (
            "utf-16-le",
            "\ufeff" + LINE,
            "'utf-8' codec can't decode byte 0xff in position 0: invalid start "
            "byte",
        ),
        ("utf-16-le", "{}", "it holds zero bytes, as UTF-16 does"),
    ],
)
def test_another_encoding_is_named(encoding, text, reason, tmp_path):
    path = write(tmp_path / "a.jsonl", text.encode(encoding))
    fails(
        f"A file of pairs must be UTF-8. Received: file='{path}', line=1 "
        f"({reason}). Convert it to UTF-8.",
        path,
    )


def test_a_file_with_another_suffix_is_named():
    fails(
        "A file of pairs must end in .jsonl or .jsonl.gz. Received: "
        "file='a.txt'. Convert it to one JSON object a line.",
        "a.txt",
    )


def test_a_file_that_is_not_there_is_named(tmp_path):
    path = str(tmp_path / "a.jsonl")
    fails(
        f"A file of pairs must exist. Received: file='{path}'. Correct the "
        "path.",
        path,
        FileNotFoundError,
    )


@pytest.mark.parametrize("name", ["a.jsonl", "folder"])
def test_a_folder_is_named(name, tmp_path):
    path = tmp_path / name
    path.mkdir()
    fails(
        f"A file of pairs must be a file. Received: file='{path}', which is a "
        "folder. Name a file in it.",
        str(path),
    )


def test_a_file_that_is_cut_is_named(tmp_path):
    content = gzip.compress(LINE.encode() * 50)[:-9]
    path = write(tmp_path / "a.jsonl.gz", content)
    with pytest.raises(ValueError, match="must be complete and gzipped"):
        list(read_json_objects(path, "pairs"))


# === Gzip stream ===


LINES = b"one\ntwo\n"
# With the time of now in it, workers would name tests differently.
GZIPPED = gzip.compress(LINES, mtime=0)


@pytest.mark.parametrize(
    ("content", "path"), [(LINES, "a.txt"), (GZIPPED, "A.TXT.GZ")]
)
def test_the_contents_are_read(content, path):
    with decompressed(io.BytesIO(content), path) as stream:
        assert list(stream) == [b"one\n", b"two\n"]


@pytest.mark.parametrize(
    "content", [GZIPPED[:-9], LINES, b"\x1f\x8b\x08" + b"\xff" * 9]
)
def test_a_damaged_gz_file_is_named(content):
    message = "A .gz file must be complete and gzipped. Received: file='a.gz' ("
    with (
        pytest.raises(ValueError, match=f"^{re.escape(message)}.*Copy it aga"),
        decompressed(io.BytesIO(content), "a.gz") as stream,
    ):
        stream.read()


# === Json line ===


@pytest.mark.parametrize("line", ['{"a": [1]}\n', b'{"a": [1]}'])
def test_a_line_is_read(line):
    assert parse_json_line(line) == {"a": [1]}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "Expecting property name"),
        ("[" * 100_000, "^it is nested too deep$"),
        ("1" * 5000, "Exceeds the limit"),
    ],
)
def test_any_damage_is_a_value_error(line, reason):
    with pytest.raises(ValueError, match=reason):
        parse_json_line(line)
