import pytest

from keras_gpt3.corpus.corpus_config import FilterSection


def test_the_shape_is_above_0():
    message = (
        "^filter.alpha must be above 0. Received: filter.alpha=0.0. Leave it "
        "out for the paper's 9.$"
    )
    with pytest.raises(ValueError, match=message):
        FilterSection(alpha=0.0)
    assert FilterSection().alpha == 9
