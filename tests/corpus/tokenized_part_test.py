import numpy as np
import pytest

from keras_gpt3.corpus.shard.tokenize_part import TokenizedPart

TOP = 2**64 - 1


def documents(rng, count):
    keys = [0, TOP, *rng.integers(0, TOP, count - 2, "uint64").tolist()]
    return [
        (key, rng.integers(0, 50257, rng.integers(1, 9)), bool(key % 2))
        for key in keys
    ]


def comparable(found):
    return [(key, list(tokens), flag) for key, tokens, flag in found]


@pytest.mark.parametrize("num_ranges", [1, 2, 7])
def test_ranges_of_keys_give_all_documents_in_their_order(tmp_path, num_ranges):
    written = documents(np.random.default_rng(0), 50)
    part = TokenizedPart(tmp_path / "sub" / "part", "uint16")
    assert not part.exists
    part.write(iter(written))
    assert part.exists
    assert part.num_tokens == sum(len(tokens) for _, tokens, _ in written)
    bounds = [i * 2**64 // num_ranges for i in range(num_ranges + 1)]
    found = [
        document
        for low, high in zip(bounds[:-1], bounds[1:], strict=True)
        for document in part.read(low, high)
    ]
    assert comparable(found) == comparable(sorted(written, key=lambda d: d[0]))


def test_a_part_without_documents_is_empty(tmp_path):
    part = TokenizedPart(tmp_path / "part", "uint16")
    part.write([])
    assert part.exists and part.read(0, 2**64) == []


def test_a_part_that_broke_off_does_not_exist(tmp_path):
    part = TokenizedPart(tmp_path / "part", "uint32")
    part.write([(1, [2, 3], False)])

    def break_off():
        yield 1, [2], False
        raise OSError("full")

    with pytest.raises(OSError, match="full"):
        part.write(break_off())
    assert not part.exists and list(tmp_path.iterdir()) == []


def test_removal_is_of_both_files_and_may_be_repeated(tmp_path):
    part = TokenizedPart(tmp_path / "part", "uint16")
    part.write([(1, [2], True)])
    part.remove()
    part.remove()
    assert not list(tmp_path.iterdir())
