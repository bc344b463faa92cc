"""The card that a benchmark measures, and the processes that share it."""

import contextlib
import os
import re
import shutil
import subprocess

from harness.alternation import alternate
from harness.side_process import SideProcess

# Dense products of 16 bits, in 1e12 FLOP/s, by NVIDIA's data sheets; the first
# name that is in the card's counts.
_PEAK_TFLOPS = {
    "H100 PCIe": 756,
    "H100 NVL": 835,
    "H100": 989,
    "H200": 989,
    "A100": 312,
}
_FIELDS = ("name", "driver_version", "memory.total")
# JAX would take at most 75% of the card, TensorFlow nearly all. Neither is to
# reserve it beforehand: two processes share the card.
_SHARED_CARD = {
    "TF_FORCE_GPU_ALLOW_GROWTH": "true",
    "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
    "XLA_CLIENT_MEM_FRACTION": "0.95",
    # The order in which nvidia-smi counts.
    "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
}
_NO_CARD = {"CUDA_VISIBLE_DEVICES": "-1", "JAX_PLATFORMS": "cpu"}
# What libraries say of a process that needs more memory than there is.
_OUT_OF_MEMORY = re.compile(
    r"RESOURCE_EXHAUSTED|ResourceExhausted|out ?of ?memory|MemoryError|\bOOM\b"
    r"|killed, perhaps for memory",
    re.IGNORECASE,
)
IN_TURN = "step by step"
ONE_BY_ONE = "one after the other: they do not fit into the card together"


def side_environment(backend, on_cpu=False):
    """Environment variables of a side that shares one card with others.

    Args:
        backend: string. The Keras backend.
        on_cpu: bool. Whether it must not use the card. Defaults to `False`.

    Returns:
        A dict.
    """
    card = _NO_CARD if on_cpu else {"CUDA_VISIBLE_DEVICES": _card()}
    return {"KERAS_BACKEND": backend} | _SHARED_CARD | card


def describe_card():
    """Asks the driver about the card, as nothing else must start it.

    Returns:
        A dict: `name`, `driver` and `memory_bytes`; empty where the driver
        does not answer.
    """
    program = shutil.which("nvidia-smi")
    if program is None:
        return {}
    query = f"--query-gpu={','.join(_FIELDS)}"
    answer = subprocess.run(
        [program, f"--id={_card()}", query, "--format=csv,noheader,nounits"],
        capture_output=True,
        text=True,
        check=False,
    )
    values = [x.strip() for x in answer.stdout.split(",")]
    if answer.returncode or len(values) != len(_FIELDS):
        return {}
    name, driver, mebibytes = values
    if not mebibytes.isdigit():  # Cards that share the host's memory.
        return {"name": name, "driver": driver}
    memory = int(mebibytes) * 2**20
    return {"name": name, "driver": driver, "memory_bytes": memory}


def peak_tflops(name):
    """What a card does at most in 16 bits.

    Args:
        name: string. As the driver or a backend names it, or `None`.

    Returns:
        A number, 1e12 FLOP/s, or `None` where the card is not known.
    """
    known = (x for key, x in _PEAK_TFLOPS.items() if key in (name or ""))
    return next(known, None)


def take_turns(programs, repetitions, environment):
    """Lets sides that share the card take their steps in turn.

    Args:
        programs: dict from side to what `SideProcess` takes: the module, its
            arguments and perhaps the Python.
        repetitions: int. Steps of each side.
        environment: dict. As `side_environment` makes it.

    Returns:
        A dict from side to what `alternate` reports, and what the side
        itself said first as `ready`.
    """
    backend = environment["KERAS_BACKEND"]
    with contextlib.ExitStack() as stack:
        sides = {
            name: stack.enter_context(
                SideProcess(
                    f"{name}, {backend}", *program, environment=environment
                )
            )
            for name, program in programs.items()
        }
        results = alternate(sides, repetitions)
    return {
        name: {"ready": sides[name].ready, "options": programs[name][1]}
        | result
        for name, result in results.items()
    }


def take_turns_if_they_fit(candidates, repetitions, environment):
    """Lets sides take turns; what does not fit runs alone, and smaller.

    Args:
        candidates: dict from side to a list of programs as `take_turns` takes
            them, the first to be preferred, each smaller than the one before.
        repetitions: int. Steps of each side.
        environment: dict. As `side_environment` makes it.

    Returns:
        A pair of `IN_TURN` or `ONE_BY_ONE`, and what `take_turns` returns.
    """
    preferred = {name: programs[0] for name, programs in candidates.items()}
    results = take_turns(preferred, repetitions, environment)
    if not any(map(_ran_out, results.values())):
        return IN_TURN, results
    for name, programs in candidates.items():
        for program in programs:
            results |= take_turns({name: program}, repetitions, environment)
            if not _ran_out(results[name]):
                break
    return ONE_BY_ONE, results


def _ran_out(result):
    """Whether a side ended for want of memory."""
    return bool(_OUT_OF_MEMORY.search(result.get("error", "")))


def _card():
    """The number or UUID of the one card to use."""
    return os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]
