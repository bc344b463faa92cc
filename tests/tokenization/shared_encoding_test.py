import json

from keras_gpt3.tokenization.byte_pair_encoding import shared_byte_pair_encoding
from tests.tokenization.small_vocabulary import small_vocabulary


def write(folder, vocabulary, merges):
    (folder / "v.json").write_text(json.dumps(vocabulary), "utf-8")
    (folder / "m.txt").write_text("\n".join([*merges, ""]), "utf-8")
    return str(folder / "v.json"), folder / "m.txt"


def test_shares_equal_files_and_notices_changed_ones(tmp_path):
    vocabulary, merges = small_vocabulary()
    paths = write(tmp_path, vocabulary, merges)
    first = shared_byte_pair_encoding(*paths)
    assert shared_byte_pair_encoding(*paths) is first
    assert first.merges == merges
    swapped = vocabulary | {"a": vocabulary["b"], "b": vocabulary["a"]}
    paths = write(tmp_path, swapped, merges)
    second = shared_byte_pair_encoding(*paths)
    assert second.encode("ab") == first.encode("ba")


def test_other_special_tokens_are_another_encoding(tmp_path):
    paths = write(tmp_path, *small_vocabulary())
    plain = shared_byte_pair_encoding(*paths)
    special = shared_byte_pair_encoding(*paths, special_tokens=["hello"])
    assert plain.special_tokens == ("<|endoftext|>",)
    assert special.special_tokens == ("hello",)
    assert shared_byte_pair_encoding(*paths) is plain
