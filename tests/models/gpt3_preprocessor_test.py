import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_gpt3 import preset_loader
from keras_gpt3.converters.tokenizer_files import read_tokenizer
from keras_gpt3.models.gpt3_preprocessor import GPT3Preprocessor
from keras_gpt3.models.gpt3_tokenizer import GPT3Tokenizer
from tests.converters.tokenizer_folders import FIXTURES
from tests.converters.tokenizer_folders import expected_texts
from tests.tokenization.small_vocabulary import small_vocabulary

END = small_vocabulary()[0]["<|endoftext|>"]
A, B, C = (ord(letter) for letter in "abc")


@pytest.fixture
def preprocessor():
    tokenizer = GPT3Tokenizer(*small_vocabulary())
    return GPT3Preprocessor(tokenizer, sequence_length=4)


def to_lists(outputs):
    return keras.tree.map_structure(lambda x: np.array(x).tolist(), outputs)


EXPECTED = (
    {
        "token_ids": [[A, B, END, END], [A, B, C, A]],
        "padding_mask": [[True, True, True, False], [True] * 4],
    },
    # The second document is cut: it has no end here.
    [[B, END, END, END], [B, C, A, B]],
    [[True, True, False, False], [True] * 4],
)


def test_documents_end_with_end_of_text_and_labels_are_shifted(preprocessor):
    assert to_lists(preprocessor(["ab", "abcabc"])) == EXPECTED


def test_a_dataset_gives_the_same(preprocessor):
    texts = tf.data.Dataset.from_tensor_slices(["ab", "abcabc"])
    batches = texts.batch(2).map(preprocessor)
    x, y, sample_weight = batches.element_spec
    assert x["token_ids"] == y == tf.TensorSpec([None, 4], tf.int32)
    assert sample_weight == tf.TensorSpec([None, 4], tf.bool)
    assert to_lists(next(iter(batches))) == EXPECTED
    singles = texts.map(preprocessor)
    assert singles.element_spec[1] == tf.TensorSpec([4], tf.int32)
    assert [to_lists(single[1]) for single in singles] == EXPECTED[1]


def test_one_string_gives_one_row(preprocessor):
    x, y, sample_weight = preprocessor("ab")
    assert to_lists(x["token_ids"]) == EXPECTED[0]["token_ids"][0]
    assert to_lists(y) == EXPECTED[1][0]
    assert to_lists(sample_weight) == EXPECTED[2][0]


@pytest.mark.parametrize("length", [3, 4, 5])
def test_the_end_follows_a_document_exactly_where_it_fits(length, preprocessor):
    _, labels, weights = preprocessor("a" * length)
    ends = np.array(labels)[np.array(weights)] == END
    assert ends.sum() == (length < 5)


def test_sequence_length_can_be_overridden(preprocessor):
    x, _, _ = preprocessor("ab", sequence_length=2)
    assert to_lists(x["token_ids"]) == [A, B]


@pytest.mark.parametrize("add_start_token", [False, True])
def test_prompts_get_a_start_token_only_if_asked(add_start_token):
    preprocessor = GPT3Preprocessor(
        GPT3Tokenizer(*small_vocabulary()),
        sequence_length=4,
        add_start_token=add_start_token,
    )
    start = [END] * add_start_token
    texts = tf.data.Dataset.from_tensors(["ab"])
    in_graph = next(iter(texts.map(preprocessor.generate_preprocess)))
    for prompt in (preprocessor.generate_preprocess(["ab"]), in_graph):
        ids = [*start, A, B, END, END][:4]
        mask = [True] * (2 + add_start_token) + [False] * 2
        assert to_lists(prompt["token_ids"]) == [ids]
        assert to_lists(prompt["padding_mask"]) == [mask[:4]]


def test_generate_postprocess_reverses_generate_preprocess(preprocessor):
    for prompts in ("ab", ["ab", "é"]):
        ids = preprocessor.generate_preprocess(prompts)
        assert preprocessor.generate_postprocess(ids) == prompts


def test_a_prompt_may_fill_the_length(preprocessor):
    prompt = preprocessor.generate_preprocess("abcab", sequence_length=5)
    assert to_lists(prompt["token_ids"]) == [A, B, C, A, B]


@pytest.mark.parametrize("prompts", ["abcab", ["a", "abcab"]])
def test_a_prompt_that_is_too_long_raises(preprocessor, prompts):
    message = (
        r"A prompt must fit sequence_length\. Received: a prompt of 5 tokens, "
        r"sequence_length=4\. Shorten the prompt or raise `max_length`"
    )
    with pytest.raises(ValueError, match=message):
        preprocessor.generate_preprocess(prompts)


def test_the_start_token_counts(preprocessor):
    preprocessor.add_start_token = True
    with pytest.raises(ValueError, match="a prompt of 5 tokens"):
        preprocessor.generate_preprocess("abca")


@pytest.mark.parametrize("prompts", ["", ["a", ""], []])
def test_an_empty_prompt_raises(preprocessor, prompts):
    message = (
        r"A prompt must have at least one token\. Received: tokens=0\. "
        r"Pass <\|endoftext\|> to start from nothing\."
    )
    with pytest.raises(ValueError, match=message):
        preprocessor.generate_preprocess(prompts)
    prompt = preprocessor.generate_preprocess("<|endoftext|>")
    assert to_lists(prompt["padding_mask"]) == [True, False, False, False]


def test_survives_serialization(preprocessor):
    config = keras.saving.serialize_keras_object(preprocessor)
    restored = keras.saving.deserialize_keras_object(
        json.loads(json.dumps(config))
    )
    assert restored.get_config() == preprocessor.get_config()
    restored.tokenizer.set_vocabulary_and_merges(*small_vocabulary())
    assert to_lists(restored(["ab", "abcabc"])) == EXPECTED


def test_survives_a_preset_folder(preprocessor, tmp_path, monkeypatch):
    for cls in (GPT3Tokenizer, GPT3Preprocessor):
        monkeypatch.setattr(cls, "backbone_cls", keras.Model)
    preprocessor.save_to_preset(tmp_path)
    config = json.dumps({"registered_name": "Functional"})
    (tmp_path / "config.json").write_text(config)
    restored = GPT3Preprocessor.from_preset(str(tmp_path))
    assert to_lists(restored(["ab", "abcabc"])) == EXPECTED
    longer = GPT3Preprocessor.from_preset(str(tmp_path), sequence_length=9)
    assert longer.sequence_length == 9


def test_a_shipped_preset_sets_tokenizer_and_length():
    preset = preset_loader.load_shipped_preset("gpt3_175b_en")
    preprocessor = GPT3Preprocessor.from_preset("gpt3_175b_en")
    context = preset["backbone"]["max_sequence_length"]
    assert preprocessor.sequence_length == context == 2048
    x, _, _ = preprocessor("Hello world")
    assert to_lists(x["token_ids"])[:3] == [15496, 995, 50256]
    shorter = GPT3Preprocessor.from_preset("gpt3_175b_en", sequence_length=8)
    assert shorter.sequence_length == 8


def test_a_checkpoint_sets_tokenizer_length_and_start_token():
    opt = GPT3Preprocessor.from_preset(FIXTURES / "opt")
    assert opt.sequence_length == 24
    texts, ids = expected_texts("opt")
    assert opt.prompt_ids(texts) == ids
    x, y, _ = opt("hello", sequence_length=9)
    length = int(np.sum(x["padding_mask"]))
    start, end, pad = 2, 2, 1
    assert x["token_ids"][0] == start
    assert y[length - 2] == end
    assert set(np.array(x["token_ids"][length:])) == {pad}
    gpt2 = GPT3Preprocessor.from_preset(FIXTURES / "specials_first")
    assert not gpt2.add_start_token


def test_arguments_come_before_what_a_checkpoint_says():
    tokenizer = GPT3Tokenizer(*small_vocabulary())
    preprocessor = GPT3Preprocessor.from_preset(
        FIXTURES / "opt",
        tokenizer=tokenizer,
        sequence_length=7,
        add_start_token=False,
    )
    assert preprocessor.tokenizer is tokenizer
    assert preprocessor.sequence_length == 7
    assert not preprocessor.add_start_token


@pytest.mark.parametrize("add_start_token", [False, True])
def test_exports_whether_there_is_a_start_token(add_start_token, tmp_path):
    preprocessor = GPT3Preprocessor.from_preset(
        FIXTURES / "opt", add_start_token=add_start_token
    )
    preprocessor.export_to_transformers(tmp_path)
    assert read_tokenizer(tmp_path).add_start_token is add_start_token


def test_a_shipped_preset_takes_another_tokenizer():
    tokenizer = GPT3Tokenizer(*small_vocabulary())
    preprocessor = GPT3Preprocessor.from_preset(
        "gpt3_small_en", tokenizer=tokenizer
    )
    assert preprocessor.tokenizer is tokenizer


def test_bad_text_raises_one_line(preprocessor):
    with pytest.raises(ValueError, match="a lone surrogate") as error:
        preprocessor(["a\ud800"])
    assert "\n" not in str(error.value)
