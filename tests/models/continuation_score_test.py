import dataclasses

import pytest

from keras_gpt3.models.score.continuation_scoring import ContinuationScore


def test_a_score_has_no_alternatives_unless_given_and_cannot_be_changed():
    score = ContinuationScore(-1.0, True, (3,), (-1.0,))
    assert score.top_token_ids == score.top_log_probabilities == ()
    with pytest.raises(dataclasses.FrozenInstanceError):
        score.log_likelihood = 0.0
