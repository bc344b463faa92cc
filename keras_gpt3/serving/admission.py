"""How much is let in at a time; more is refused at once."""

import contextlib

from keras_gpt3.serving.request_error import RequestError


class Admission:
    """Counts what is inside, and refuses what would be too much.

    Args:
        limit: int. The most that may be inside.
        noun: string. What is counted, in the plural, for the message.
        option: string. The option that sets the limit, for the message.

    Example:

    ```python
    from keras_gpt3.serving.admission import Admission

    streams = Admission(2, "streams", "--max-streams")
    with streams.admit():
        streams.inside  # 1
    ```
    """

    def __init__(self, limit, noun, option):
        self.inside = 0
        self._limit = limit
        self._noun = noun
        self._option = option

    @contextlib.contextmanager
    def admit(self, amount=1):
        """Lets something in for as long as the block runs.

        Args:
            amount: int. How much it counts. Defaults to `1`.

        Raises:
            RequestError: With status 429, if it would be too much.
        """
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
