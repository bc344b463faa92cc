import re

import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from keras_gpt3.models.generate.prompt_batch import check_prefix
from keras_gpt3.models.generate.prompt_batch import prefix_ids
from keras_gpt3.models.generate.prompt_batch import prompt_texts
from keras_gpt3.models.score.continuation_scoring import ContinuationScore
from tests.small_gpt3 import small_model
from tests.small_gpt3 import talking_model

# === Scoring causal lm ===


IDS = np.array([[5, 6, 7, 8]])


@pytest.fixture(scope="module")
def model():
    return small_model()


@pytest.mark.parametrize(
    ("arguments", "keywords"),
    [
        ((IDS,), {}),
        ((IDS, np.ones((1, 4), "bool")), {}),
        ((), {"token_ids": IDS}),
    ],
)
def test_a_batch_of_ids_gives_logits(arguments, keywords, model):
    inputs = {"token_ids": IDS, "padding_mask": np.ones((1, 4), "bool")}
    received, expected = (
        ops.convert_to_numpy(logits)
        for logits in (model.score(*arguments, **keywords), model(inputs))
    )
    np.testing.assert_allclose(received, expected, atol=1e-6)


def test_a_context_and_a_continuation_give_a_score(model):
    score = model.score([5, 6], [7, 8])
    assert isinstance(score, ContinuationScore)
    losses = model.score(IDS[:, :3], scoring_mode="loss", target_ids=IDS[:, 1:])
    # The last two are those of the continuation.
    expected = -np.sum(ops.convert_to_numpy(losses)[0, 1:])
    np.testing.assert_allclose(score.log_likelihood, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "keywords", "name"),
    [
        (([5, 6], [7]), {"scoring_mode": "loss"}, "scoring_mode"),
        ((IDS,), {"top_n": 2}, "top_n"),
        ((IDS,), {"truncate": "left"}, "truncate"),
    ],
)
def test_an_argument_of_the_other_form_raises(arguments, keywords, name, model):
    with pytest.raises(ValueError, match=f"^{name} "):
        model.score(*arguments, **keywords)


# === Prompt inputs ===


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        ("ä", (["ä"], True)),
        (["ä", "b"], (["ä", "b"], False)),
        (("ä",), (["ä"], False)),
        (np.array(["ä", "b"]), (["ä", "b"], False)),
        (np.array("ä"), (["ä"], True)),
        (tf.constant(["ä", "b"]), (["ä", "b"], False)),
        (tf.constant("ä"), (["ä"], True)),
    ],
)
def test_prompts_become_a_list_of_strings(inputs, expected):
    assert prompt_texts(inputs) == expected


def test_bytes_that_are_no_text_stay_recognizable():
    ((text,), _) = prompt_texts(tf.constant([b"a\xff"]))
    with pytest.raises(UnicodeEncodeError):
        text.encode()


def test_a_prefix_becomes_ids():
    ids = talking_model().preprocessor.tokenizer("the cat")
    assert prefix_ids(talking_model(), "the cat") == [int(i) for i in ids]
    assert prefix_ids(small_model(), [3, 4]) == [3, 4]


def test_a_prefix_outside_the_vocabulary_raises():
    with pytest.raises(ValueError, match="prefix"):
        prefix_ids(small_model(), [3, 61])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: prompt_texts(5),
            "inputs must be a string or a list of strings. Received: type=int. "
            "Pass the text to continue.",
        ),
        (
            lambda: prompt_texts({"prompts": ["a"]}),
            "inputs must be a string or a list of strings. Received: a dict "
            "with the keys ['prompts']. Pass the strings alone.",
        ),
        (
            lambda: prefix_ids(talking_model(), 5),
            "prefix must be a string or a list of token ids. Received: "
            "type=int. Pass what the prompts start with.",
        ),
        (
            lambda: check_prefix(talking_model(), "the"),
            "prefix must be what this model's prefix(text) returned. Received: "
            "type=str. Call model.prefix first.",
        ),
        (
            lambda: check_prefix(small_model(), talking_model().prefix("the")),
            "prefix must be what this model's prefix(text) returned. Received: "
            "type=PromptPrefix. Call model.prefix first.",
        ),
    ],
)
def test_other_types_raise(call, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        call()


def test_a_model_s_own_prefix_passes():
    check_prefix(talking_model(), None)
    check_prefix(talking_model(), talking_model().prefix("the"))
