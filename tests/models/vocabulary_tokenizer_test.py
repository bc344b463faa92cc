import json

import pytest

from keras_gpt3.models.vocabulary_tokenizer import VocabularyTokenizer
from tests.tokenization.small_vocabulary import small_vocabulary

END = "<|endoftext|>"
ROLES = {"end_token": END, "pad_token": "!"}


def build(vocabulary=None, merges=None, special_tokens=("hello",)):
    return VocabularyTokenizer(
        vocabulary, merges, special_tokens, ROLES, dtype="int32"
    )


def test_holds_tokens_with_and_without_roles():
    tokenizer = build(*small_vocabulary(), special_tokens=("hello", "!"))
    assert tokenizer.special_tokens == [END, "!", "hello"]
    ids = [tokenizer.token_to_id(t) for t in (END, "!", "hello")]
    assert tokenizer.special_token_ids == ids
    assert (tokenizer.end_token_id, tokenizer.pad_token_id) == (ids[0], ids[1])


def test_waits_for_a_vocabulary(tmp_path):
    build(*small_vocabulary()).save_assets(tmp_path)
    tokenizer = build()
    assert tokenizer.vocabulary is tokenizer.merges is None
    assert tokenizer.end_token_id is None
    with pytest.raises(ValueError, match="A vocabulary must be set before"):
        tokenizer.special_token_ids  # noqa: B018
    tokenizer.load_assets(tmp_path)
    vocabulary, merges = small_vocabulary()
    assert tokenizer.vocabulary == vocabulary
    assert tokenizer.merges == merges
    assert tokenizer.encoding.special_tokens == (END, "!", "hello")
    assert json.loads((tmp_path / "vocabulary.json").read_text()) == vocabulary


@pytest.mark.parametrize("name", ["vocabulary.json", "merges.txt"])
def test_a_preset_without_a_file_says_which_folder_to_copy(tmp_path, name):
    files = tmp_path / "assets" / "tokenizer"
    files.mkdir(parents=True)
    build(*small_vocabulary()).save_assets(files)
    tokenizer = build()
    tokenizer.load_preset_assets(str(tmp_path))
    assert tokenizer.vocabulary == small_vocabulary()[0]
    (files / name).unlink()
    with pytest.raises(FileNotFoundError) as error:
        build().load_preset_assets(str(tmp_path))
    assert str(error.value) == (
        "A preset with a tokenizer must hold its files. Received: "
        f"preset='{tmp_path}', without vocabulary.json or merges.txt in "
        "assets/tokenizer. Copy the whole folder that save_to_preset wrote, "
        "or pass preprocessor=None to from_preset."
    )
