import signal
import subprocess
import sys
import threading

from keras_gpt3.cli.user_errors import ended_at_once

INTERRUPTED = """
import os, signal
# A shell that runs tests in the background makes them ignore Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)
from keras_gpt3.cli.user_errors import ended_at_once
with ended_at_once():
    try:
        os.kill(os.getpid(), signal.SIGINT)
    except BaseException:
        print("unwound")
"""


def test_ctrl_c_ends_the_process_without_unwinding():
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr.endswith("Interrupted.\n")


def test_the_handler_is_put_back_and_another_is_kept():
    before = signal.getsignal(signal.SIGINT)
    usual = signal.default_int_handler
    try:
        signal.signal(signal.SIGINT, usual)
        with ended_at_once():
            assert signal.getsignal(signal.SIGINT) is not usual
        assert signal.getsignal(signal.SIGINT) is usual
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        with ended_at_once():
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_thread_that_takes_no_signals_goes_on():
    def load():
        with ended_at_once():
            loaded.append(True)

    loaded = []
    thread = threading.Thread(target=load)
    thread.start()
    thread.join()
    assert loaded == [True]
