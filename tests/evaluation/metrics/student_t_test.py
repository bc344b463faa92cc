import math

import numpy as np
import pytest

from keras_gpt3.evaluation.metrics.student_t import t_interval
from keras_gpt3.evaluation.metrics.student_t import t_quantile
from keras_gpt3.evaluation.metrics.student_t import t_test
from keras_gpt3.evaluation.metrics.student_t import two_sided_p

# Two soporific drugs, hours of sleep gained (Student 1908); R's `t.test` with
# one variance prints t = -1.8608, df = 18, p-value = 0.07919.
FIRST_DRUG = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
SECOND_DRUG = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]
DEGREES = (1, 2, 3, 10, 79, 154, 3000)


def test_students_own_example_comes_out_as_published():
    found = t_test(FIRST_DRUG, SECOND_DRUG)
    assert found.t == pytest.approx(-1.8608, abs=5e-5)
    assert found.p_value == pytest.approx(0.07919, abs=5e-6)


@pytest.mark.parametrize(
    ("degrees", "quantile"), [(1, 12.706), (2, 4.303), (10, 2.228), (60, 2.000)]
)
def test_quantiles_are_those_of_printed_tables(degrees, quantile):
    assert t_quantile(0.95, degrees) == pytest.approx(quantile, abs=5e-4)


@pytest.mark.parametrize("degrees", DEGREES)
def test_probabilities_and_quantiles_are_scipys(degrees):
    stats = pytest.importorskip("scipy.stats", reason="needs scipy")
    for t in (0.01, 0.5, 1.0, 1.96, 3.9, 10.3, 16.9, 40.0):
        # Relative: the paper's p go down to 1e-34.
        expected = 2 * stats.t.sf(t, degrees)
        assert two_sided_p(t, degrees) == pytest.approx(expected, rel=1e-9)
        assert two_sided_p(-t, degrees) == two_sided_p(t, degrees)
    for level in (0.5, 0.9, 0.95, 0.99):
        expected = stats.t.ppf((1 + level) / 2, degrees)
        assert t_quantile(level, degrees) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("sizes", [(2, 2), (2, 9), (80, 76)])
def test_tests_and_intervals_are_scipys(sizes):
    stats = pytest.importorskip("scipy.stats", reason="needs scipy")
    generator = np.random.default_rng(sum(sizes))
    first, second = (generator.normal(0.7, 0.1, size) for size in sizes)
    expected = stats.ttest_ind(first, second)
    found = t_test(first, second)
    assert found.t == pytest.approx(expected.statistic, rel=1e-9)
    assert found.p_value == pytest.approx(expected.pvalue, rel=1e-9)
    expected = stats.t.interval(
        0.95, len(first) - 1, first.mean(), stats.sem(first)
    )
    assert t_interval(first) == pytest.approx(expected, rel=1e-9)


def test_no_difference_at_all_has_probability_one():
    assert two_sided_p(0.0, 5) == 1.0


def test_samples_without_spread_differ_surely_or_not_at_all():
    surely = t_test([1.0, 1.0], [0.5, 0.5, 0.5])
    assert (surely.t, surely.p_value) == (math.inf, 0.0)
    same = t_test([1.0, 1.0], [1.0, 1.0])
    assert math.isnan(same.t) and math.isnan(same.p_value)


def test_one_value_has_no_spread():
    assert math.isnan(t_test([1.0], [0.5, 0.6]).t)
    assert all(map(math.isnan, t_interval([0.5])))
