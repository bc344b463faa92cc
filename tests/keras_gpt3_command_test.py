import os
import re
import subprocess
import sys

import keras_gpt3

RUN = "import keras_gpt3_command; keras_gpt3_command.main()"


def run(*arguments, **environment):
    kept = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
    return subprocess.run(
        [sys.executable, "-c", RUN, *arguments],
        env=kept | environment,
        capture_output=True,
        text=True,
        check=True,
    )


def test_the_command_line_answers_without_tensorflow_s_notes():
    quiet = run("--version")
    assert keras_gpt3.__version__ in quiet.stdout
    # "2026-11-27 10:05:46.2: I tensorflow/core/util/port.cc:153] ..."
    assert not re.search(r": I [a-z_/]+\.cc", quiet.stderr)
    asked = run("--version", TF_CPP_MIN_LOG_LEVEL="0")
    assert re.search(r": I [a-z_/]+\.cc", asked.stderr)
