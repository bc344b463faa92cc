import pytest

from keras_gpt3.evaluation.results.results_table import metric_title
from keras_gpt3.evaluation.results.results_table import shown_value
from keras_gpt3.evaluation.task_definitions.task import METRICS


@pytest.mark.parametrize("metric", METRICS)
def test_every_metric_has_a_title_of_its_own(metric):
    assert metric_title(metric)[0].isupper()
    assert "_" not in metric_title(metric)


@pytest.mark.parametrize(
    "metric, title, shown",
    [
        ("accuracy", "Accuracy (%)", 50),
        ("f1_answers", "F1 over answers (%)", 50),
        ("bleu", "BLEU", 0.5),
        ("perplexity", "Perplexity", 0.5),
        ("my_metric", "my_metric (%)", 50),
    ],
)
def test_shares_are_shown_in_percent(metric, title, shown):
    assert metric_title(metric) == title
    assert shown_value(metric, 0.5) == shown
