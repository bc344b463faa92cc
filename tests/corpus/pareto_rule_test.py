import numpy as np
import pytest
from scipy import stats

from keras_gpt3.corpus.pipeline.document import stable_uniform
from keras_gpt3.corpus.quality.filter_stage import is_kept
from keras_gpt3.corpus.quality.filter_stage import keep_probability
from keras_gpt3.corpus.quality.filter_stage import pareto_draw


@pytest.mark.parametrize("alpha", [9.0, 3.0])
def test_draws_are_distributed_as_numpy_s(alpha):
    ours = [pareto_draw(stable_uniform(0, str(i)), alpha) for i in range(5000)]
    theirs = np.random.default_rng(0).pareto(alpha, 5000)
    assert stats.ks_2samp(ours, theirs).pvalue > 0.01
    assert stats.kstest(ours, stats.lomax(alpha).cdf).pvalue > 0.01


@pytest.mark.parametrize("score", [0.0, 0.3, 0.6, 0.9, 0.99, 1.0])
def test_as_many_are_kept_as_the_closed_form_says(score):
    count = 4000
    kept = sum(is_kept(score, 7, f"document {i}") for i in range(count))
    expected = keep_probability(score)
    # Five standard deviations of a binomial.
    error = 5 * np.sqrt(expected * (1 - expected) / count)
    assert abs(kept / count - expected) <= error


def test_a_draw_hangs_on_seed_and_id_alone():
    ids = [f"{i}" for i in range(200)]
    first = [is_kept(0.9, 0, name) for name in ids]
    assert first == [is_kept(0.9, 0, name) for name in ids[::-1]][::-1]
    assert first != [is_kept(0.9, 1, name) for name in ids]
    assert is_kept(0.9, 0, ("web", "a")) == is_kept(0.9, 0, ("web", "a"))


def test_a_better_score_never_drops_what_a_worse_one_keeps():
    scores = np.linspace(0, 1, 50)
    for i in range(100):
        kept = [is_kept(score, 0, f"{i}") for score in scores]
        assert kept == sorted(kept)
