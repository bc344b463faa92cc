from keras_gpt3.evaluation.kept_prefix import KeptPrefix


class Model:
    """Stands in for a model; counts the prefixes that it makes."""

    def __init__(self):
        self.texts = []

    def prefix(self, text):
        self.texts.append(text)
        return object()


def test_the_last_prefix_is_kept():
    model = Model()
    prefix_of = KeptPrefix(model)
    assert not prefix_of.holds("a")
    first = prefix_of("a")
    assert prefix_of("a") is first
    assert prefix_of.holds("a")
    assert prefix_of("b") is not first
    prefix_of("a")
    assert model.texts == ["a", "b", "a"]


def test_an_empty_text_has_none_and_drops_none():
    model = Model()
    prefix_of = KeptPrefix(model)
    first = prefix_of("a")
    assert prefix_of("") is None
    assert prefix_of("a") is first
