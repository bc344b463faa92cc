import pytest

from keras_gpt3.evaluation.example import Example


def test_a_demonstration_is_the_context_with_the_first_answer():
    assert Example("1+1=", (" 2", " two")).demonstration == "1+1= 2"


def test_with_partial_evaluation_it_has_the_right_context():
    example = Example("a", (" runs",), label=1, contexts=("a", "b"))
    assert example.demonstration == "b runs"


def test_without_an_answer_there_is_none():
    message = "A demonstration must have an answer. Received: line 3, which"
    with pytest.raises(ValueError, match=message):
        _ = Example("1+1=", (), where="line 3").demonstration
