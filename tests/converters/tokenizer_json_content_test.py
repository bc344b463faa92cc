import json
import pathlib

import pytest

from keras_gpt3.converters.tokenizer_files import read_tokenizer
from keras_gpt3.converters.tokenizer_json import read_tokenizer_json
from keras_gpt3.converters.tokenizer_json import tokenizer_json
from tests.converters.tokenizer_folders import FIXTURES
from tests.converters.tokenizer_folders import NAMES
from tests.converters.tokenizer_folders import read
from tests.converters.tokenizer_folders import write


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
    theirs = read("specials_first", "tokenizer.json")
    files = read_tokenizer(FIXTURES / "specials_first")
    ours = json.loads(tokenizer_json(files))
    for content in (theirs, ours):
        del content["post_processor"], content["model"]["unk_token"]
    assert ours == theirs


def test_tokens_stand_in_the_order_of_their_ids():
    files = read_tokenizer(pathlib.Path(FIXTURES / "opt"))
    content = json.loads(tokenizer_json(files))
    ids = list(content["model"]["vocab"].values())
    assert ids == sorted(ids)
