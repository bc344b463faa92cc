import pytest

from keras_gpt3.evaluation.results.results_table import model_labels


@pytest.mark.parametrize(
    ("model", "label"),
    [
        ("/data/runs/first/model", "first/model"),
        ("runs/first/model/", "first/model"),
        ("first/model", "first/model"),
        ("gpt3_small_en", "gpt3_small_en"),
        ("hf://org/name@main", "hf://org/name@main"),
        ("", ""),
    ],
)
def test_a_path_is_shown_by_its_last_two_parts(model, label):
    assert model_labels([model, model]) == {model: label}


def test_paths_that_end_alike_are_shown_whole():
    alike = ["/a/run/model", "/b/run/model"]
    labels = model_labels([*alike, "/c/other/model"])
    assert labels == {
        **{path: path for path in alike},
        "/c/other/model": "other/model",
    }
