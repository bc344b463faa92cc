import re
import types

import pytest

from keras_gpt3.training.recipe.pretraining_config import check_positive

SECTION = types.SimpleNamespace(minutes=0.5, rate=0, window=None)


def test_positive_numbers_and_none_pass():
    check_positive(SECTION, "log", "minutes", "window")


@pytest.mark.parametrize(
    "name, field", [("log", "log.rate"), ("", "rate")], ids=["section", "whole"]
)
def test_another_number_is_an_error_that_names_the_field(name, field):
    message = (
        f"{field} must be above 0. Received: {field}=0. Use None to do without."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        check_positive(SECTION, name, "minutes", "rate")
