"""What a test expects of a preset that is refused."""

import re

import pytest

from keras_gpt3 import GPT3Backbone


def refusal(expected, preset, *args, error=ValueError, **kwargs):
    """Asserts that a backbone is refused, with this text on one line."""
    with pytest.raises(error, match=re.escape(expected)) as raised:
        GPT3Backbone.from_preset(preset, *args, **kwargs)
    assert "\n" not in str(raised.value)
