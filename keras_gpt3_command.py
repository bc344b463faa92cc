"""The command `keras-gpt3`: `keras_gpt3.cli.main`, without TensorFlow's notes.

TensorFlow logs the processor's instructions and missing GPUs when it is
loaded, which `import keras_gpt3` does. What is to be quiet must be said before,
hence outside that package; so must what does not need TensorFlow at all.
"""

import ctypes
import importlib.util
import os
import sys


def main():
    """Run the command line."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", _log_level())
    _command_line()()


def _log_level():
    """The least that TensorFlow may log: warnings, or nothing.

    Without a driver it calls the missing GPU an error. What is one raises.
    """
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return "3"
    return "1"


def _command_line():
    """The subcommands, without the package around them.

    Its `__init__` imports TensorFlow, which takes seconds and is of no use to
    `--help`. A module in its place lets those of the command line be found; it
    goes again, and whoever needs the package imports it.
    """
    spec = importlib.util.find_spec("keras_gpt3")
    sys.modules["keras_gpt3"] = importlib.util.module_from_spec(spec)
    try:
        from keras_gpt3.cli.main import app
    finally:
        del sys.modules["keras_gpt3"]
    return app
