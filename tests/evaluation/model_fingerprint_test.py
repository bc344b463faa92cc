import pytest

from keras_gpt3 import GPT3
from keras_gpt3 import GPT3Preprocessor
from keras_gpt3 import GPT3Tokenizer
from keras_gpt3.evaluation.few_shot import evaluation_run as module
from keras_gpt3.evaluation.few_shot.evaluation_run import model_fingerprint
from tests.small_gpt3 import small_model
from tests.small_gpt3 import small_text_model
from tests.tokenization.small_vocabulary import small_vocabulary


@pytest.fixture(scope="module")
def model():
    return small_model()


def test_it_is_that_of_a_saved_copy(model, tmp_path):
    model.save_to_preset(tmp_path)
    copy = type(model).from_preset(tmp_path)
    assert model_fingerprint(copy) == model_fingerprint(model)


def test_one_weight_changes_it(model):
    before = model_fingerprint(model)
    bias = model.backbone.decoder_blocks[0].query_key_value.bias
    bias.assign_add(bias + 1e-7)
    after = model_fingerprint(model)
    assert after != before
    assert len(after) == 16


def test_a_setting_without_weights_changes_it(model):
    other = small_model(attention_window=3)
    other.set_weights(model.get_weights())
    assert model_fingerprint(other) != model_fingerprint(model)


def test_bfloat16_weights_have_one():
    assert model_fingerprint(small_model(dtype="bfloat16"))


@pytest.fixture(scope="module")
def text_model():
    return small_text_model()


def with_preprocessor(model, tokenizer_options=None, **options):
    """The same weights, another way from texts to ids."""
    vocabulary, merges = small_vocabulary()
    tokenizer = GPT3Tokenizer(vocabulary, merges, **(tokenizer_options or {}))
    options = {"sequence_length": 8} | options
    return GPT3(model.backbone, GPT3Preprocessor(tokenizer, **options))


def test_the_same_texts_to_the_same_ids_are_the_same_model(text_model):
    assert model_fingerprint(with_preprocessor(text_model)) == (
        model_fingerprint(text_model)
    )


@pytest.mark.parametrize(
    "options",
    [
        {"add_start_token": True},
        {"sequence_length": 9},
        {"tokenizer_options": {"split_special_tokens": True}},
        {"tokenizer_options": {"special_tokens": ["the"]}},
        {"tokenizer_options": {"start_token": "the"}},
    ],
)
def test_another_way_from_texts_to_ids_changes_it(text_model, options):
    other = with_preprocessor(text_model, **options)
    assert model_fingerprint(other) != model_fingerprint(text_model)


def test_other_ids_and_merges_change_it(text_model):
    vocabulary, merges = small_vocabulary()
    swapped = vocabulary | {"a": vocabulary["b"], "b": vocabulary["a"]}
    fewer = merges[:-1]
    found = {model_fingerprint(text_model)}
    for parts in ((swapped, merges), (vocabulary, fewer)):
        preprocessor = GPT3Preprocessor(GPT3Tokenizer(*parts), 8)
        model = GPT3(text_model.backbone, preprocessor)
        found.add(model_fingerprint(model))
    assert len(found) == 3


def test_another_version_of_the_package_changes_it(text_model, monkeypatch):
    before = model_fingerprint(text_model)
    monkeypatch.setattr(module, "__version__", "99")
    assert model_fingerprint(text_model) != before
