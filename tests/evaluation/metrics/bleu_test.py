import math
import re
import sys

import numpy as np
import pytest

from keras_gpt3.evaluation.metrics.task_metrics import bleu_counts
from keras_gpt3.evaluation.metrics.task_metrics import bleu_of_counts
from keras_gpt3.evaluation.metrics.uncertainty import bootstrap

sacrebleu = pytest.importorskip("sacrebleu")

PREDICTIONS = [
    "The cat sat on the mat.",
    "It rains, it pours; the old man is snoring.",
    "No.",
    "",
    "A wholly different sentence of several words",
]
REFERENCES = [
    ["The cat is on the mat.", "There is a cat on the mat."],
    ["It's raining, it's pouring; the old man is snoring."],
    ["No.", "No!", "Not at all."],
    ["Nothing was said."],
    ["Something else"],
]


def corpus_bleu(numbers):
    """Sacrebleu's own, of some of the examples."""
    most = max(len(REFERENCES[n]) for n in numbers)
    streams = [
        [dict(enumerate(REFERENCES[n])).get(i) for n in numbers]
        for i in range(most)
    ]
    hypotheses = [PREDICTIONS[n] for n in numbers]
    return sacrebleu.corpus_bleu(hypotheses, streams).score


def test_counts_and_score_are_those_worked_out_by_hand():
    counts = bleu_counts(
        ["the cat the cat sat down"], [["the cat sat down today at last"]]
    )
    # "the" and "cat" agree once each; "the cat", "cat sat", "sat down"; ...
    assert counts.tolist() == [[6, 7, 4, 3, 2, 1, 6, 5, 4, 3]]
    precision = (4 / 6 * 3 / 5 * 2 / 4 * 1 / 3) ** (1 / 4)
    brevity = math.exp(1 - 7 / 6)
    assert bleu_of_counts(counts[0]) == pytest.approx(
        100 * precision * brevity, rel=1e-9
    )


@pytest.mark.parametrize(
    "numbers", [range(5), [0], [1, 1, 3], [2, 4], [3], [4, 4]]
)
def test_added_up_counts_give_sacrebleu_s_corpus_score(numbers):
    counts = bleu_counts(PREDICTIONS, REFERENCES)[list(numbers)]
    # The same sums in the same order: equal but for rounding.
    assert bleu_of_counts(counts.sum(axis=0)) == pytest.approx(
        corpus_bleu(list(numbers)), rel=1e-12
    )


def test_resamples_are_scored_as_corpora():
    counts = bleu_counts(PREDICTIONS, REFERENCES)
    values = bootstrap(counts, bleu_of_counts, resamples=20, seed=3)
    drawn = np.random.default_rng(3).integers(5, size=(20, 5))
    expected = [corpus_bleu(row.tolist()) for row in drawn]
    np.testing.assert_allclose(values, expected, rtol=1e-12)


def test_nothing_is_logged(caplog):
    bleu_counts(["a ."] * 200, [["a ."]] * 200)
    assert caplog.records == []


@pytest.mark.parametrize(
    ("references", "lengths"), [([["a"], []], [1, 0]), ([["a"]], [1])]
)
def test_a_missing_reference_is_named(references, lengths):
    message = (
        "Each prediction must have at least one reference. Received: 2 "
        f"predictions, references of lengths {lengths}. Give one for each."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        bleu_counts(["a", "b"], references)


def test_the_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "sacrebleu", None)
    message = (
        r"^BLEU must come from the package sacrebleu. Received: .*. "
        r"Install it with pip install 'keras-gpt3\[evaluate\]'.$"
    )
    with pytest.raises(ImportError, match=message):
        bleu_of_counts(np.zeros(10))
