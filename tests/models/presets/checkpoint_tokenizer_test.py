import json

import pytest

from keras_gpt3.models.presets.checkpoint_tokenizer import checkpoint_context
from keras_gpt3.models.presets.checkpoint_tokenizer import (
    read_checkpoint_tokenizer,
)
from keras_gpt3.models.presets.preset_resolution import resolve_preset
from keras_gpt3.models.presets.preset_resolution import stored_token_ids
from tests.converters.tokenizer_folders import FIXTURES
from tests.converters.tokenizer_folders import NAMES
from tests.converters.tokenizer_folders import write


@pytest.mark.parametrize("name", NAMES)
def test_reads_tokenizer_and_context(name):
    assert read_checkpoint_tokenizer(FIXTURES / name).merges
    assert checkpoint_context(FIXTURES / name) == 24


def test_a_checkpoint_without_tokenizer_raises(tmp_path):
    with pytest.raises(
        ValueError,
        match=r"must have a tokenizer\.json, .* which has none of them\. Pass",
    ):
        read_checkpoint_tokenizer(tmp_path)


def test_another_family_raises(tmp_path):
    config = json.dumps({"model_type": "llama"})
    (tmp_path / "config.json").write_text(config)
    with pytest.raises(ValueError, match="llama"):
        checkpoint_context(tmp_path)


def make_checkpoint(folder, config, generation_config=None):
    """A checkpoint of 8 ids whose tokenizer ends texts with the id 3."""
    write(
        folder,
        vocab_json={"h": 0, "e": 1, "he": 2, "<|endoftext|>": 3},
        merges_txt="#version: 0.2\nh e\n",
        config_json={"model_type": "gpt2", "vocab_size": 8, **config},
    )
    if generation_config is not None:
        write(folder, generation_config_json=generation_config)


@pytest.mark.parametrize(
    ("config", "generation_config", "named"),
    [
        ({"eos_token_id": 5}, None, "config.json has eos_token_id=5. Pass"),
        (
            {"eos_token_id": [3, 7]},
            None,
            "eos_token_id=[3, 7]. Pass stop_token",
        ),
        (
            {"eos_token_id": 3},
            {"eos_token_id": 5},
            "generation_config.json has",
        ),
        ({"vocab_size": 50257}, None, "has eos_token_id=50256. Pass"),
        ({"model_type": "opt"}, None, "has eos_token_id=2. Pass"),
    ],
)
def test_warns_where_transformers_would_stop_elsewhere(
    config, generation_config, named, tmp_path, caplog
):
    make_checkpoint(tmp_path, config, generation_config)
    read_checkpoint_tokenizer(tmp_path)
    (message,) = caplog.messages
    assert "the tokenizer's end, '<|endoftext|>' (id 3), but" in message
    assert named in message


@pytest.mark.parametrize(
    ("config", "generation_config"),
    [
        ({"eos_token_id": 3}, None),
        ({"eos_token_id": [3]}, None),
        ({"eos_token_id": None}, None),
        ({}, None),  # 50256, which is not among 8 ids.
        ({"eos_token_id": 5}, {"eos_token_id": 3}),
        ({"eos_token_id": 5}, {}),
        ({"model_type": "llama"}, None),
    ],
)
def test_is_silent_where_no_other_id_can_end_a_text(
    config, generation_config, tmp_path, caplog
):
    make_checkpoint(tmp_path, config, generation_config)
    assert read_checkpoint_tokenizer(tmp_path).end_token == "<|endoftext|>"
    assert caplog.messages == []


@pytest.mark.parametrize(
    ("config", "generation_config", "expected"),
    [
        ({"eos_token_id": 5}, None, {"eos_token_id": [5]}),
        ({"eos_token_id": [3, 7], "bos_token_id": 2}, None, None),
        ({"bos_token_id": 2}, {"eos_token_id": [3, 7]}, None),
        ({"eos_token_id": 5}, {}, {}),
        ({"model_type": "gpt_neo", "eos_token_id": None}, None, {}),
        (
            {"model_type": "opt"},
            None,
            {"bos_token_id": 2, "eos_token_id": [2], "pad_token_id": 1},
        ),
    ],
)
def test_special_ids_are_those_that_transformers_reads(
    config, generation_config, expected, tmp_path
):
    make_checkpoint(tmp_path, config, generation_config)
    if expected is None:
        expected = {"bos_token_id": 2, "eos_token_id": [3, 7]}
    # The defaults of GPT-2 and GPT-Neo are above their 8 ids.
    assert stored_token_ids(resolve_preset(tmp_path), 8) == expected


@pytest.mark.parametrize("ids", ["</s>", [1, "2"], True, 1.0])
def test_what_is_no_id_cannot_end_a_text(ids, tmp_path):
    make_checkpoint(tmp_path, {"eos_token_id": ids})
    with pytest.raises(
        ValueError,
        match=r"must be an id, a list of ids or null\. Received: .*on",
    ):
        read_checkpoint_tokenizer(tmp_path)
