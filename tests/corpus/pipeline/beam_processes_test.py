import apache_beam as beam
import pytest

from keras_gpt3.corpus.pipeline import beam_worker
from keras_gpt3.corpus.pipeline.beam_options import beam_options
from keras_gpt3.corpus.pipeline.corpus_pipeline import corpus_pipeline

LATE = """
import os, runpy, time
if int(os.environ["WORKER_ID"].rpartition("_")[2]) % 2 == {late}:
    time.sleep(4)  # The other one has failed by then.
runpy.run_path({file!r}, run_name="__main__")
"""


def fail(element):
    raise ValueError(element)


# Which of the two gets the element depends on what ran before.
@pytest.mark.parametrize("late", [0, 1])
@pytest.mark.slow
def test_a_worker_that_starts_after_the_end_ends(tmp_path, monkeypatch, late):
    script = tmp_path / "late.py"
    script.write_text(LATE.format(late=late, file=beam_worker.__file__))
    monkeypatch.setattr(beam_worker, "__file__", str(script))
    broken = corpus_pipeline(beam_options(workers=2))
    with pytest.raises(ValueError, match="Broken"):
        with broken as pipeline:
            _ = pipeline | beam.Create(["Broken"]) | beam.Map(fail)
