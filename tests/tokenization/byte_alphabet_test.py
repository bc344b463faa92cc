import json

import pytest

from keras_gpt3 import preset_loader
from keras_gpt3.tokenization.vocabulary import BYTE_SYMBOLS
from keras_gpt3.tokenization.vocabulary import symbols_to_bytes


def test_symbols_are_the_one_character_tokens_of_the_shipped_vocabulary():
    encoder_path, _ = preset_loader.vocabulary_paths()
    vocabulary = json.loads(encoder_path.read_text("utf-8"))
    single = {token for token in vocabulary if len(token) == 1}
    assert set(BYTE_SYMBOLS) == single
    assert len(BYTE_SYMBOLS) == 256


def test_spells_every_byte():
    assert symbols_to_bytes("".join(BYTE_SYMBOLS)) == bytes(range(256))
    assert symbols_to_bytes("ĠtheĊ") == b" the\n"


def test_knows_no_space():
    with pytest.raises(KeyError, match=" "):
        symbols_to_bytes(" the")
