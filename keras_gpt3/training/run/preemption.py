"""Signals and clocks that ask a run to save, or to save and stop."""

import os
import signal
import socket
import sys
import threading
import time

# Seconds that a call into TensorFlow, which may compile for minutes, has to end
# after the second Ctrl-C.
_PATIENCE = 5.0
# What a shell expects of a process that Ctrl-C has ended.
_INTERRUPTED = 130


class PreemptionHandler:
    """Turns SIGTERM, Ctrl-C and clocks into requests to save and to stop.

    A scheduler sends SIGTERM before it takes a machine away: the run is to
    save and stop, as after a time; on a clock of minutes it is to save. The
    requests of all workers are summed in the exchange of each step, so that
    all follow them after the same one. The first Ctrl-C is handled as SIGTERM,
    one after either raises `KeyboardInterrupt`; a process that does not react,
    in a long call, is ended. Each is acknowledged at once, on the standard
    error stream.
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
        self._listener = None

    def __enter__(self):
        # Python takes signals in its main thread only.
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self._handlers[number] = signal.signal(number, self._terminate)
            self._listener = _SignalListener()
        return self

    def __exit__(self, *exception):
        if self._listener is not None:
            self._listener.close()
        for number, handler in self._handlers.items():
            # `None` stands for one that Python did not set.
            default = signal.SIG_DFL
            signal.signal(number, default if handler is None else handler)

    def requests(self):
        """What this worker requests now: floats, to stop and to save."""
        stop = self._terminated or self._is_due(self._stop_after, self._started)
        save = self._is_due(self._save_every, self._saved)
        return [float(stop), float(save)]

    def saved(self):
        """Restart the clock of checkpoints."""
        self._saved = self._now()

    def _is_due(self, minutes, since):
        return minutes is not None and self._now() - since >= 60 * minutes

    def _terminate(self, number, frame):
        if self._terminated and number == signal.SIGINT:
            raise KeyboardInterrupt  # Asked once more: at once.
        self._terminated = True


class _SignalListener:
    """Acknowledges signals in a thread of its own.

    Python's handlers wait for the main thread to come back from TensorFlow.
    """

    def __init__(self):
        self._heard, self._deadline = 0, None
        self._receiver, self._sender = socket.socketpair()
        self._sender.setblocking(False)
        self._before = signal.set_wakeup_fd(
            self._sender.fileno(), warn_on_full_buffer=False
        )
        self._thread = threading.Thread(
            target=self._listen, name="preemption_handler", daemon=True
        )
        self._thread.start()

    def close(self):
        signal.set_wakeup_fd(self._before)
        self._sender.close()  # Ends the loop of the thread.
        self._thread.join()
        self._receiver.close()
        if self._deadline is not None:
            self._deadline.cancel()

    def _listen(self):
        while number := self._receiver.recv(1):
            if number[0] in (signal.SIGINT, signal.SIGTERM):
                self._acknowledge(number[0])

    def _acknowledge(self, number):
        self._heard += 1
        if self._heard == 1:
            _tell(
                "Stopping after this step, then saving. Ctrl-C once more stops "
                "at once."
            )
        elif number == signal.SIGINT and self._deadline is None:
            _tell("Stopping at once. The last checkpoint stays.")
            # A checkpoint is renamed when it is whole: none is spoilt.
            self._deadline = threading.Timer(
                _PATIENCE, os._exit, (_INTERRUPTED,)
            )
            self._deadline.daemon = True
            self._deadline.start()


def _tell(line):
    # Looked up now: a bar on the terminal has put itself in its place.
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
