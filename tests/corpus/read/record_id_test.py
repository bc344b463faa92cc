import pytest

from keras_gpt3.corpus.read.decode_text import record_id


@pytest.mark.parametrize(
    ("own", "name"),
    [
        ("abc", "abc"),
        (7, "7"),
        (0, "0"),
        ("x\ud800", "x\\ud800"),
        ("", "novels/a.jsonl:3"),
        (None, "novels/a.jsonl:3"),
        (True, "novels/a.jsonl:3"),
        (["abc"], "novels/a.jsonl:3"),
        (1.5, "novels/a.jsonl:3"),
    ],
)
def test_an_id_is_the_record_s_own_or_its_place(own, name):
    assert record_id(own, "novels", "a.jsonl:3") == name
