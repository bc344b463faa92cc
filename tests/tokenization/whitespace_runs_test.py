import pytest

from keras_gpt3.tokenization import BytePairEncoding
from keras_gpt3.tokenization.byte_pair_encoding import cut_long_whitespace
from tests.tokenization.fuzz_texts import WHITESPACE
from tests.tokenization.fuzz_texts import fuzz_texts
from tests.tokenization.small_vocabulary import small_vocabulary

END = "<|endoftext|>"


@pytest.fixture(scope="module")
def encoding():
    return BytePairEncoding(*small_vocabulary())


@pytest.mark.parametrize("long_run", [2, 3, 8])
@pytest.mark.parametrize("special_tokens", [(), (END,)])
def test_encoding_the_parts_is_encoding_the_whole(
    encoding, long_run, special_tokens
):
    num_cut = 0
    split = not special_tokens
    for text in fuzz_texts(2000, seed=3):
        parts = cut_long_whitespace(text, special_tokens, long_run)
        num_cut += len(parts) > 1
        ids = sum((encoding.encode(part, split) for part in parts), [])
        assert "".join(parts) == text
        assert ids == encoding.encode(text, split), repr(text)
    assert num_cut > 50  # The cutting was tried.


@pytest.mark.parametrize("length", [16, 17, 100])
@pytest.mark.parametrize("offset", range(9))
def test_finds_every_long_run(length, offset):
    text = "x" * offset + " " * length + "y"
    assert cut_long_whitespace(text, long_run=16) == [
        "x" * offset + " " * (length - 1),
        " y",
    ]


@pytest.mark.parametrize("space", sorted(set(WHITESPACE)))
def test_knows_all_whitespace(space):
    assert len(cut_long_whitespace(space * 9 + "y", long_run=4)) == 2


@pytest.mark.parametrize("text", ["", "x", " " * 99, "\x1c" * 99 + "y"])
def test_leaves_other_texts_whole(text):
    assert cut_long_whitespace(text, long_run=4) == [text]
