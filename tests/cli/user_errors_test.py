import errno
import signal
import subprocess
import sys
import threading

import pytest
import typer

from keras_gpt3.cli.user_errors import ended_at_once
from keras_gpt3.cli.user_errors import user_errors

# === User errors ===


@pytest.mark.parametrize("kind", [ValueError, OSError, MemoryError])
def test_an_error_of_the_user_becomes_one_line_and_code_2(kind, capsys):
    with pytest.raises(typer.Exit) as stopped, user_errors():
        raise kind("x must be y. Received: x=1. Use y.")
    assert stopped.value.exit_code == 2
    assert capsys.readouterr() == ("", "x must be y. Received: x=1. Use y.\n")


def test_a_defect_keeps_its_traceback():
    with pytest.raises(KeyError), user_errors():
        raise KeyError("x")


def test_what_is_long_or_broken_stays_one_line(capsys):
    with pytest.raises(typer.Exit), user_errors():
        raise ValueError("x must be y.\nReceived: " + 10**6 * "x" + ". Use y.")
    message = capsys.readouterr().err
    assert len(message) < 3000
    assert message.startswith("x must be y. Received: x")
    assert message.endswith("x. Use y.\n")


@pytest.mark.parametrize(
    "error",
    [
        # As h5py and TensorFlow word them.
        OSError(errno.ENOSPC, "Can't write data\n(file write failed)"),
        RuntimeError("ckpt.tempstate; No space left on device [Op:SaveV2]"),
    ],
)
def test_a_full_disk_is_one_line_whatever_library_met_it(error, capsys):
    with pytest.raises(typer.Exit) as stopped, user_errors():
        raise error
    assert stopped.value.exit_code == 2
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert line.startswith(
        "The disk must have room for all that is written. Received: "
    )
    assert line.endswith(". Free some space and run it again.\n")


def test_a_full_disk_that_a_file_has_told_of_is_not_told_twice(capsys):
    with pytest.raises(typer.Exit), user_errors():
        try:
            raise OSError(errno.ENOSPC, "x")
        except OSError as error:
            message = "The disk must have room for all that is written. Once."
            raise OSError(message) from error
    assert capsys.readouterr().err == f"{message}\n"


# === Interruption ===


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


@pytest.mark.slow
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
