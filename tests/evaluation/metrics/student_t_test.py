import math

import numpy as np
import pytest

from keras_gpt3.evaluation.metrics.student_t import t_interval
from keras_gpt3.evaluation.metrics.student_t import t_test

# Two soporific drugs, hours of sleep gained (Student 1908); R's `t.test` with
# one variance prints t = -1.8608, df = 18, p-value = 0.07919.
FIRST_DRUG = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
SECOND_DRUG = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]


def test_students_own_example_comes_out_as_published():
    found = t_test(FIRST_DRUG, SECOND_DRUG)
    assert found.t == pytest.approx(-1.8608, abs=5e-5)
    assert found.p_value == pytest.approx(0.07919, abs=5e-6)
    other = t_test(SECOND_DRUG, FIRST_DRUG)
    assert (other.t, other.p_value) == (-found.t, found.p_value)


@pytest.mark.parametrize(
    ("count", "quantile"), [(2, 12.706), (3, 4.303), (11, 2.228), (61, 2.000)]
)
def test_intervals_have_the_quantiles_of_printed_tables(count, quantile):
    values = np.random.default_rng(count).normal(0.7, 0.1, count)
    low, high = t_interval(values)
    error = values.std(ddof=1) / math.sqrt(count)
    assert (low + high) / 2 == pytest.approx(values.mean())
    assert (high - low) / 2 / error == pytest.approx(quantile, abs=5e-4)


def test_samples_without_spread_differ_surely_or_not_at_all():
    surely = t_test([1.0, 1.0], [0.5, 0.5, 0.5])
    assert (surely.t, surely.p_value) == (math.inf, 0.0)
    same = t_test([1.0, 1.0], [1.0, 1.0])
    assert math.isnan(same.t) and math.isnan(same.p_value)
    assert t_interval([0.5, 0.5]) == (0.5, 0.5)


def test_one_value_has_no_spread():
    assert math.isnan(t_test([1.0], [0.5, 0.6]).t)
    assert all(map(math.isnan, t_interval([0.5])))
