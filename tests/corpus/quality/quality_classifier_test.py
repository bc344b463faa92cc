import json
import weakref

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from keras_gpt3.corpus.quality import quality_classifier
from keras_gpt3.corpus.quality.quality_classifier import HashedFeatures
from keras_gpt3.corpus.quality.quality_classifier import QualityClassifier
from tests.fixtures.corpus.excerpts import read_excerpts

# === Quality classifier ===


def texts(name):
    return [row["text"] for row in read_excerpts(name)]


@pytest.fixture(scope="module")
def classifier():
    return QualityClassifier.train(texts("encyclopedia"), texts("manuals")[::2])


def test_good_text_of_an_unseen_kind_scores_above_raw_text(classifier):
    good, bad = texts("novels") + texts("speeches"), texts("manuals")[1::2]
    labels = [1] * len(good) + [0] * len(bad)
    scores = classifier.scores(good + bad)
    assert roc_auc_score(labels, scores) > 0.95
    assert classifier.held_out_auc > 0.95
    assert ((scores >= 0) & (scores <= 1)).all()
    assert classifier.num_texts == {"positives": 40, "negatives": 20}


def test_texts_held_out_are_not_trained_on(monkeypatch):
    # Words that say nothing: what was seen would be known by heart.
    rng = np.random.default_rng(0)
    noise = [" ".join(map(str, rng.integers(0, 10**6, 30))) for _ in range(400)]
    classifier = QualityClassifier.train(noise[:200], noise[200:])
    assert abs(classifier.held_out_auc - 0.5) < 0.25
    seen = classifier.scores(noise)
    assert roc_auc_score([1] * 200 + [0] * 200, seen) > 0.8
    monkeypatch.setattr(quality_classifier, "_BATCH", (7, 500))
    again = QualityClassifier.train(noise[:200], noise[200:])
    np.testing.assert_array_equal(again.weights, classifier.weights)


def test_texts_are_not_held_in_memory():
    held, most = weakref.WeakSet(), 0

    class Text(str):
        __slots__ = ("__weakref__",)

    def stream():
        nonlocal most
        for number in range(60):
            text = Text(f"{number} " + "word " * 100)
            held.add(text)
            yield text
            # So that only what another holds is left.
            del text
            most = max(most, len(held))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(quality_classifier, "_BATCH", (5, 10**6))
        QualityClassifier.train(stream(), texts("manuals"), num_features=64)
    # One batch that is counted, and one that is made.
    assert most <= 10


def test_a_seed_decides_what_is_held_out():
    good, bad = texts("novels"), texts("manuals")
    first, again, other = (
        QualityClassifier.train(good, bad, seed).weights for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_a_long_text_scores_as_a_short_one(classifier):
    text = texts("novels")[0]
    one, many, none = classifier.scores([text, " ".join([text] * 50), ""])
    assert one == pytest.approx(many)
    assert none == pytest.approx(1 / (1 + np.exp(-classifier.bias)))


@pytest.mark.parametrize("name", ["positives", "negatives"])
def test_too_few_texts_of_a_class_are_refused(name):
    classes = {"positives": texts("novels"), "negatives": texts("manuals")}
    # Many texts, few different ones.
    classes[name] = classes[name][:19] * 5
    message = f"at least 20 different texts. Received: {name} of 19"
    with pytest.raises(ValueError, match=message):
        QualityClassifier.train(**classes)


# === Files ===


def test_a_file_gives_back_what_was_saved(tmp_path, classifier):
    classifier.save(tmp_path / "c")
    # Over an older one.
    classifier.save(tmp_path / "c")
    loaded = QualityClassifier.load(tmp_path / "c")
    np.testing.assert_array_equal(loaded.weights, classifier.weights)
    for name in ("bias", "held_out_auc", "num_texts"):
        assert getattr(loaded, name) == getattr(classifier, name)
    text = texts("speeches")[:3]
    np.testing.assert_array_equal(loaded.scores(text), classifier.scores(text))


def test_a_missing_folder_is_one_sentence(tmp_path):
    with pytest.raises(
        FileNotFoundError, match="a folder that exists. Received"
    ):
        QualityClassifier.load(tmp_path / "none")


@pytest.mark.parametrize(
    "damage", ["empty", "foreign", "format", "shape", "not finite", "cut off"]
)
def test_what_is_no_classifier_is_refused(tmp_path, damage):
    folder = tmp_path / "c"
    QualityClassifier(np.ones(8, "float32"), 0.5).save(folder)
    config = json.loads((folder / "config.json").read_bytes())
    weights = folder / "weights.npy"
    if damage == "empty":
        (folder / "config.json").unlink()
    elif damage == "foreign":
        (folder / "config.json").write_text('["a model"]')
    elif damage == "format":
        config["format"] = "another"
        (folder / "config.json").write_text(json.dumps(config))
    elif damage == "shape":
        np.save(weights, np.ones(7))
    elif damage == "not finite":
        np.save(weights, np.full(8, np.nan))
    else:
        weights.write_bytes(weights.read_bytes()[:-20])
    with pytest.raises(
        ValueError, match="train-filter wrote. Received: classif"
    ):
        QualityClassifier.load(folder)


def test_another_folder_is_not_overwritten(tmp_path, classifier):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="must be empty"):
        classifier.save(tmp_path)


# === Hashed features ===


def test_words_are_counted_without_case_and_punctuation():
    counts = HashedFeatures().transform(
        ["To be, or not to be.", "TO BE or\nnot", "été 7", ""]
    )
    assert counts.shape == (4, 2**18)
    assert np.diff(counts.indptr).tolist() == [4, 4, 2, 0]
    assert counts.sum(axis=1).tolist() == [6, 4, 2, 0]
    first, second = counts.indices[:4], counts.indices[4:8]
    np.testing.assert_array_equal(first, second)
    assert (np.diff(first) > 0).all()


def test_features_hang_on_no_other_text():
    texts = ["one two", "three", "two four one"]
    together = HashedFeatures(2**10).transform(texts).toarray()
    for text, row in zip(texts, together, strict=True):
        alone = HashedFeatures(2**10).transform([text]).toarray()
        np.testing.assert_array_equal(alone[0], row)


def test_no_texts_have_no_rows():
    assert HashedFeatures(8).transform([]).shape == (0, 8)


def test_too_few_features_are_refused():
    with pytest.raises(ValueError, match="num_features must be an integer of"):
        HashedFeatures(1)
