import dataclasses
import json
import shutil

import pytest
import tensorflow as tf

from keras_gpt3.converters.tokenizer_files import TokenizerFiles
from keras_gpt3.converters.tokenizer_files import read_tokenizer
from keras_gpt3.converters.tokenizer_files import write_tokenizer
from keras_gpt3.tokenization.byte_pair_encoding import BytePairEncoding
from keras_gpt3.tokenization.graph.byte_pair_encoding import (
    GraphBytePairEncoding,
)
from tests.converters.tokenizer_folders import FIXTURES
from tests.converters.tokenizer_folders import NAMES
from tests.converters.tokenizer_folders import expected_texts
from tests.converters.tokenizer_folders import read
from tests.converters.tokenizer_folders import write

END = "<|endoftext|>"
MERGES = "#version: 0.2\nh e\n"
VOCABULARY = {"h": 0, "e": 1, "he": 2, END: 3, "</s>": 4}


def encoding_arguments(files):
    return files.vocabulary, files.merges, files.special_tokens


@pytest.mark.parametrize("name", NAMES)
def test_gives_the_ids_that_transformers_gives(name):
    files = read_tokenizer(FIXTURES / name)
    starts = [files.vocabulary[files.start_token]] * files.add_start_token
    texts, expected = expected_texts(name)
    encoding = BytePairEncoding(*encoding_arguments(files))
    got = encoding.encode_batch(texts)
    assert [starts + ids for ids in got] == expected
    graph = GraphBytePairEncoding(*encoding_arguments(files))
    got = graph.encode(tf.constant(texts)).to_list()
    assert [starts + ids for ids in got] == expected


def test_knows_what_opt_s_files_say():
    files = read_tokenizer(str(FIXTURES / "opt"))
    assert (files.start_token, files.end_token) == ("</s>", "</s>")
    assert files.pad_token == "<pad>"
    assert files.special_tokens == ("<pad>", "</s>")
    assert files.add_start_token
    assert files.vocabulary["</s>"] == 2
    assert "madeupword0000" in files.vocabulary


def test_added_tokens_are_special_and_in_the_vocabulary():
    files = read_tokenizer(FIXTURES / "added_tokens")
    assert files.special_tokens == (END, "<|pad|>", "<|pad|>>")
    assert files.pad_token == "<|pad|>"
    assert files.vocabulary["<|pad|>>"] == 321


@pytest.mark.parametrize("kept", ["all", "vocab", "json"])
@pytest.mark.parametrize("name", NAMES)
def test_reads_back_what_it_writes(name, kept, tmp_path):
    files = read_tokenizer(FIXTURES / name)
    write_tokenizer(tmp_path, files)
    if kept == "vocab":
        (tmp_path / "tokenizer.json").unlink()
    if kept == "json":
        (tmp_path / "vocab.json").unlink()
        (tmp_path / "merges.txt").unlink()
    assert read_tokenizer(tmp_path) == files


def test_writes_what_transformers_read_before(tmp_path):
    write_tokenizer(tmp_path, read_tokenizer(FIXTURES / "opt"))
    for file in ("vocab.json", "merges.txt"):
        written, expected = tmp_path / file, FIXTURES / "opt" / file
        assert written.read_text("utf-8") == expected.read_text("utf-8")
    special = json.loads((tmp_path / "special_tokens_map.json").read_text())
    expected = read("opt", "special_tokens_map.json")
    assert special == {
        role: token["content"] for role, token in expected.items()
    }


def test_no_files_are_no_tokenizer(tmp_path):
    assert read_tokenizer(tmp_path) is None


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, (END, END, END, False)),
        ({"eos_token": "</s>"}, (END, "</s>", "</s>", False)),
        ({"bos_token": None, "eos_token": "</s>"}, ("</s>",) * 3 + (False,)),
        ({"pad_token": "</s>"}, (END, END, "</s>", False)),
        ({"add_bos_token": True}, (END, END, END, True)),
    ],
)
def test_roles_are_those_of_the_settings(config, expected, tmp_path):
    write(tmp_path, vocab_json=VOCABULARY, merges_txt=MERGES)
    write(tmp_path, tokenizer_config_json=config)
    files = read_tokenizer(tmp_path)
    assert dataclasses.astuple(files)[3:] == expected


def test_a_tokenizer_json_decides_about_the_start_token(tmp_path):
    # transformers drops add_bos_token where there is a tokenizer.json.
    shutil.copy(FIXTURES / "specials_first" / "tokenizer.json", tmp_path)
    write(tmp_path, tokenizer_config_json={"add_bos_token": True})
    assert not read_tokenizer(tmp_path).add_start_token


@pytest.mark.parametrize("present", ["vocab", "merges"])
def test_one_file_alone_raises(present, tmp_path):
    missing = {"vocab": "merges.txt", "merges": "vocab.json"}[present]
    if present == "vocab":
        write(tmp_path, vocab_json=VOCABULARY)
    else:
        write(tmp_path, merges_txt=MERGES)
    with pytest.raises(ValueError, match=rf"{missing}' \(the file is missing"):
        read_tokenizer(tmp_path)


@pytest.mark.parametrize("file", ["vocab.json", "merges.txt"])
def test_files_that_disagree_raise(file, tmp_path):
    files = read_tokenizer(FIXTURES / "specials_first")
    write_tokenizer(tmp_path, files)
    if file == "vocab.json":
        write(tmp_path, vocab_json=files.vocabulary | {"new": 999})
    else:
        write(tmp_path, merges_txt="\n".join(files.merges[:-1]))
    message = rf"{file}' \(it differs from tokenizer\.json beside it\)\. Down"
    with pytest.raises(ValueError, match=message):
        read_tokenizer(tmp_path)


def test_a_merges_txt_that_was_cut_between_two_rules_raises(tmp_path):
    files = read_tokenizer(FIXTURES / "opt")
    write(tmp_path, vocab_json=files.vocabulary)
    write(tmp_path, tokenizer_config_json={"tokenizer_class": None})
    cut = "\n".join(files.merges[:5])
    write(tmp_path, merges_txt=cut)
    with pytest.raises(ValueError, match=r"merges\.txt' \(no rule makes '"):
        read_tokenizer(tmp_path)


@pytest.mark.parametrize("role", ["eos_token", "mask_token"])
def test_a_special_token_that_no_file_numbers_raises(role, tmp_path):
    write(tmp_path, vocab_json=VOCABULARY, merges_txt=MERGES)
    write(tmp_path, special_tokens_map_json={role: "<new>"})
    with pytest.raises(
        ValueError,
        match=r"special_tokens_map\.json', special token='<new>'\. Add it to ",
    ):
        read_tokenizer(tmp_path)


def test_needs_an_end_token(tmp_path):
    write(tmp_path, vocab_json=VOCABULARY, merges_txt=MERGES)
    write(tmp_path, tokenizer_config_json={"eos_token": None})
    with pytest.raises(ValueError, match=r"eos_token=None\. Name the token"):
        read_tokenizer(tmp_path)


def test_the_default_unknown_token_counts_only_where_it_is_known(tmp_path):
    vocabulary = {t: i for t, i in VOCABULARY.items() if t != END}
    roles = {"bos_token": "</s>", "eos_token": "</s>"}
    write(tmp_path, vocab_json=vocabulary, merges_txt=MERGES)
    write(tmp_path, tokenizer_config_json=roles)
    expected = TokenizerFiles(
        vocabulary, ["h e"], ("</s>",), "</s>", "</s>", "</s>", False
    )
    assert read_tokenizer(tmp_path) == expected
