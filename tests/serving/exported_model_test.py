import re

import numpy as np
import pytest
import tensorflow as tf

from tests.serving.conftest import CONTEXT
from tests.small_gpt3 import small_text_model


def call_generate(model, **changes):
    inputs = dict(model.signatures["generate"].defaults)
    inputs |= {"prompts": np.array([b"a"], object), "max_new_tokens": 3}
    return model.call("generate", inputs | changes)


def test_what_no_signature_says_is_in_the_export(model):
    assert model.context == CONTEXT
    ids = np.arange(small_text_model().backbone.vocabulary_size)
    tokens = {"token_ids": ids[:, None], "lengths": np.ones(len(ids), "int32")}
    texts = model.call("detokenize", tokens)["texts"]
    assert model.max_text_bytes == CONTEXT * max(map(len, texts))


def test_options_may_be_left_out_and_inputs_may_not(model):
    signature = model.signatures["generate"]
    assert signature.required == ("prompts",)
    assert signature.defaults["max_new_tokens"].tolist() == [64]
    assert model.signatures["score"].required == ("contexts", "continuations")


@pytest.mark.parametrize(
    "changes, message",
    [
        (
            {"temperature": -1.0},
            "temperature must be a finite number of at least 0. Received: "
            "temperature=-1. Use 0 for greedy decoding.",
        ),
    ],
)
def test_a_refusal_is_one_sentence(model, changes, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        call_generate(model, **changes)


def test_what_tensorflow_refuses_is_one_sentence(model):
    # Caches of another shape than the layers'.
    inputs = {"token_ids": np.zeros((1, 3)), "index": 1, "end": 3}
    inputs |= {
        name: np.zeros([size or 1 for size in spec.shape])
        for name, spec in model.signatures["extend"].inputs.items()
        if spec.shape.rank == 5
    }
    inputs["dense_values"] = np.zeros((1, 1, 2, 9, 8))
    inputs["dense_keys"] = np.zeros((1, 1, 2, 3, 8))
    inputs |= model.signatures["extend"].defaults
    with pytest.raises(
        ValueError, match="^Inputs must be such as extend takes. Received: "
    ) as error:
        model.call("extend", inputs)
    assert str(error.value).endswith(". See the metadata for its inputs.")
    assert "\n" not in str(error.value)


def test_definitions_are_tensorflow_servings(model):
    tokenize = model.definitions()["tokenize"]
    (text,) = tokenize["inputs"].values()
    assert text["dtype"] == "DT_STRING"
    assert text["tensor_shape"] == {
        "dim": [{"size": "-1", "name": ""}],
        "unknown_rank": False,
    }
    assert tokenize["method_name"] == "tensorflow/serving/predict"
    assert set(tokenize["outputs"]) == {"token_ids", "lengths"}


def test_the_default_signature_needs_no_options(model, alone):
    default = model._loaded.signatures["serving_default"]
    answers = [
        default(prompts=tf.constant(["the cat"]), max_new_tokens=tf.constant(5))
        for _ in range(2)
    ]
    expected = alone("the cat", max_new_tokens=5)
    for answer in answers:
        assert answer["num_prompt_tokens"] == expected["num_prompt_tokens"]
    assert answers[0]["texts"] != answers[1]["texts"]
    assert model.signatures["serving_default"].required == ("prompts",)
