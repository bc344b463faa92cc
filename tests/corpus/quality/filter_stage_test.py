import numpy as np
import pytest
from scipy import stats

from keras_gpt3.corpus.corpus_config import FilterSection
from keras_gpt3.corpus.pipeline.document import stable_uniform
from keras_gpt3.corpus.quality.filter_stage import filter_stage
from keras_gpt3.corpus.quality.filter_stage import is_kept
from keras_gpt3.corpus.quality.filter_stage import keep_probability
from keras_gpt3.corpus.quality.filter_stage import pareto_draw
from keras_gpt3.corpus.quality.quality_classifier import QualityClassifier
from tests.corpus.part_files import dropped
from tests.corpus.part_files import kept_ids
from tests.corpus.part_files import write_parts

# === Filter stage ===


TEXTS = {str(i): f"word{i} and word{i + 1}" for i in range(60)}


def save_classifier(folder, seed=0):
    weights = np.random.default_rng(seed).normal(size=64) * 5
    QualityClassifier(weights.astype("float32"), 0.5).save(folder)


@pytest.fixture
def settings(tmp_path):
    save_classifier(tmp_path / "classifier")
    return FilterSection(str(tmp_path / "classifier"))


def run(folder, settings, num_parts=2, texts=TEXTS, sources=("web",), **kwargs):
    inputs = write_parts(folder / "in", texts, num_parts)
    inputs += write_parts(folder / "in", {"7": "word7"}, source="books")
    return filter_stage(
        settings, inputs, folder / "out", sources=sources, **kwargs
    )


def test_the_outcome_is_the_same_for_any_parts(tmp_path, settings):
    stage = run(tmp_path / "one", settings)
    kept, gone = kept_ids(stage), dropped(stage)
    assert len(kept) + len(gone) == 60 and kept and gone
    assert kept_ids(stage, "books") == ["7"]
    assert stage.totals["sources"]["web"]["documents_out"] == len(kept)
    backwards = dict(reversed(TEXTS.items()))
    other = run(tmp_path / "two", settings, 5, texts=backwards)
    assert kept_ids(other) == kept
    assert dropped(other) == gone


def test_another_seed_draws_anew(tmp_path, settings):
    stages = [run(tmp_path / str(seed), settings, seed=seed) for seed in (0, 1)]
    assert kept_ids(stages[0]) != kept_ids(stages[1])


def test_without_sources_no_classifier_is_needed(tmp_path):
    stage = run(tmp_path, FilterSection(), sources=())
    assert len(kept_ids(stage)) == 60


@pytest.mark.parametrize(
    ("folder", "error", "message"),
    [
        (None, ValueError, "must have a classifier. Received: filter.classif"),
        ("none", FileNotFoundError, "a folder that exists. Received: classif"),
    ],
)
def test_a_missing_classifier_is_one_sentence(tmp_path, folder, error, message):
    folder = folder and str(tmp_path / folder)
    with pytest.raises(error, match=message):
        run(tmp_path, FilterSection(folder))
    assert not (tmp_path / "out").exists()


def test_a_classifier_trained_anew_is_another_run(tmp_path, settings):
    first = kept_ids(run(tmp_path, settings))
    save_classifier(tmp_path / "classifier", seed=1)
    with pytest.raises(FileExistsError, match="classifier"):
        run(tmp_path, settings)
    stage = run(tmp_path, settings, overwrite=True)
    assert kept_ids(stage) != first


# === Pareto rule ===


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
