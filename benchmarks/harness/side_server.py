"""The side's end of the talk with a benchmark: one step at a time.

Standard library only, so that a side may run on a Python of its own.
"""

import json
import os
import sys
import time

from harness.process_memory import device_peak_bytes
from harness.process_memory import peak_bytes
from harness.versions import versions


def serve(build, *packages):
    """Builds a step from the arguments of the command line, and runs it.

    Writes one JSON line when it is ready (after one step, which compiles) and
    one for each line that it reads, each of which requests a step.

    Args:
        build: callable. Takes the arguments by keyword, returns the step, a
            callable without arguments, and a dict of facts to report.
        *packages: strings. Distributions whose versions are reported.
    """
    answers = _own_output()
    arguments = json.loads(sys.argv[1]) if len(sys.argv) > 1 else {}
    step, facts = build(**arguments)
    first = _timed(step)
    ready = {"ready": True, "versions": versions(*packages), **facts}
    _write(answers, ready | {"first_step": first})
    for _ in sys.stdin:
        _write(answers, _timed(step))


def _own_output():
    """Standard output for answers alone; prints of libraries go to errors."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return answers


def _timed(step):
    start, used = time.perf_counter(), time.process_time()
    result = step()
    answer = {
        "seconds": time.perf_counter() - start,
        # Of all threads: what others do on the machine counts less.
        "processor_seconds": time.process_time() - used,
        "result": result,
        "peak_bytes": peak_bytes(),
    }
    on_device = device_peak_bytes()
    if on_device is not None:
        answer["device_peak_bytes"] = on_device
    return answer


def _write(answers, message):
    answers.write(json.dumps(message) + "\n")
    answers.flush()
