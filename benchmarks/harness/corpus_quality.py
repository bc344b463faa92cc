"""What corpus preparation finds, of documents whose truth is known."""

import gzip
import json
import pathlib
import random

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
ENCYCLOPEDIA = ROOT / "examples" / "data" / "encyclopedia.jsonl.gz"
MIN_CHARACTERS = 600
THRESHOLD = 0.8
BANDS, ROWS = 5, 2
# What stands around the text of a page.
NAVIGATION = (
    "Home Menu About Documentation Download License Support Purchase Search "
    "Products Contact Blog Careers Sign in Cart Next Previous Contents Index "
    "Help News Privacy Terms Sitemap Login Register Share Print Top"
).split()
NAVIGATION_WORDS = 8
# Words of text between two pieces of navigation.
TEXT_WORDS = 60


def duplicate_quality(folder):
    """Recall and precision at several edit rates, beside the theory.

    Args:
        folder: `pathlib.Path`. For signatures.

    Returns:
        A dict. `rates` has a row for each edit rate: the mean similarity, the
        share of pairs that share a band, the share that theory predicts, the
        share found and dropped, and of those as similar as the threshold the
        share found.
    """
    from tests.fixtures.corpus.detection_probability import (
        detection_probability,
    )
    from tests.fixtures.corpus.planted_duplicates import RATES
    from tests.fixtures.corpus.planted_duplicates import edited_copies
    from tests.fixtures.corpus.planted_duplicates import find_pairs

    found = find_pairs(folder, edited_copies(), THRESHOLD, BANDS)
    theory = detection_probability(found.similarities, BANDS, ROWS)
    is_similar = found.similarities >= THRESHOLD
    rows = []
    for rate in RATES:
        of_rate = found.rates == rate
        similar = of_rate & is_similar
        rows.append(
            {
                "edited": rate,
                "pairs": int(of_rate.sum()),
                "mean_similarity": _mean(found.similarities[of_rate]),
                "share_a_band": _mean(found.is_candidate[of_rate]),
                "theory": _mean(theory[of_rate]),
                "dropped": _mean(found.is_found[of_rate]),
                "similar": int(similar.sum()),
                "recall_of_similar": _mean(found.is_found[similar]),
            }
        )
    return {
        "threshold": THRESHOLD,
        "rates": rows,
        "recall": round(found.recall, 4),
        "wrong_pairs": found.num_wrong,
        "points": _points(found),
    }


def plot_recall(quality, path):
    """Draws the share of pairs that share a band, beside the theory.

    Args:
        quality: dict, as `duplicate_quality` returns it.
        path: path. Of the PNG.
    """
    from keras_gpt3.reporting import figures
    from tests.fixtures.corpus.detection_probability import (
        detection_probability,
    )

    figure, (axes,) = figures.open_figure((6.4, 4))
    line = np.linspace(0, 1, 200)
    axes.plot(
        line,
        detection_probability(line, BANDS, ROWS),
        label=f"theory: {BANDS} bands of {ROWS} hashes",
    )
    similarity, shares, counts = np.array(quality["points"]).T
    # One more of either: of three pairs all three may be found by chance.
    likely = (shares * counts + 1) / (counts + 2)
    errors = np.sqrt(likely * (1 - likely) / counts)
    axes.errorbar(
        similarity, shares, errors, fmt="o", label="pairs that share a band"
    )
    axes.axvline(
        quality["threshold"],
        color="gray",
        linestyle=":",
        label="threshold of the exact comparison",
    )
    axes.set(
        xlabel="exact Jaccard similarity of the words",
        ylabel="share of pairs",
        ylim=(0, 1.05),
    )
    axes.legend(loc="lower right")
    figures.save_figure(figure, path)


def classifier_quality():
    """The AUC on texts that the classifier was not trained on.

    Returns:
        A dict of what is compared to articles of an encyclopedia to a dict of
        `auc`, and the numbers of texts that were trained on and tested.
    """
    from tests.fixtures.corpus.excerpts import read_excerpts

    rng = random.Random(0)
    articles = [text for text in _articles() if len(text) >= MIN_CHARACTERS]
    rng.shuffle(articles)
    half = len(articles) // 2
    good, rest = articles[:half], articles[half:]
    navigated = [_with_navigation(rng, text) for text in rest]
    manuals = [row["text"] for row in read_excerpts("manuals")]
    rng.shuffle(manuals)
    return {
        "manuals": _auc(good, manuals),
        "articles with navigation": _auc(good, navigated),
    }


def _auc(good, bad):
    """Trains on a half of each, and classifies the other halves."""
    from sklearn.metrics import roc_auc_score

    from keras_gpt3.corpus.quality.quality_classifier import QualityClassifier

    trained = QualityClassifier.train(good[::2], bad[::2])
    tested = good[1::2] + bad[1::2]
    labels = [1] * len(good[1::2]) + [0] * len(bad[1::2])
    auc = roc_auc_score(labels, trained.scores(tested))
    return {
        "auc": round(float(auc), 4),
        "trained_on": [len(good[::2]), len(bad[::2])],
        "tested": [len(good[1::2]), len(bad[1::2])],
    }


def _articles():
    with gzip.open(ENCYCLOPEDIA, "rt", encoding="utf-8") as lines:
        return [json.loads(line)["text"] for line in lines]


def _with_navigation(rng, text):
    """A text with a few words of menus here and there."""
    words, mixed = text.split(), []
    for first in range(0, len(words), TEXT_WORDS):
        mixed += rng.choices(NAVIGATION, k=NAVIGATION_WORDS)
        mixed += words[first : first + TEXT_WORDS]
    return " ".join(mixed)


def _points(found):
    """Similarity, share of pairs that share a band, and pairs, by tenths."""
    tenths = np.minimum((found.similarities * 10).astype(int), 9)
    return [
        [
            _mean(found.similarities[tenths == tenth]),
            _mean(found.is_candidate[tenths == tenth]),
            int((tenths == tenth).sum()),
        ]
        for tenth in np.unique(tenths)
    ]


def _mean(values):
    return round(float(np.mean(values)), 4) if len(values) else None
