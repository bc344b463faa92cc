import re

import pytest

from keras_gpt3.models.presets.preset_resolution import check_known_arguments


class Swallower:
    def __init__(self, width, depth=1, **kwargs):
        pass


def test_named_arguments_those_of_keras_and_further_ones_pass():
    arguments = dict.fromkeys(("width", "depth", "name", "trainable", "more"))
    check_known_arguments(Swallower, arguments, also=("more",))


@pytest.mark.parametrize(
    "argument, hint",
    [
        ("widths", "Did you mean width?"),
        ("zzz", "Remove it."),
        ("kwargs", "Remove it."),
        ("self", "Remove it."),
    ],
)
def test_an_argument_that_would_be_swallowed_raises(argument, hint):
    message = (
        "Overrides must be arguments of Swallower: ['depth', 'name', "
        f"'trainable', 'width']. Received: {argument}=5. {hint}"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        check_known_arguments(Swallower, {"width": 1, argument: 5})
