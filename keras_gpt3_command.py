"""The command `keras-gpt3`: `keras_gpt3.cli.main`, without TensorFlow's notes.

TensorFlow tells of the processor's instructions and of missing GPUs when it is
loaded, which `import keras_gpt3` does. What is to be quiet must be said before,
hence outside that package. Its warnings and errors stay.
"""

import os


def main():
    """Runs the command line."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
    from keras_gpt3.cli.main import app

    app()
