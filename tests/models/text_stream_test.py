import pytest

from keras_gpt3.models.generate import answer_texts
from keras_gpt3.models.generate.generation_request import GenerationRequest
from keras_gpt3.models.generate.prompt_batch import batch_of_texts
from tests.small_gpt3 import talking_model


def pieces(prompt="the cat", **arguments):
    model = talking_model()
    request = GenerationRequest.checked(model, **arguments)
    batch = batch_of_texts(model, [prompt], request)
    return answer_texts.text_pieces(model, batch, request)


def test_a_piece_comes_before_the_next_is_computed(monkeypatch):
    counts = []
    real = answer_texts.Decoding.advance
    monkeypatch.setattr(
        answer_texts.Decoding,
        "advance",
        lambda self, count: (counts.append(count), real(self, count))[1],
    )
    stream = pieces(max_new_tokens=20)
    assert next(stream) and counts == [1]
    assert next(stream) and len(counts) == 2


def test_nothing_is_computed_behind_a_stop_string(monkeypatch):
    whole = "".join(pieces(max_new_tokens=30))
    counts = []
    real = answer_texts.Decoding.advance
    monkeypatch.setattr(
        answer_texts.Decoding,
        "advance",
        lambda self, count: (counts.append(count), real(self, count))[1],
    )
    assert "".join(pieces(max_new_tokens=30, stop=whole[2])) == whole[:2]
    assert sum(counts) < 15


@pytest.mark.parametrize("max_new_tokens", [1, 2, 5, 6])
def test_an_answer_has_so_many_tokens(max_new_tokens):
    # Of one letter each.
    answer = "".join(pieces(max_new_tokens=max_new_tokens))
    tokens = talking_model().generate(
        "the cat", max_new_tokens=max_new_tokens, strip_prompt=True
    )
    assert answer == tokens
