import functools
import logging
import os
import pathlib
import re

import apache_beam as beam
import pytest

from keras_gpt3.corpus.pipeline.beam_options import beam_options
from keras_gpt3.corpus.pipeline.corpus_pipeline import corpus_pipeline
from keras_gpt3.corpus.pipeline.corpus_pipeline import run_parts
from keras_gpt3.corpus.pipeline.corpus_pipeline import run_stage
from keras_gpt3.corpus.pipeline.document import Document
from keras_gpt3.corpus.pipeline.part_file import written_part
from keras_gpt3.corpus.pipeline.stage import Stage
from keras_gpt3.corpus.pipeline.stage import StageInput

# === Corpus pipeline ===


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
    message = (
        "A stage must run without an error. Received: RuntimeError: Broken. "
        "See above for where it was raised."
    )
    with pytest.raises(RuntimeError, match=f"^{re.escape(message)}$"):
        run(fail(RuntimeError, "Broken."))
    with pytest.raises(TypeError, match="Broken"):
        run(fail(TypeError, "Broken"))


@pytest.mark.slow
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


# === Run parts ===


def make(folder, number=6):
    inputs = [StageInput("novels", f"{n}", f"{n}") for n in range(number)]
    return Stage("read", folder, inputs, {})


def process(part, calls=None, broken=None):
    if part.input == broken:
        raise ValueError(f"text must be x. Received: part={part.input}. Use x.")
    if calls is not None:
        pathlib.Path(calls, part.name).touch(exist_ok=False)
    with written_part(part.output) as write:
        write(Document(part.input, part.source, "Once" * 100))
    return {"documents_out": 1}


def files(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_each_part_is_made_once_and_a_second_run_makes_none(tmp_path):
    (tmp_path / "calls").mkdir()
    work = functools.partial(process, calls=str(tmp_path / "calls"))
    totals = run_stage(make(tmp_path / "1"), work, ONE)
    assert totals["all"] == {"documents_out": 6}
    assert len(list((tmp_path / "calls").iterdir())) == 6
    assert run_stage(make(tmp_path / "1"), work, ONE) == totals


@pytest.mark.slow
def test_two_workers_make_what_one_makes(tmp_path):
    # Pickled by value: worker processes do not know this module.
    def work(part):
        with written_part(part.output) as write:
            write(Document(part.input, part.source, "Once" * 100))
        return {"documents_out": 1}

    run_stage(make(tmp_path / "1"), work, ONE)
    run_stage(make(tmp_path / "2"), work, beam_options(workers=2))
    assert files(tmp_path / "1") == files(tmp_path / "2")


def test_what_was_done_before_an_error_stays(tmp_path):
    (tmp_path / "calls").mkdir()
    work = functools.partial(process, calls=str(tmp_path / "calls"))
    stage = make(tmp_path / "1")
    with pytest.raises(ValueError, match=r"Received: part=3\. Use x\."):
        run_stage(stage, functools.partial(work, broken="3"), ONE)
    assert not stage.is_done
    assert stage.parts[3] in stage.pending_parts()
    run_stage(stage, work, ONE)
    assert stage.is_done


def process_id(part):
    return {"process": [os.getpid()]}


def test_a_single_part_is_made_in_this_process(tmp_path):
    stage = make(tmp_path / "1", number=1)
    run_stage(stage, process_id, beam_options(workers=4))
    assert stage.totals["all"]["process"] == [os.getpid()]


def test_parts_that_are_done_start_no_workers(tmp_path):
    stage = make(tmp_path / "1")
    stage.start()
    for part in stage.parts[:-1]:
        part.finish({})
    run_stage(stage, process_id, beam_options(workers=4))
    assert stage.totals["all"]["process"] == [os.getpid()]


def test_no_pipeline_is_started_for_nothing(tmp_path):
    run_parts(process, [], options=None)


def test_a_bar_shows_how_many_parts_are_done(tmp_path, capsys):
    stage = make(tmp_path / "1")
    stage.start()
    stage.parts[0].finish({})
    run_parts(process, stage.parts, ONE, "read", verbose=True)
    shown = capsys.readouterr().err
    assert "read" in shown
    assert "6/6" in shown
