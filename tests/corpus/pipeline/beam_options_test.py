import os
import re

import pytest
from apache_beam.options.pipeline_options import DirectOptions
from apache_beam.options.pipeline_options import StandardOptions

from keras_gpt3.corpus.pipeline.beam_options import beam_options
from keras_gpt3.corpus.pipeline.beam_options import limit_workers


@pytest.mark.parametrize("runner", [None, "DirectRunner", "FnApiRunner"])
@pytest.mark.parametrize(
    ("workers", "mode"), [(1, "in_memory"), (4, "multi_processing")]
)
def test_this_machine_is_never_left_to_a_runner_that_downloads(
    runner, workers, mode
):
    options = beam_options(workers, runner)
    assert options.view_as(StandardOptions).runner == "FnApiRunner"
    assert options.view_as(DirectOptions).direct_num_workers == workers
    assert options.view_as(DirectOptions).direct_running_mode == mode


def test_there_is_a_worker_for_each_processor(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 2, 5})
    options = beam_options().view_as(DirectOptions)
    assert options.direct_num_workers == 3


def test_where_affinity_is_not_known_all_processors_count(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 5)
    options = beam_options().view_as(DirectOptions)
    assert options.direct_num_workers == 5


def test_another_runner_gets_its_own_options():
    options = beam_options(
        runner="FlinkRunner", extra=["--parallelism=8", "--job_name=corpus"]
    )
    assert options.view_as(StandardOptions).runner == "FlinkRunner"
    kept = options.get_all_options(retain_unknown_options=True)
    assert kept["parallelism"] == 8
    assert kept["job_name"] == "corpus"


def test_workers_must_be_at_least_one():
    with pytest.raises(
        ValueError, match=r"at least 1\. Received: workers=0\. Use None"
    ):
        beam_options(0)


def test_workers_are_this_machine_s():
    with pytest.raises(
        ValueError, match=r"Received: workers=2, runner='FlinkRunner'\. Pass"
    ):
        beam_options(2, "FlinkRunner")


def test_an_option_that_beam_does_not_know_is_named():
    message = (
        "Beam's options must be known to its local runner. Received: "
        "--paralelism. Correct it, or name the runner that has it."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        beam_options(1, extra=["--paralelism=8"])


@pytest.mark.parametrize(
    ("most", "workers", "mode"),
    [
        (1, 1, "in_memory"),
        (2, 2, "multi_processing"),
        (4, 4, "multi_processing"),
        (9, 4, "multi_processing"),
    ],
)
def test_no_more_workers_start_than_can_share_the_work(most, workers, mode):
    options = beam_options(4, extra=["--job_name=corpus"])
    limited = limit_workers(options, most)
    direct = limited.view_as(DirectOptions)
    assert direct.direct_num_workers == workers
    assert direct.direct_running_mode == mode
    assert limited.get_all_options()["job_name"] == "corpus"
    # The caller's own serve further stages.
    assert options.view_as(DirectOptions).direct_num_workers == 4


def test_the_workers_of_another_runner_are_its_own():
    options = beam_options(runner="FlinkRunner", extra=["--parallelism=8"])
    assert limit_workers(options, 1) is options
