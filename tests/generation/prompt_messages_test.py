import re

import pytest

from keras_gpt3.generation import prompt_messages

MESSAGES = [
    prompt_messages.EMPTY_PROMPT,
    prompt_messages.NO_PROMPTS,
    prompt_messages.MAX_NEW_TOKENS,
    prompt_messages.TOP_K,
    prompt_messages.STOP_STRINGS,
    prompt_messages.TRUNCATE,
    prompt_messages.too_long_message(2048),
]


@pytest.mark.parametrize("message", MESSAGES)
def test_a_message_says_rule_value_and_remedy(message):
    text = "17".join(message)
    assert re.fullmatch(r"[^.]+\. Received: \w+=17\. [^.]+\.", text)


@pytest.mark.parametrize("message", MESSAGES)
def test_a_graph_can_print_a_message(message):
    # Its quotes would come out with backslashes.
    assert not set("".join(message)) & set("'\"\\\n")
