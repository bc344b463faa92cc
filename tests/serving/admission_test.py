import re

import pytest

from keras_gpt3.serving.json_body import RequestError
from keras_gpt3.serving.model_server import Admission

MESSAGE = (
    "The server takes at most 3 prompts at a time. Received: prompts=4. Try "
    "again later, or start it with a higher --max-queue."
)


def test_what_is_too_much_is_refused_and_told_to_come_back():
    queue = Admission(3, "prompts", "--max-queue")
    with queue.admit(3):
        with pytest.raises(RequestError, match=f"^{re.escape(MESSAGE)}$") as e:
            with queue.admit():
                pass
        assert e.value.status == 429
        assert e.value.headers == {"Retry-After": "1"}
        assert queue.inside == 3
    assert queue.inside == 0


def test_room_is_given_back_after_an_error():
    queue = Admission(1, "prompts", "--max-queue")
    for _ in range(3):
        with pytest.raises(KeyError):
            with queue.admit():
                raise KeyError
    assert queue.inside == 0
