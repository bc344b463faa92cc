import dataclasses

import pytest

from tests.evaluation.some_results import result


def test_results_are_equal_by_value_and_stay_as_they_are():
    assert result() == result()
    assert dataclasses.replace(result(), seed=1) != result()
    with pytest.raises(dataclasses.FrozenInstanceError):
        result().value = 1.0


def test_results_of_one_task_differ_by_metric():
    one, other = result(metric="f1"), result(metric="squad_exact_match")
    assert len({one, other}) == 2
