import numpy as np
import pytest

from keras_gpt3.models.score.continuation_scoring import ContinuationScore
from tests.small_gpt3 import small_model

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
    received = model.score(*arguments, **keywords)
    np.testing.assert_allclose(received, model(inputs), atol=1e-6)


def test_a_context_and_a_continuation_give_a_score(model):
    score = model.score([5, 6], [7, 8])
    assert isinstance(score, ContinuationScore)
    losses = model.score(IDS[:, :3], scoring_mode="loss", target_ids=IDS[:, 1:])
    # The last two are those of the continuation.
    expected = -np.sum(losses[0, 1:])
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
