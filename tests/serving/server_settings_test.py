import re

import pytest

from keras_gpt3.serving.server_settings import ServerSettings


def test_no_limit_of_new_tokens_is_the_default():
    assert ServerSettings().max_new_tokens is None


@pytest.mark.parametrize(
    "name, value, message",
    [
        (
            "name",
            "a/b",
            # The words of model.export.
            "name must consist of letters, digits, dots, dashes and "
            "underscores. Received: name='a/b'. Pass one such as 'gpt3'.",
        ),
        (
            "max_batch_size",
            0,
            "max_batch_size must be an integer of at least 1. Received: "
            "max_batch_size=0. Pass 1 or more.",
        ),
        (
            "max_new_tokens",
            0,
            "max_new_tokens must be an integer of at least 1. Received: "
            "max_new_tokens=0. Pass 1 or more.",
        ),
        (
            "batch_timeout_ms",
            -1.0,
            "batch_timeout_ms must be a finite number of at least 0. "
            "Received: batch_timeout_ms=-1.0. Pass 0 or more.",
        ),
        (
            "request_timeout",
            0,
            "request_timeout must be a finite number above 0. Received: "
            "request_timeout=0. Pass more.",
        ),
        (
            "speculative",
            "model",
            'speculative must be "prompt" or None. Received: speculative='
            "'model'. Leave it out for no drafts.",
        ),
        (
            "watch_seconds",
            float("inf"),
            "watch_seconds must be a finite number above 0. Received: "
            "watch_seconds=inf. Pass more.",
        ),
        (
            "request_timeout",
            float("nan"),
            "request_timeout must be a finite number above 0. Received: "
            "request_timeout=nan. Pass more.",
        ),
    ],
)
def test_a_wrong_setting_is_one_sentence(name, value, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        ServerSettings(**{name: value})


def test_one_thing_drafts():
    with pytest.raises(ValueError, match=r"^Only one .* draft='small'. Leave"):
        ServerSettings(speculative="prompt", draft="small")


@pytest.mark.parametrize(
    "name",
    [
        "max_queue",
        "max_slots",
        "max_cache_bytes",
        "max_body_bytes",
        "max_stop_strings",
        "max_stop_bytes",
        "max_answer_values",
    ],
)
def test_every_count_is_checked(name):
    with pytest.raises(ValueError, match=f"^{name} must be an integer"):
        ServerSettings(**{name: 0})
