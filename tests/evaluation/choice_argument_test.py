import re

import pytest

from keras_gpt3.argument_checks import check_choice


def test_one_of_the_names_passes():
    check_choice("split", "test", ("train", "test"))


@pytest.mark.parametrize(
    ("value", "hint"),
    [("tests", "Did you mean 'test'?"), (None, "Use one of these.")],
)
def test_another_is_an_error_that_offers_the_closest(value, hint):
    message = (
        f"split must be one of train, test. Received: split={value!r}. {hint}"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        check_choice("split", value, ("train", "test"))
