import os
import re
import signal
import subprocess
import sys
import threading

import pytest

from keras_gpt3.training.run import preemption
from keras_gpt3.training.run.preemption import PreemptionHandler

STOP, SAVE, NOTHING = [1.0, 0.0], [0.0, 1.0], [0.0, 0.0]


class Clock:
    """A clock that stands until it is set."""

    minutes = 7.0  # No clock starts at 0.

    def __call__(self):
        return 60 * self.minutes


@pytest.fixture
def clock():
    return Clock()


def send(number):
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_asks_to_stop(number):
    with PreemptionHandler(None, None) as handler:
        assert handler.requests() == NOTHING
        send(number)
        assert handler.requests() == STOP
        assert handler.requests() == STOP


@pytest.mark.parametrize("first", [signal.SIGTERM, signal.SIGINT])
def test_ctrl_c_once_more_stops_at_once(first):
    with PreemptionHandler(None, None) as handler:
        send(first)
        with pytest.raises(KeyboardInterrupt):
            send(signal.SIGINT)
        assert handler.requests() == STOP


def test_a_scheduler_may_ask_twice():
    with PreemptionHandler(None, None) as handler:
        send(signal.SIGTERM)
        send(signal.SIGTERM)
        assert handler.requests() == STOP


@pytest.mark.parametrize("error", [None, RuntimeError])
def test_handlers_are_put_back(error):
    def own(number, frame):
        seen.append(number)

    seen = []
    before = signal.signal(signal.SIGTERM, own)
    # A shell that starts the tests in the background has it ignored.
    interrupt = signal.getsignal(signal.SIGINT)
    try:
        with PreemptionHandler(None, None):
            assert signal.getsignal(signal.SIGTERM) != own
            assert signal.getsignal(signal.SIGINT) != interrupt
            if error:
                raise error
    except RuntimeError:
        pass
    finally:
        assert signal.getsignal(signal.SIGTERM) == own
        send(signal.SIGTERM)
        signal.signal(signal.SIGTERM, before)
    assert seen == [signal.SIGTERM]
    assert signal.getsignal(signal.SIGINT) == interrupt


def test_a_handler_that_python_did_not_set_becomes_the_default(monkeypatch):
    handler = PreemptionHandler(None, None)
    handler._handlers = {signal.SIGUSR1: None}
    handler.__exit__()
    assert signal.getsignal(signal.SIGUSR1) == signal.SIG_DFL


def test_another_thread_takes_no_signals():
    before = signal.getsignal(signal.SIGTERM)
    seen = []

    def enter():
        with PreemptionHandler(None, None) as handler:
            seen.append(signal.getsignal(signal.SIGTERM))
            seen.append(handler.requests())

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert seen == [before, NOTHING]


def test_it_asks_to_stop_after_a_time(clock):
    handler = PreemptionHandler(2.0, None, now=clock)
    clock.minutes += 1.99
    handler.saved()  # Does not put off the end.
    assert handler.requests() == NOTHING
    clock.minutes += 0.01
    assert handler.requests() == STOP


def test_it_asks_to_save_as_long_after_each_checkpoint(clock):
    handler = PreemptionHandler(None, 0.5, now=clock)
    for _ in range(2):
        assert handler.requests() == NOTHING
        clock.minutes += 0.5
        assert handler.requests() == SAVE
        clock.minutes += 3.0
        assert handler.requests() == SAVE
        handler.saved()


@pytest.mark.parametrize("minutes", [0, -1.0, float("nan")])
@pytest.mark.parametrize(
    "name, place", [("stop_after_minutes", 0), ("checkpoints.every_minutes", 1)]
)
def test_a_time_that_is_not_above_0_raises(name, place, minutes):
    arguments = [None, None]
    arguments[place] = minutes
    message = (
        f"{name} must be above 0. Received: {name}={minutes}. Use None to do "
        "without."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        PreemptionHandler(*arguments)


# A main thread that is deaf: in a call that releases Python and hears nothing.
DEAF = """
import hashlib, importlib.util, sys
spec = importlib.util.spec_from_file_location("preemption_handler", sys.argv[1])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
module._PATIENCE = 0.1
with module.PreemptionHandler(None, None):
    print("ready", flush=True)
    hashlib.pbkdf2_hmac("sha256", b"", b"", 10**9)
"""


def test_a_long_call_acknowledges_ctrl_c_and_ends_at_the_second():
    with subprocess.Popen(
        [sys.executable, "-c", DEAF, preemption.__file__],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.stderr.readline() == (
            "Stopping after this step, then saving. Ctrl-C once more stops at "
            "once.\n"
        )
        process.send_signal(signal.SIGINT)
        errors = process.stderr.read()
    assert errors == "Stopping at once. The last checkpoint stays.\n"
    assert process.returncode == 130


def test_a_listener_leaves_nothing_behind():
    with (
        PreemptionHandler(None, None) as handler,
        pytest.raises(KeyboardInterrupt),
    ):
        send(signal.SIGINT)
        send(signal.SIGINT)
    assert handler.requests() == STOP
    assert signal.set_wakeup_fd(-1) == -1
    names = [thread.name for thread in threading.enumerate()]
    assert "preemption_handler" not in names
