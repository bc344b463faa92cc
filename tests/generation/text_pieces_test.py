import itertools

import numpy as np
import pytest

from keras_gpt3.generation import TextPieces

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
