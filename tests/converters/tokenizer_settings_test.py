import json

import pytest

from keras_gpt3.converters.tokenizer_files import read_tokenizer
from keras_gpt3.converters.tokenizer_settings import read_tokenizer_settings
from keras_gpt3.converters.tokenizer_settings import tokenizer_settings
from keras_gpt3.converters.tokenizer_settings import write_max_length
from tests.converters.tokenizer_folders import FIXTURES
from tests.converters.tokenizer_folders import write

END = "<|endoftext|>"
ROLES = {"bos_token": END, "eos_token": END, "unk_token": END}


def test_without_files_they_are_gpt2s(tmp_path):
    settings = read_tokenizer_settings(tmp_path)
    assert settings.defaults == ROLES
    assert settings.named == {}
    assert settings.added_tokens == settings.more == []
    assert not settings.add_start_token


def test_the_old_map_overrules_the_config(tmp_path):
    write(
        tmp_path,
        tokenizer_config_json={"eos_token": "a", "pad_token": "b"},
        special_tokens_map_json={"eos_token": {"content": "c"}},
        added_tokens_json={"<new>": 7},
    )
    settings = read_tokenizer_settings(tmp_path)
    assert settings.named == {"eos_token": "c", "pad_token": "b"}
    path = tmp_path / "added_tokens.json"
    assert settings.added_tokens == [(path, "<new>", 7)]


def test_added_tokens_in_the_config_overrule_the_old_files(tmp_path):
    write(
        tmp_path,
        tokenizer_config_json={
            "eos_token": "a",
            "added_tokens_decoder": {"3": {"content": "<d>", "special": True}},
        },
        special_tokens_map_json={"eos_token": "c"},
        added_tokens_json={"<new>": 7},
    )
    settings = read_tokenizer_settings(tmp_path)
    assert settings.named == {"eos_token": "a"}
    path = tmp_path / "tokenizer_config.json"
    assert settings.added_tokens == [(path, "<d>", 3)]


@pytest.mark.parametrize(
    ("config", "more"),
    [
        ({"additional_special_tokens": ["<a>", {"content": "<b>"}]}, 2),
        ({"extra_special_tokens": {"image_token": "<i>"}}, 1),
        ({"extra_special_tokens": None}, 0),
    ],
)
def test_knows_lists_of_special_tokens(config, more, tmp_path):
    write(tmp_path, tokenizer_config_json=config)
    assert len(read_tokenizer_settings(tmp_path).more) == more


@pytest.mark.parametrize(
    "name", ["PreTrainedTokenizerFast", "TokenizersBackend"]
)
def test_only_gpt2s_class_has_defaults(name, tmp_path):
    config = {"tokenizer_class": name, "eos_token": "a"}
    write(tmp_path, tokenizer_config_json=config)
    settings = read_tokenizer_settings(tmp_path)
    assert settings.defaults == {}
    assert settings.named == {"eos_token": "a"}


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ({"tokenizer_class": "LlamaTokenizer"}, "tokenizer_class='LlamaTok"),
        ({"tokenizer_class": 3}, "tokenizer_class=3"),
        ({"add_prefix_space": True}, "add_prefix_space=True"),
        ({"add_eos_token": True}, "add_eos_token=True"),
        ({"do_lower_case": True}, "do_lower_case=True"),
        ({"split_special_tokens": True}, "split_special_tokens=True"),
        ({"eos_token": {"content": "a", "lstrip": True}}, "lstrip of 'a'=True"),
        ({"eos_token": 5}, "eos_token=5"),
        ({"added_tokens_decoder": []}, r"added_tokens_decoder=\[\]"),
        ({"added_tokens_decoder": {"x": "a"}}, "id='x' in added_tokens_dec"),
    ],
)
def test_what_is_not_as_gpt2s_raises(config, named, tmp_path):
    write(tmp_path, tokenizer_config_json=config)
    with pytest.raises(ValueError, match=rf"tokenizer_config\.json'.*{named}"):
        read_tokenizer_settings(tmp_path)


@pytest.mark.parametrize("name", ["opt", "added_tokens"])
def test_reads_back_what_it_describes(name, tmp_path):
    files = read_tokenizer(FIXTURES / name)
    config, special = tokenizer_settings(files)
    write(tmp_path, tokenizer_config_json=config)
    settings = read_tokenizer_settings(tmp_path)
    assert settings.named == special
    assert settings.add_start_token == files.add_start_token
    tokens = [token for _, token, _ in settings.added_tokens]
    assert tokens == list(files.special_tokens)


@pytest.mark.parametrize("clean_up", [False, True])
def test_says_where_transformers_would_change_decoded_texts(
    clean_up, tmp_path, caplog
):
    config = {"clean_up_tokenization_spaces": clean_up}
    write(tmp_path, tokenizer_config_json=config)
    read_tokenizer_settings(tmp_path)
    assert ("drops spaces before punctuation" in caplog.text) == clean_up


def test_remembers_which_file_names_a_token(tmp_path):
    write(
        tmp_path,
        tokenizer_config_json={"eos_token": "a", "pad_token": "b"},
        special_tokens_map_json={
            "eos_token": "c",
            "additional_special_tokens": ["<d>"],
        },
    )
    paths = read_tokenizer_settings(tmp_path).paths
    assert {token: path.name for token, path in paths.items()} == {
        "a": "tokenizer_config.json",
        "b": "tokenizer_config.json",
        "c": "special_tokens_map.json",
        "<d>": "special_tokens_map.json",
    }


def test_the_longest_length_is_added(tmp_path):
    write(tmp_path, tokenizer_config_json={"eos_token": "\u0120"})
    write_max_length(tmp_path, 7)
    text = (tmp_path / "tokenizer_config.json").read_text("utf-8")
    assert json.loads(text) == {
        "eos_token": "\u0120",
        "model_max_length": 7,
    }
