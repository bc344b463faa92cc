import numpy as np
import pytest

from keras_gpt3.evaluation import row_scores
from keras_gpt3.evaluation.row_scores import RowScores
from tests.small_gpt3 import talking_model

SHARED = "the hello\nthe 12"
ROWS = [
    (SHARED, "\nthe", " world"),
    ("", "the cat", " 12"),
    (SHARED, "\nhello cat", " 12 the"),
    ("cat", "\n12", " the"),
    (SHARED, "\n12", " world"),
    ("", "", "12"),
]


@pytest.fixture
def prefixes(monkeypatch):
    """The texts that are computed once, as they come."""
    model, texts = talking_model(), []
    make = type(model).prefix

    def prefix(self, text):
        texts.append(text)
        return make(self, text)

    monkeypatch.setattr(type(model), "prefix", prefix)
    return texts


@pytest.mark.parametrize(
    ("fewest", "made"), [(99, []), (3, [SHARED]), (1, ["cat", SHARED])]
)
def test_rows_are_scored_as_whole_texts(fewest, made, prefixes, monkeypatch):
    monkeypatch.setattr(row_scores, "_FEWEST", fewest)
    model = talking_model()
    scores = RowScores(model, batch_size=2)(ROWS)
    assert sorted(prefixes) == sorted(made)
    for (shared, context, continuation), score in zip(
        ROWS, scores, strict=True
    ):
        expected = model.score(shared + context, continuation)
        assert score.token_ids == expected.token_ids
        assert score.is_greedy == expected.is_greedy
        np.testing.assert_allclose(
            score.token_log_probabilities,
            expected.token_log_probabilities,
            atol=2e-4,
        )


def test_a_cache_serves_the_next_call(prefixes, monkeypatch):
    monkeypatch.setattr(row_scores, "_FEWEST", 3)
    score = RowScores(talking_model())
    score(ROWS)
    score(ROWS[:1])
    score(ROWS)
    assert prefixes == [SHARED]


def test_no_rows_have_no_scores():
    assert RowScores(talking_model())([]) == []
