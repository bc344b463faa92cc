"""How a metric is shown: in percent where 1 is all right, and by what name."""

_TITLES = {
    "accuracy": "Accuracy",
    "exact_match": "Exact match",
    "squad_exact_match": "Exact match",
    "f1": "F1",
    "bleu": "BLEU",
    "macro_f1": "Macro F1",
    "f1_answers": "F1 over answers",
    "perplexity": "Perplexity",
    "average": "Average",
}
_NOT_A_SHARE = ("bleu", "perplexity")


def metric_title(metric):
    """Names a metric with its unit."""
    title = _TITLES.get(metric, metric)
    return title if metric in _NOT_A_SHARE else f"{title} (%)"


def shown_value(metric, value):
    """Brings a value to the unit in which it is shown, the paper's."""
    return value if metric in _NOT_A_SHARE else 100 * value
