import pytest

from keras_gpt3.evaluation.model_fingerprint import model_fingerprint
from tests.small_gpt3 import small_model


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
