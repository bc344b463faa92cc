import itertools
import re

import numpy as np
import pytest

from keras_gpt3.generation import TextPieces
from keras_gpt3.generation.stop_strings import check_stop_strings
from keras_gpt3.generation.stop_strings import cut_at_stop
from keras_gpt3.generation.stop_strings import held_back

# === Stop strings ===


@pytest.mark.parametrize(
    ("stop", "strings"),
    [
        (None, ()),
        ([], ()),
        ("\n", ("\n",)),
        (["a", "bc"], ("a", "bc")),
        (("a",), ("a",)),
    ],
)
def test_stop_strings_become_a_tuple(stop, strings):
    assert check_stop_strings(stop) == strings


@pytest.mark.parametrize(
    ("stop", "printed"),
    [
        ("", "''"),
        ([""], "['']"),
        (["a", ""], "[a, ]"),
        (("\n", ""), r"[\n, ]"),
        ([1], "[1]"),
        (7, "7"),
        ({"a": 1}, "{'a': 1}"),
        (b"a", "b'a'"),
    ],
)
def test_anything_else_raises(stop, printed):
    message = (
        "stop must be a string or a list of strings, none of them empty. "
        f"Received: stop={printed}. Leave it out to stop at the end of text "
        "only."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        check_stop_strings(stop)


@pytest.mark.parametrize(
    ("text", "stop", "cut"),
    [
        ("one two", ("three",), ("one two", False)),
        ("one two", ("two", "one"), ("", True)),
        ("one two", ("e t", "wo"), ("on", True)),
        (b"one two", (b"two",), (b"one ", True)),
        ("one", (), ("one", False)),
    ],
)
def test_a_text_is_cut_where_the_first_stop_string_begins(text, stop, cut):
    assert cut_at_stop(text, stop) == cut


@pytest.mark.parametrize(
    ("text", "stop", "length"),
    [
        ("abc", ("cd",), 1),
        ("abc", ("bcd", "cd"), 2),
        ("abc", ("abcd",), 3),
        ("c", ("abcd", "cdc"), 1),
        ("aab", ("aabaac",), 3),
        ("abc", ("x",), 0),
        ("", ("x",), 0),
        ("abc", (), 0),
        (b"abc", (b"cd",), 1),
    ],
)
def test_an_end_that_may_begin_a_stop_string_is_held_back(text, stop, length):
    assert held_back(text, stop) == length


# === Text pieces ===


TEXT = "Hé, 你好 🙂 naïve.\nQ: ab aab aabaac".encode()


def pieces_of(chunks, stop=()):
    pieces = TextPieces(stop)
    shown = [pieces.feed(chunk) for chunk in chunks]
    return [*shown, pieces.finish()], pieces.stopped


def all_cuts(data, seed):
    """Data in chunks of one to four bytes."""
    generator = np.random.default_rng(seed)
    borders = np.cumsum(generator.integers(1, 5, len(data)))
    borders = [0, *borders[borders < len(data)], len(data)]
    return [data[a:b] for a, b in itertools.pairwise(borders)]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    "stop", [(), ("\nQ:",), ("aabaac",), ("zz", "🙂"), ("H",), ("ac", "aa")]
)
def test_pieces_join_to_the_text_up_to_the_first_stop_string(stop, seed):
    shown, stopped = pieces_of(all_cuts(TEXT, seed), stop)
    text = TEXT.decode()
    ends = [text.find(s) for s in stop if s in text]
    assert stopped == bool(ends)
    assert "".join(shown) == text[: min(ends, default=len(text))]


@pytest.mark.parametrize("seed", range(5))
def test_no_piece_ends_amid_a_character(seed):
    shown, _ = pieces_of(all_cuts(TEXT, seed))
    assert not any("\ufffd" in piece for piece in shown)


@pytest.mark.parametrize(
    "data", [b"a\xff\xfeb", b"ol\xc3", b"\xf0\x9f\x99", b"\xc3\xc3\xa9"]
)
def test_bytes_that_are_no_text_become_what_a_whole_decode_makes(data):
    shown, _ = pieces_of([data[i : i + 1] for i in range(len(data))])
    assert "".join(shown) == data.decode("utf-8", "replace")


def test_what_may_begin_a_stop_string_waits_and_then_comes():
    pieces = TextPieces(("\nQ:",))
    assert pieces.feed(b"yes.\nQ") == "yes."
    assert pieces.feed(b"1:") == "\nQ1:"


def test_a_stop_string_is_met_as_bytes_before_any_are_mended():
    shown, stopped = pieces_of([b"a\xff", b"b"], ("\ufffd",))
    assert ("".join(shown), stopped) == ("a\ufffdb", False)


def test_nothing_comes_behind_a_stop_string():
    pieces = TextPieces(("b",))
    assert [pieces.feed(b"ab"), pieces.feed(b"c"), pieces.finish()] == [
        "a",
        "",
        "",
    ]
