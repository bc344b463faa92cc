"""How much is let in at a time; more is refused at once."""

import contextlib

from keras_gpt3.serving.request_error import RequestError


class Admission:
    """Counts what is inside, and refuses what would be too much."""

    def __init__(self, limit, noun, option):
        self.inside = 0
        self._limit = limit
        self._noun = noun
        self._option = option

    @contextlib.contextmanager
    def admit(self, amount=1):
        """Lets something in for as long as the block runs."""
        if self.inside + amount > self._limit:
            raise RequestError(
                429,
                f"The server takes at most {self._limit} {self._noun} at a "
                f"time. Received: {self._noun}={self.inside + amount}. Try "
                f"again later, or start it with a higher {self._option}.",
                headers={"Retry-After": "1"},
            )
        self.inside += amount
        try:
            yield
        finally:
            self.inside -= amount
