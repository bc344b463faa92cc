import json

import pytest

from keras_gpt3.serving.json_body import json_text


@pytest.mark.parametrize(
    "value",
    [
        {"outputs": [[1, 2.5], [3, -4e-9]], "é\n": "ü\ud800"},
        {"predictions": [{"texts": "a", "num": 3}, {"texts": {"b64": ""}}]},
        ["a", {"b64": "YQ=="}],
        [[], [[]], [1, "a", None, True]],
        {},
        [],
        3,
    ],
)
def test_the_text_is_that_of_pythons_own_writer(value):
    assert json_text(value) == json.dumps(value, ensure_ascii=False)


def test_what_is_no_number_is_written_as_tensorflow_serving_does():
    values = [[float("nan"), float("inf"), float("-inf")]]
    assert json_text(values) == "[[NaN, Infinity, -Infinity]]"


def test_pythons_own_writer_gets_one_innermost_list_at_a_time(monkeypatch):
    # Other threads have their turn between its calls, and not within one.
    sizes, dumps = [], json.dumps

    def watch(value, **options):
        sizes.append(len(value))
        return dumps(value, **options)

    monkeypatch.setattr(json, "dumps", watch)
    json_text({"y": [[[0.5] * 7] * 5] * 3})
    assert sizes == [len("y")] + [7] * 15
