import pathlib
import subprocess
import sys

import pytest

from keras_gpt3 import corpus
from keras_gpt3.corpus.build import build_corpus
from keras_gpt3.corpus.pipeline import beam_worker

pytestmark = pytest.mark.slow

FOLDER = pathlib.Path(beam_worker.__file__).parents[2]
LOADED = f"""
import runpy, sys
worker = runpy.run_path({beam_worker.__file__!r})
sys.modules["keras_gpt3"] = worker["light_package"]({str(FOLDER)!r})
from keras_gpt3 import corpus
heavy = ("apache_beam", "tensorflow", "keras_gpt3.corpus.build")
print(callable(corpus.beam_options), *(name in sys.modules for name in heavy))
"""


def test_a_build_is_loaded_when_it_is_asked_for():
    assert corpus.build_corpus is build_corpus
    run = subprocess.run(
        [sys.executable, "-c", LOADED],
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout == "True False False False\n"


def test_an_unknown_name_raises():
    message = (
        "A name of keras_gpt3.corpus must be one that it has. Received: "
        "'build_corpora'. Use one of CorpusConfig, SourceSection, "
        "beam_options, build_corpus."
    )
    with pytest.raises(AttributeError) as caught:
        corpus.build_corpora  # noqa: B018
    assert str(caught.value) == message
