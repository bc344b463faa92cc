"""Exports a model for TensorFlow Serving.

    python examples/serving/export_model.py                      # GPT-3 Small
    python examples/serving/export_model.py runs/quickstart/preset

MODEL is a preset's name or the folder of a saved model. A preset's weights are
random: good for measuring, not for reading. On 2 CPU cores GPT-3 Small takes
one to three minutes. Each call writes one more version below
runs/serving/gpt3, then asks it, loaded by TensorFlow alone, and prints

    Wrote runs/serving/gpt3/1 (513.7 MB)
    The people of the United States ...
"""

import argparse
import os
import pathlib
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf

import keras_gpt3

PROMPT = "The people of the United States"


def main(arguments=None):
    """Exports a model and asks it.

    Args:
        arguments: list of strings. Defaults to the process's own.

    Returns:
        The exit code: 0, or 1 with one line on standard error.
    """
    given = _parser().parse_args(arguments)
    try:
        model = keras_gpt3.GPT3.from_preset(given.model, dtype=given.dtype)
        version = model.export(given.out, verbose=False)
    except (ValueError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    files = [path for path in version.rglob("*") if path.is_file()]
    megabytes = sum(path.stat().st_size for path in files) / 1e6
    print(f"Wrote {version} ({megabytes:,.1f} MB)")
    print(PROMPT + ask(version))
    return 0


def ask(version):
    """Asks an export as a server does.

    Args:
        version: path. The folder of one version.

    Returns:
        A string, what follows the prompt.
    """
    loaded = tf.saved_model.load(str(version))
    answer = loaded.signatures["generate"](
        prompts=tf.constant([PROMPT]),
        max_new_tokens=tf.constant(24),
        temperature=tf.constant(0.8),
        top_k=tf.constant(40),
        top_p=tf.constant(1.0),
        seed=tf.constant(7),
        truncate=tf.constant(""),
        # None.
        stop=tf.constant([], tf.string),
    )
    return answer["texts"].numpy()[0].decode()


def _parser():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "model", nargs="?", default="gpt3_small_en", help="%(default)s"
    )
    parser.add_argument(
        "--out",
        type=pathlib.Path,
        default=pathlib.Path("runs/serving/gpt3"),
        help="the folder of the versions",
    )
    parser.add_argument("--dtype", help="such as bfloat16, half the memory")
    return parser


if __name__ == "__main__":
    sys.exit(main())
