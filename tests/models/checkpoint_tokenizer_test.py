import json

import pytest

from keras_gpt3.models.checkpoint_tokenizer import checkpoint_context
from keras_gpt3.models.checkpoint_tokenizer import read_checkpoint_tokenizer
from tests.converters.tokenizer_folders import FIXTURES
from tests.converters.tokenizer_folders import NAMES


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
