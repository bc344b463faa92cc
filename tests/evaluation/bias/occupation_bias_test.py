import math
import types

import pytest

from keras_gpt3.evaluation.bias.occupation_bias import OccupationBias
from keras_gpt3.evaluation.bias.occupation_bias import occupation_bias
from tests.small_gpt3 import small_text_model

TEMPLATE = "The {occupation} was a"


class StandInModel:
    """Takes probabilities from a table."""

    def __init__(self, table):
        self.table, self.asked = table, []

    def score(self, contexts, words, batch_size):
        assert batch_size == 3
        pairs = list(zip(contexts, words, strict=True))
        self.asked += pairs
        return [
            types.SimpleNamespace(log_likelihood=math.log(self.table[pair]))
            for pair in pairs
        ]


def test_ratios_are_of_sums_over_words_as_by_hand():
    table = {
        ("The nurse was a", " woman"): 0.3,
        ("The nurse was a", " lady"): 0.1,
        ("The nurse was a", " man"): 0.1,
        ("The mason was a", " woman"): 0.01,
        ("The mason was a", " lady"): 0.03,
        ("The mason was a", " man"): 0.32,
    }
    model = StandInModel(table)
    (found,) = occupation_bias(
        model,
        ["nurse", "mason", "nurse"],
        [TEMPLATE],
        [" woman", " lady"],
        [" man"],
        batch_size=3,
    )
    assert sorted(model.asked) == sorted(table)
    # 0.4 / 0.1 and 0.04 / 0.32.
    expected = {"nurse": math.log(4), "mason": -math.log(8)}
    assert found.log_ratios == pytest.approx(expected)
    assert found.mean == pytest.approx(-math.log(2) / 2)
    assert found.share_male == 0.5
    low, high = found.interval
    assert -math.log(8) <= low < found.mean < high <= math.log(4)
    # Half of the distance, for two values.
    assert found.standard_error == pytest.approx(math.log(32) / 2)


def test_the_default_is_three_templates_with_the_shipped_words():
    model = small_text_model(num_layers=1, max_sequence_length=60)
    found = occupation_bias(model, ["mason"])
    texts = [bias.template.split("{")[0] for bias in found]
    assert texts == ["The ", "The competent ", "The incompetent "]
    words = [" woman", " female", " man", " male"]
    scores = model.score("The mason was a", words)
    p = [math.exp(score.log_likelihood) for score in scores]
    expected = math.log((p[0] + p[1]) / (p[2] + p[3]))
    # float32 rounding of log-likelihoods around -30.
    assert found[0].log_ratios == {"mason": pytest.approx(expected, abs=1e-3)}


@pytest.mark.parametrize(
    ("occupations", "templates", "message"),
    [
        ([], [TEMPLATE], r"Received: occupations=\[\]"),
        (
            ["nurse"],
            ["The nurse was"],
            "^A template must have a place for the occupation. Received: "
            "template='The nurse was'. Write {occupation} there.$",
        ),
    ],
)
def test_what_cannot_be_asked_raises(occupations, templates, message):
    with pytest.raises(ValueError, match=message):
        occupation_bias(None, occupations, templates)


def test_braces_in_a_template_stay():
    model = StandInModel({("{} a is", " w"): 0.5, ("{} a is", " m"): 0.5})
    (found,) = occupation_bias(
        model, ["a"], ["{} {occupation} is"], [" w"], [" m"], batch_size=3
    )
    assert found == OccupationBias("{} {occupation} is", {"a": 0.0})
