"""What a worker asks of a run: to save, or to save and stop."""

import signal
import threading
import time


class RunRequests:
    """Watches signals and clocks.

    On SIGTERM, as a scheduler sends it before it takes a machine away, and
    after a time, the run is to save and stop; on a clock of minutes it is to
    save. Workers vote, in the exchange of each step, so that all of them do so
    after the same one. Ctrl-C is taken as SIGTERM the first time, and raises
    `KeyboardInterrupt` after either.

    Args:
        stop_after_minutes: float, or `None` for no end.
        save_every_minutes: float, or `None` for no clock.
        now: callable. The time in seconds. Defaults to `time.monotonic`.
        elapsed_seconds: float. What of `stop_after_minutes` has passed before.
            Defaults to `0.0`.

    Raises:
        ValueError: If a time is not above 0.

    Example:

    ```python
    from keras_gpt3.training.run_requests import RunRequests

    with RunRequests(None, save_every_minutes=30.0) as requests:
        requests.votes()  # [0.0, 0.0]: neither stop nor save.
    ```
    """

    def __init__(
        self,
        stop_after_minutes,
        save_every_minutes,
        now=time.monotonic,
        elapsed_seconds=0.0,
    ):
        for name, minutes in (
            ("stop_after_minutes", stop_after_minutes),
            ("checkpoints.every_minutes", save_every_minutes),
        ):
            if minutes is not None and not minutes > 0:
                raise ValueError(
                    f"{name} must be above 0. Received: {name}={minutes}. Use "
                    "None to do without."
                )
        self._now = now
        self._stop_after = stop_after_minutes
        self._save_every = save_every_minutes
        self._saved = now()
        self._started = self._saved - elapsed_seconds
        self._terminated = False
        self._handlers = {}

    def __enter__(self):
        # Python takes signals in its main thread only.
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self._handlers[number] = signal.signal(number, self._terminate)
        return self

    def __exit__(self, *exception):
        for number, handler in self._handlers.items():
            # `None` stands for one that Python did not set.
            default = signal.SIG_DFL
            signal.signal(number, default if handler is None else handler)

    def votes(self):
        """Tells what this worker wants now.

        Returns:
            A list of two floats, 1 or 0: to stop, and to save.
        """
        stop = self._terminated or self._is_due(self._stop_after, self._started)
        save = self._is_due(self._save_every, self._saved)
        return [float(stop), float(save)]

    def saved(self):
        """Tells the clock that a checkpoint was made."""
        self._saved = self._now()

    def _is_due(self, minutes, since):
        return minutes is not None and self._now() - since >= 60 * minutes

    def _terminate(self, number, frame):
        if self._terminated and number == signal.SIGINT:
            raise KeyboardInterrupt  # Asked once more: at once.
        self._terminated = True
