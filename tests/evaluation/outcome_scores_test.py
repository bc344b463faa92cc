import json

import pytest

from keras_gpt3.evaluation.outcome import Outcome
from keras_gpt3.evaluation.outcome_cache import OutcomeCache
from keras_gpt3.evaluation.outcome_scores import read_outcome_scores


@pytest.fixture
def write(tmp_path):
    """A function from scores to the file of a cache with them."""

    def write(scores):
        outcomes = [Outcome(i, 0, " a", score) for i, score in scores.items()]
        with OutcomeCache(tmp_path, {"task": "piqa"}) as cache:
            cache.add(outcomes)
        (path,) = tmp_path.iterdir()
        return path

    return write


def test_scores_come_in_the_order_of_the_split(write):
    path = write({1: 0.5, 0: 1.0, 2: 0.0})
    assert read_outcome_scores(path) == ({"task": "piqa"}, [1.0, 0.5, 0.0])


@pytest.mark.parametrize("scores", [{0: 1.0, 2: 1.0}, {0: 1.0, 1: None}])
def test_an_example_without_a_score_raises(write, scores):
    with pytest.raises(ValueError, match="without one for example 1. Let "):
        read_outcome_scores(write(scores))


@pytest.mark.parametrize("content", ["", "{", "[]", json.dumps({"task": "a"})])
def test_another_file_raises(tmp_path, content):
    path = tmp_path / "a.jsonl"
    path.write_text(content and content + '\n{"index": 1}\n')
    with pytest.raises(ValueError, match="one that an evaluation wrote. "):
        read_outcome_scores(path)
