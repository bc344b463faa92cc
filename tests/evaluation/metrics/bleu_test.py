import math
import re
import sys

import numpy as np
import pytest

from keras_gpt3.evaluation.few_shot.outcome_cache import Outcome
from keras_gpt3.evaluation.metrics.bleu import bleu_counts
from keras_gpt3.evaluation.metrics.bleu import bleu_of_counts
from keras_gpt3.evaluation.metrics.bleu import moses_tokens
from keras_gpt3.evaluation.metrics.bleu import multi_bleu_of_counts
from keras_gpt3.evaluation.metrics.task_metrics import task_metric
from keras_gpt3.evaluation.metrics.uncertainty import bootstrap
from keras_gpt3.evaluation.task_definitions.task_examples import Example

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
    # The signature in footnote f of the paper's Table 3.4.
    return sacrebleu.corpus_bleu(
        hypotheses, streams, smooth_method="exp", tokenize="intl"
    ).score


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


# === multi-bleu ===


# Those of four words at least: nltk counts an n-gram in shorter ones as well.
@pytest.mark.parametrize("numbers", [[1], [0, 1], [1, 1, 4], [0, 1, 4]])
def test_multi_bleu_is_nltk_s_bleu_without_smoothing(numbers):
    corpus_bleu = pytest.importorskip("nltk.translate.bleu_score").corpus_bleu
    tokens = [
        [PREDICTIONS[n].lower() for n in numbers],
        [[text.lower() for text in REFERENCES[n]] for n in numbers],
    ]
    counts = bleu_counts(*tokens, tokenize="none")
    expected = corpus_bleu(
        [[text.split() for text in texts] for texts in tokens[1]],
        [text.split() for text in tokens[0]],
    )
    assert multi_bleu_of_counts(counts.sum(axis=0)) == pytest.approx(
        100 * expected, rel=1e-9
    )


def test_multi_bleu_without_a_common_four_gram_is_none_at_all():
    counts = bleu_counts(["a b c d e"], [["a b c x d e"]], tokenize="none")[0]
    assert multi_bleu_of_counts(counts) == 0.0
    assert bleu_of_counts(counts) > 0.0


@pytest.mark.parametrize(
    ("language", "text", "tokens"),
    [
        (
            "en",
            "Dr. Who didn\u2019t \u201cgo\u201d.",
            'Dr. Who didn \'t " go . "',
        ),
        (
            "fr",
            "L\u2019\u00e9tat, c\u2019est moi\u00a0!",
            "L' \u00e9tat , c' est moi !",
        ),
        (
            "de",
            "Das kostet z.B. 3,5 Euro & mehr.",
            "Das kostet z.B. 3,5 Euro & mehr .",
        ),
        (
            "ro",
            "\u0218i a\u0219a mai departe...",
            "\u0218i a\u0219a mai departe ...",
        ),
    ],
)
def test_moses_splits_words_without_escapes(language, text, tokens):
    pytest.importorskip("sacremoses")
    assert moses_tokens(text, language) == tokens


def test_a_task_has_both_kinds_of_bleu():
    pytest.importorskip("sacremoses")
    text = " I know that it is so, (isn't it)?"
    examples = [Example("q", (text,), language="en")]
    outcomes = [Outcome(0, 0, text.replace("so", "thus"), None)]
    values = [
        task_metric(metric, examples, outcomes)[0]
        for metric in ("bleu", "multi_bleu")
    ]
    assert all(0 < value < 100 for value in values)
    assert values[0] != values[1]  # The tokens differ: (isn ' t; ( isn 't.


def test_the_package_of_multi_bleu_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "sacremoses", None)
    message = (
        r"^Tokens of multi_bleu must come from the package sacremoses. "
        r"Received: .*. "
        r"Install it with pip install 'keras-gpt3\[translation\]'.$"
    )
    with pytest.raises(ImportError, match=message):
        moses_tokens("a", "en-without-cache")
