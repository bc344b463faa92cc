import logging

import apache_beam as beam
import pytest

from keras_gpt3.corpus.pipeline.beam_options import beam_options
from keras_gpt3.corpus.pipeline.corpus_pipeline import corpus_pipeline

ONE = beam_options(workers=1)


def run(function, options=ONE):
    with corpus_pipeline(options) as pipeline:
        _ = pipeline | beam.Create([1]) | beam.Map(function)


def fail(kind, *arguments):
    def function(element):
        raise kind(*arguments)

    return function


def test_a_pipeline_runs_when_the_block_ends(tmp_path):
    run(lambda element: (tmp_path / "a.txt").write_text(str(element)))
    assert (tmp_path / "a.txt").read_text() == "1"


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        (ValueError, ("text must be x. Received: y: z. Use 'x'.",)),
        (FileNotFoundError, ("A part must exist. Received: file='a'.",)),
        (ImportError, ("A package must be there.",)),
        (MemoryError, ("Too much.",)),
    ],
)
def test_an_error_of_the_input_comes_out_as_it_was_raised(kind, arguments):
    with pytest.raises(kind) as error:
        run(fail(kind, *arguments))
    assert type(error.value) is kind
    assert str(error.value) == arguments[0]


def test_an_error_of_unicode_comes_out_as_a_value_error():
    with pytest.raises(ValueError, match="can't decode byte 0xff"):
        run(lambda element: b"\xff".decode())


def test_a_fault_of_the_code_is_no_error_of_the_input():
    with pytest.raises(RuntimeError, match="Received: RuntimeError: Broken"):
        run(fail(RuntimeError, "Broken."))
    with pytest.raises(TypeError, match="Broken"):
        run(fail(TypeError, "Broken"))


def test_an_error_in_a_worker_process_comes_out_as_it_was_raised(capfd):
    def function(element):
        import sys

        heavy = "tensorflow" in sys.modules
        raise ValueError(f"text must be x. Received: heavy={heavy}. Use x.")

    with pytest.raises(ValueError) as error:
        run(function, beam_options(workers=2))
    # Neither is TensorFlow loaded there, nor anything printed.
    text = "text must be x. Received: heavy=False. Use x."
    assert str(error.value) == text
    assert capfd.readouterr() == ("", "")


def test_the_log_is_as_before():
    level = logging.getLogger("apache_beam").level
    run(str)
    assert logging.getLogger("apache_beam").level == level
