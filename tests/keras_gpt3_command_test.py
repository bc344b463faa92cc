import os
import re
import signal
import subprocess
import sys

import pytest

import keras_gpt3

RUN = """
import keras_gpt3_command, sys
try:
    keras_gpt3_command.main()
finally:
    print("tensorflow" in sys.modules, file=sys.stderr)
"""
# Says when it has begun to import, which takes seconds.
SLOW = """
import keras_gpt3_command, sys
class Begun:
    def find_spec(self, name, *others):
        if name == "tensorflow":
            print("begun", flush=True)
sys.meta_path.insert(0, Begun())
keras_gpt3_command.main()
"""


def run(*arguments, **environment):
    kept = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
    return subprocess.run(
        [sys.executable, "-c", RUN, *arguments],
        env=kept | environment,
        capture_output=True,
        text=True,
        check=True,
    )


@pytest.mark.parametrize(
    "arguments, expected",
    [
        (["--version"], keras_gpt3.__version__),
        (["--help"], "contamination"),
        (["generate", "--help"], "--temperature"),
        (["plan", "--help"], "--network-bandwidth"),
    ],
)
def test_what_needs_no_tensorflow_does_not_load_it(arguments, expected):
    done = run(*arguments)
    assert expected in done.stdout
    assert done.stderr == "False\n"


def test_no_help_loads_tensorflow():
    """Every command's, in one process."""
    code = """
import sys, keras_gpt3_command
commands = keras_gpt3_command._command_line()
from keras_gpt3.cli.main import COMMANDS, _imported
for name in COMMANDS:
    if _imported(name) and "tensorflow" in sys.modules:
        print(name)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == ""


@pytest.mark.slow
def test_the_command_line_answers_without_tensorflow_s_notes():
    quiet = run("describe", "gpt3_small_en")
    assert "Parameters" in quiet.stdout
    assert quiet.stderr == "True\n"
    # "2026-11-27 10:05:46.2: I tensorflow/core/util/port.cc:153] ..."
    asked = run("describe", "gpt3_small_en", TF_CPP_MIN_LOG_LEVEL="0")
    assert re.search(r": I [a-z_/]+\.cc", asked.stderr)


def test_ctrl_c_while_a_command_loads_is_one_line():
    with subprocess.Popen(
        [sys.executable, "-c", SLOW, "generate", "--model", "a", "b"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell that runs tests in the background has them ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate()
    assert (process.returncode, errors) == (130, "Interrupted.\n")
