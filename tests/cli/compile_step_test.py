import json
import re
import subprocess
import types

import jax
import pytest

from keras_gpt3.cli import plan as compiling
from keras_gpt3.cli.plan import compile_step
from keras_gpt3.training.step.deviceless_compilation import StepProgram
from keras_gpt3.training.step.deviceless_compilation import h100_devices
from keras_gpt3.training.step.deviceless_compilation import largest_constant

PROGRAM = {
    "state": 5,
    "temporary": 7,
    "code": 1,
    "largest_constant": 0,
    "kernels": {},
    "lowering_seconds": 0.5,
    "compile_seconds": 1.5,
}


def exactly(message):
    assert "\n" not in message
    return f"^{re.escape(message)}$"


# === Constants ===

HLO = """
HloModule a
ENTRY main {
  one = f32[] constant(1), metadata={op_name="x"}
  ids = s32[3,4]{1,0} constant({ { 0, 1, 2, 3 }, { 4, 5, 6, 7 }, {...} })
  halves = bf16[20]{0} constant({...})
  mask = pred[30]{0} constant({...})
  ones = f32[1000,1000]{1,0} broadcast(one), dimensions={}
  ROOT found = f32[1000,1000]{1,0} add(ones, ones)
}
"""
STABLE = """
module @jit_f {
  func.func public @main(%arg0: tensor<1000xf32>) -> tensor<1000xf32> {
    %cst = stablehlo.constant dense<1.000000e+00> : tensor<1000x1000xf32>
    %c = stablehlo.constant dense<[[0, 1, 2], [3, 4, 5]]> : tensor<2x3xi64>
    %c_0 = stablehlo.constant dense<"0x0001"> : tensor<40xi1> loc(#loc1)
    %c_1 = stablehlo.constant dense<[1, 2]> : tensor<2xbf16>
    return %arg0 : tensor<1000xf32>
  }
}
"""


def without(text, *names):
    lines = text.splitlines()
    return "\n".join(x for x in lines if not any(n in x for n in names))


@pytest.mark.parametrize(
    ("text", "size"),
    [
        (HLO, 3 * 4 * 4),
        (without(HLO, "ids"), 20 * 2),
        (without(HLO, "ids", "halves"), 30),
        (without(HLO, "ids", "halves", "mask"), 0),
        (STABLE, 2 * 3 * 8),
        (without(STABLE, "%c ="), 40),
        (without(STABLE, "%c =", "%c_0"), 2 * 2),
        (without(STABLE, "%c"), 0),
        ("", 0),
    ],
)
def test_the_largest_constant_is_what_a_device_would_hold(text, size):
    assert largest_constant(text) == size


# === Errors ===


def test_tensorflow_compiles_for_one_device():
    message = (
        "mesh must be (1, 1) on TensorFlow, whose replicas are compiled for "
        "one device. Received: mesh=(2, 1). Use the JAX backend."
    )
    with pytest.raises(ValueError, match=exactly(message)):
        compile_step({}, backend="tensorflow", rows=1, length=8, mesh=[2, 1])


def test_a_missing_compiler_is_named_in_one_line(monkeypatch):
    def missing(**_):
        raise NotImplementedError("no plugin\nof this platform")

    monkeypatch.setattr(
        "jax.experimental.topologies.get_topology_desc", missing
    )
    message = (
        "XLA's compiler for NVIDIA GPUs must be installed to compile for "
        r"them. Received: 'no plugin\nof this platform'. Run pip install "
        f'"jax[cuda12]=={jax.__version__}".'
    )
    with pytest.raises(ImportError, match=exactly(message)):
        h100_devices(1)


@pytest.fixture
def process(monkeypatch):
    """A process that ends as it is told; gives what it was started with."""

    def ends(returncode, stdout="", stderr=""):
        def run(arguments, **options):
            started.append((arguments, options))
            return types.SimpleNamespace(
                returncode=returncode, stdout=stdout, stderr=stderr
            )

        started = []
        monkeypatch.setattr(compiling.subprocess, "run", run)
        return started

    return ends


@pytest.mark.parametrize(
    ("last", "error", "message"),
    [
        ("ImportError: XLA's compiler: none.", ImportError, "XLA's compiler: "),
        ("ValueError: rows must divide.", ValueError, "rows must divide."),
        ("jax.errors.JaxRuntimeError: No space", ValueError, "No space"),
        ("", ValueError, "no message"),
    ],
)
def test_the_last_line_of_a_process_is_the_error(process, last, error, message):
    process(1, stderr=f"Traceback:\n  File\n{last}\n" if last else "")
    with pytest.raises(error, match=f"^{re.escape(message)}") as raised:
        compile_step({}, backend="jax", rows=1, length=8)
    assert type(raised.value) is error


def test_a_process_that_was_killed_is_told_of(process):
    process(-9)
    message = (
        "The compiler must run to its end. Received: signal 9. Free memory, or "
        "compile fewer layers."
    )
    with pytest.raises(ValueError, match=exactly(message)):
        compile_step({}, backend="jax", rows=1, length=8)


# === What is compiled ===


def test_the_process_is_told_all_and_its_last_line_is_read(process):
    started = process(0, stdout=f"a log\n{json.dumps(PROGRAM)}\n")
    found = compile_step(
        {"num_layers": 2},
        backend="tensorflow",
        rows=4,
        length=16,
        micro_batch_size=2,
        timeout=30.0,
    )
    assert found == StepProgram(**PROGRAM)
    assert found.total == 12
    ((arguments, options),) = started
    assert arguments[1:3] == ["-m", "keras_gpt3.cli.plan"]
    assert json.loads(arguments[3]) == {
        "config": {"num_layers": 2, "max_sequence_length": 16},
        "rows": 4,
        "length": 16,
        "dtype": "mixed_bfloat16",
        "rematerialization": "none",
        "micro_batch_size": 2,
        "mesh": [1, 1],
        "layout": {},
    }
    assert options["timeout"] == 30.0
    assert options["env"]["KERAS_BACKEND"] == "tensorflow"
    assert options["env"]["CUDA_VISIBLE_DEVICES"] == "-1"


def test_a_process_that_takes_too_long_is_ended(monkeypatch):
    def run(*_, timeout, **__):
        raise subprocess.TimeoutExpired("python", timeout)

    monkeypatch.setattr(compiling.subprocess, "run", run)
    with pytest.raises(subprocess.TimeoutExpired):
        compile_step({}, backend="jax", rows=1, length=8, timeout=0.1)
