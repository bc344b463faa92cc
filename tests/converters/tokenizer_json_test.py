import pytest

from keras_gpt3.converters.tokenizer_json import read_tokenizer_json
from tests.converters.tokenizer_folders import changed
from tests.converters.tokenizer_folders import read
from tests.converters.tokenizer_folders import write

TRUNCATION = {
    "direction": "Right",
    "max_length": 8,
    "strategy": "LongestFirst",
    "stride": 0,
}
WORD_PIECE = {
    "type": "WordPiece",
    "unk_token": "[UNK]",
    "continuing_subword_prefix": "##",
    "max_input_chars_per_word": 100,
    "vocab": {"[UNK]": 0},
}


def read_changed(folder, **changes):
    content = read("specials_first", "tokenizer.json")
    for path, value in changes.items():
        changed(content, path.replace("__", "."), value)
    write(folder, tokenizer_json=content)
    return read_tokenizer_json(folder / "tokenizer.json")


def test_reads_what_transformers_wrote(tmp_path):
    content = read("specials_first", "tokenizer.json")
    got = read_changed(tmp_path)
    assert got.vocabulary == content["model"]["vocab"]
    assert got.merges == [" ".join(pair) for pair in content["model"]["merges"]]
    path = tmp_path / "tokenizer.json"
    assert got.added_tokens == [(path, "<|endoftext|>", 0)]
    assert got.start_token is None


def test_no_file_is_none(tmp_path):
    assert read_tokenizer_json(tmp_path / "tokenizer.json") is None


def test_rules_may_be_strings(tmp_path):
    pairs = read("specials_first", "tokenizer.json")["model"]["merges"]
    old = read_changed(tmp_path, model__merges=[" ".join(p) for p in pairs])
    assert old.merges == read_changed(tmp_path).merges


@pytest.mark.parametrize(
    "changes",
    [
        # As in files of older versions, and as training leaves it.
        {"model__continuing_subword_prefix": ""},
        {"model__unk_token": "<|endoftext|>", "model__fuse_unk": True},
        {"model__dropout": 0.0, "model__end_of_word_suffix": None},
        {"decoder__add_prefix_space": True, "truncation": TRUNCATION},
        {"post_processor": None},
    ],
)
def test_what_changes_no_id_is_accepted(changes, tmp_path):
    assert read_changed(tmp_path, **changes) == read_changed(tmp_path)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"model": WORD_PIECE}, r"model\.type='WordPiece'"),
        ({"model__dropout": 0.1}, r"model\.dropout=0\.1\d*"),
        ({"model__byte_fallback": True}, r"model\.byte_fallback=True"),
        ({"model__ignore_merges": True}, r"model\.ignore_merges=True"),
        ({"model__end_of_word_suffix": "</w>"}, r"end_of_word_suffix='</w>'"),
        (
            {"model__continuing_subword_prefix": "##", "model__merges": []},
            "prefix='##'",
        ),
        ({"model__new_switch": 1}, r"model\.new_switch=1"),
        ({"normalizer": {"type": "NFC"}}, r"normalizer=\{'type': 'NFC'\}"),
        ({"pre_tokenizer": None}, r"pre_tokenizer=None"),
        ({"pre_tokenizer": {"type": "Whitespace"}}, r"type='Whitespace'"),
        (
            {"pre_tokenizer__add_prefix_space": True},
            r"pre_tokenizer\.add_prefix_space=True",
        ),
        ({"pre_tokenizer__use_regex": False}, r"use_regex=False"),
        ({"decoder": {"type": "Fuse"}}, r"decoder\.type='Fuse'"),
        ({"decoder": None}, r"decoder=None"),
    ],
)
def test_another_encoding_raises(changes, named, tmp_path):
    message = rf"must split and join texts as GPT-2's does\. .*{named}\. Use"
    with pytest.raises(ValueError, match=message):
        read_changed(tmp_path, **changes)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"new_part": {}}, ""),
        ({"model__vocab": []}, "invalid type"),
        ({"model__vocab": {"a": 1, "b": 1}, "model__merges": []}, "id=1 of bo"),
        ({"model__merges": None}, "data did not match"),
        ({"model__continuing_subword_prefix": "##"}, "slice index"),
        ({"model__merges": ["h e l"]}, "Merges text file invalid"),
        ({"post_processor": {"type": "Roberta"}}, "data did not match"),
        ({"added_tokens": 1}, "invalid type: integer `1`"),
        ({"added_tokens": ["<a>"]}, "invalid type: string"),
        ({"added_tokens": [{"id": 1}]}, "missing field `content`"),
    ],
)
def test_a_damaged_file_raises(changes, named, tmp_path):
    message = rf"must be whole .*tokenizer\.json' \(.*{named}.*\)\. Download"
    with pytest.raises(ValueError, match=message):
        read_changed(tmp_path, **changes)
