import json
import pathlib

import pytest

from keras_gpt3.converters.tokenizer_files import read_tokenizer
from keras_gpt3.converters.tokenizer_json import add_tokens
from keras_gpt3.converters.tokenizer_json import check_one_pass
from keras_gpt3.converters.tokenizer_json import damaged
from keras_gpt3.converters.tokenizer_json import foreign
from keras_gpt3.converters.tokenizer_json import read_json_object
from keras_gpt3.converters.tokenizer_json import read_start_token
from keras_gpt3.converters.tokenizer_json import read_tokenizer_json
from keras_gpt3.converters.tokenizer_json import token_content
from keras_gpt3.converters.tokenizer_json import tokenizer_json
from tests.converters.tokenizer_folders import FIXTURES
from tests.converters.tokenizer_folders import NAMES
from tests.converters.tokenizer_folders import changed
from tests.converters.tokenizer_folders import read
from tests.converters.tokenizer_folders import write

# === Tokenizer json ===


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


# === Tokenizer added tokens ===


FLAGS = {"lstrip": False, "rstrip": False, "single_word": False}


@pytest.mark.parametrize(
    "token",
    [
        "<a>",
        {"content": "<a>"},
        {"content": "<a>", **FLAGS, "normalized": True, "special": False},
    ],
)
def test_a_token_is_a_string_or_an_object(token):
    assert token_content("a.json", "eos_token", token) == "<a>"


@pytest.mark.parametrize("flag", FLAGS)
def test_a_token_that_takes_more_than_itself_raises(flag):
    token = {"content": "<a>", **FLAGS, flag: True}
    with pytest.raises(ValueError, match=rf"{flag} of '<a>'=True\. Use the"):
        token_content("a.json", "eos_token", token)


@pytest.mark.parametrize("token", ["", 3, None, [], {}, {"content": ""}])
def test_what_is_no_token_raises(token):
    with pytest.raises(ValueError, match=r"a\.json' \(eos_token=.*\)\. Down"):
        token_content("a.json", "eos_token", token)


@pytest.mark.parametrize(
    ("normalized", "other"),
    [(True, "<b>"), (False, "<a><b>"), (False, "<a"), (False, "><c>")],
)
def test_one_pass_finds_tokens_that_do_not_overlap(normalized, other):
    first = {"content": "<a>", "normalized": False}
    check_one_pass("a", [first, {"content": other, "normalized": normalized}])


@pytest.mark.parametrize("other", ["<a><b>", "a", "><c>", "<<"])
def test_tokens_of_two_passes_must_not_overlap(other):
    second = {"content": other, "normalized": True}
    message = f"normalized of '<a>'=False. Give '{other}', which overlaps"
    with pytest.raises(ValueError, match=message):
        check_one_pass("a.json", [second, {"content": "<a>"}])


def test_adds_new_tokens_and_keeps_known_ones():
    vocabulary = {"a": 0, "<b>": 1}
    added = [("x.json", "<b>", 1), ("x.json", "<c>", 2), ("y.json", "<c>", 2)]
    assert add_tokens(vocabulary, added) == {"a": 0, "<b>": 1, "<c>": 2}
    assert vocabulary == {"a": 0, "<b>": 1}


@pytest.mark.parametrize("ids", [(3, 4), (2, 4), (4, 2)])
def test_a_hole_before_a_new_id_raises(ids):
    # transformers would number them 2 and 3, whatever the file says.
    added = [("x.json", f"<{id}>", id) for id in ids]
    wrong = max(ids) if 2 in ids else min(ids)
    message = (
        rf"x\.json', id of '<{wrong}>'={wrong}\. Give it the id {wrong - 1},"
    )
    with pytest.raises(ValueError, match=message) as error:
        add_tokens({"a": 0, "<b>": 1}, added)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("token", "id", "named"),
    [
        ("<b>", 0, "id=0 of both 'a' and '<b>'"),
        ("a", 1, "id of 'a' is 1, elsewhere 0"),
        ("<b>", "1", "id of '<b>' is '1'"),
        ("<b>", -1, "id of '<b>' is -1"),
        ("<b>", True, "id of '<b>' is True"),
    ],
)
def test_ids_that_clash_raise(token, id, named):
    with pytest.raises(ValueError, match=rf"x\.json' \({named}\)\. Download"):
        add_tokens({"a": 0}, [("x.json", token, id)])


# === Tokenizer json content ===


@pytest.mark.parametrize("name", NAMES)
def test_is_read_as_what_it_was_made_of(name, tmp_path):
    files = read_tokenizer(FIXTURES / name)
    write(tmp_path, tokenizer_json=tokenizer_json(files))
    got = read_tokenizer_json(tmp_path / "tokenizer.json")
    assert (got.vocabulary, got.merges) == (files.vocabulary, files.merges)
    special = {token for _, token, _ in got.added_tokens}
    assert special == set(files.special_tokens)
    assert got.start_token == (files.start_token if name == "opt" else None)


def test_says_what_transformers_says():
    expected = read("specials_first", "tokenizer.json")
    files = read_tokenizer(FIXTURES / "specials_first")
    written = json.loads(tokenizer_json(files))
    for content in (expected, written):
        del content["post_processor"], content["model"]["unk_token"]
    assert written == expected


def test_tokens_stand_in_the_order_of_their_ids():
    files = read_tokenizer(pathlib.Path(FIXTURES / "opt"))
    content = json.loads(tokenizer_json(files))
    ids = list(content["model"]["vocab"].values())
    assert ids == sorted(ids)


# === Tokenizer json object ===


def test_reads_an_object_or_nothing(tmp_path):
    path = tmp_path / "a.json"
    assert read_json_object(path) is None
    path.write_text('{"é": 1}', "utf-8")
    assert read_json_object(path) == {"é": 1}


@pytest.mark.parametrize(
    "content",
    [
        b'{"a": 1',
        b"",
        b"[]",
        b"5",
        b"null",
        b"\xff{}",
        b'{"a":\n "b}',
        b'{"a":' * 10**5,
    ],
)
def test_a_damaged_file_is_named_in_one_line(content, tmp_path):
    path = tmp_path / "vocab.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="whole and in its format") as caught:
        read_json_object(path)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message


def test_errors_have_one_form():
    assert str(damaged("a.json", "two\nlines.")) == (
        "A tokenizer's file must be whole and in its format. Received: "
        "file='a.json' (two lines). Download it again."
    )
    assert str(foreign("a.json", "model.dropout", 0.1)) == (
        "A checkpoint's tokenizer must split and join texts as GPT-2's does. "
        "Received: file='a.json', model.dropout=0.1. Use the tokenizer of a "
        "GPT-2, or pass preprocessor=None and work on token ids."
    )


# === Tokenizer post processor ===


BYTE_LEVEL = {"type": "ByteLevel", "trim_offsets": False}
TEXT = {"Sequence": {"id": "A", "type_id": 0}}
START = {"SpecialToken": {"id": "</s>", "type_id": 0}}
TOKENS = {"</s>": {"id": "</s>", "ids": [2], "tokens": ["</s>"]}}


def template(*single, tokens=TOKENS):
    return {
        "type": "TemplateProcessing",
        "single": list(single),
        "pair": [],
        "special_tokens": tokens,
    }


def sequence(*processors):
    return {"type": "Sequence", "processors": list(processors)}


@pytest.mark.parametrize(
    ("processor", "start"),
    [
        (None, None),
        (BYTE_LEVEL, None),
        (template(TEXT), None),
        (template(START, TEXT), ("</s>", 2)),
        (sequence(), None),
        (sequence(BYTE_LEVEL, template(START, TEXT)), ("</s>", 2)),
    ],
)
def test_reads_what_stands_before_a_text(processor, start):
    assert read_start_token("a.json", processor) == start


@pytest.mark.parametrize(
    "processor",
    [
        {"type": "RobertaProcessing"},
        template(TEXT, START),
        template(START, TEXT, START),
        template(START, START, TEXT),
        template(START, {"Sequence": {"id": "B", "type_id": 0}}),
        template(START, TEXT, tokens={}),
        template(START, TEXT, tokens={"</s>": {"tokens": ["a"], "ids": []}}),
        template(),
        sequence(template(START, TEXT), template(START, TEXT)),
    ],
)
def test_anything_else_raises(processor):
    with pytest.raises(ValueError, match=r"a\.json', post_processor.*=.* Use"):
        read_start_token("a.json", processor)
