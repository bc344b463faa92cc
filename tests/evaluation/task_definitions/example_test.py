import pytest

from keras_gpt3.evaluation.task_definitions.task_examples import Example


def test_a_demonstration_is_the_context_with_the_first_answer():
    assert Example("1+1=", (" 2", " two")).demonstration == "1+1= 2"


def test_with_partial_evaluation_it_has_the_right_context():
    example = Example("a", (" runs",), label=1, contexts=("a", "b"))
    assert example.demonstration == "b runs"


def test_without_an_answer_there_is_none():
    message = "A demonstration must have an answer. Received: line 3, which"
    with pytest.raises(ValueError, match=message):
        _ = Example("1+1=", (), where="line 3").demonstration


def test_where_a_record_is_read_does_not_make_it_another():
    one = Example("1+1=", (" 2",), where="train.jsonl", cluster="train.jsonl")
    other = Example("1+1=", (" 2",), where="test.jsonl")
    assert one == other
    assert hash(one) == hash(other)
    assert one.digest == other.digest


@pytest.mark.parametrize(
    "fields", [{"context": "1+2="}, {"answers": (" 3",)}, {"label": 1}]
)
def test_what_is_asked_does(fields):
    one = {"context": "1+1=", "answers": (" 2",)}
    assert Example(**one) != Example(**one | fields)
    assert Example(**one).digest != Example(**one | fields).digest
