import importlib
import json
import sys

import gpu
import keras
import pytest
from harness import gpu_card
from harness.gpu_card import take_turns_if_they_fit
from harness.side_process import SideProcess

pytestmark = pytest.mark.slow

BACKEND = keras.config.backend()
# The flags that tests under JAX set for XLA are not known to TensorFlow's.
BACKENDS = ("tensorflow", "jax") if BACKEND == "tensorflow" else ("jax",)
NVIDIA_SMI = """#!/bin/sh
# Answers for the second card alone, and for the fields in this order.
test "$1" = "--id=1" || exit 6
test "$2" = "--query-gpu=name,driver_version,memory.total" || exit 2
echo "NVIDIA H100 80GB HBM3, 570.86.15, 81559"
"""


def run(monkeypatch, *options):
    monkeypatch.setattr(sys, "argv", ["gpu.py", *options])
    gpu.main()


# === The whole script, on a CPU ===


class SideHere:
    """A side in this process, which has loaded the libraries already."""

    def __init__(self, module, arguments):
        build = importlib.import_module(module).build
        self._step, facts = build(**arguments)
        self.ready = {"ready": True, "first_step": self.step(), **facts}

    def step(self):
        return {"result": self._step()}

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        pass


def side(name, module, arguments, environment):
    """A side on its backend: another one needs a process of its own."""
    if environment["KERAS_BACKEND"] == BACKEND:
        return SideHere(module, arguments)
    return SideProcess(name, module, arguments, environment=environment)


@pytest.fixture(scope="module")
def report():
    """What the script prints; one run, for each training step is a process."""
    printed = []
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(gpu, "SideProcess", side)
        monkeypatch.setattr("builtins.print", lambda x, **_: printed.append(x))
        run(
            monkeypatch,
            *("--allow-cpu", "--parts", "kernels", "step"),
            *("--backends", *BACKENDS, "--presets", "gpt3_small_en"),
            *("--rows", "2", "--length", "16", "--steps", "2"),
            *("--peak-tflops", "1"),
        )
    return json.loads(printed[-1])


@pytest.mark.parametrize("backend", BACKENDS)
def test_kernels_are_compared_with_the_loop_in_float32(report, backend):
    rows = [row for row in report["kernels"] if row["backend"] == backend]
    cases = {(row["window"], row["mask"]) for row in rows}
    masks = ("none", "all_visible", "padded")
    assert cases == {(w, mask) for w in (None, 5) for mask in masks}
    for row in rows:
        assert not row["is_fused"]
        assert row["reference_error"] < 1e-6  # float32 rounds to 6e-8.
        sides = {"package", "loop", "keras"} & set(row)
        assert len(sides) == (3 if row["mask"] == "none" else 2)
        for name in sides:
            assert row[name]["milliseconds"] > 0
            differences = row[name]["differences"]
            assert [*differences] == ["output", "d_query", "d_key", "d_value"]
            # bfloat16 rounds to 1/256; measured at most 0.0075.
            assert all(0 < x < 0.02 for x in differences.values())


@pytest.mark.parametrize("backend", BACKENDS)
def test_steps_are_reported_of_both_sides_with_their_ratio(report, backend):
    (row,) = [row for row in report["step"] if row["backend"] == backend]
    assert row["turns"] == gpu_card.IN_TURN
    assert row["planned"]["fits"]
    ours, theirs = row["keras_gpt3"], row["keras_hub"]
    for result in (ours, theirs):
        assert len(result["all_seconds"]) == 2
        tokens = 2 * 16 / result["seconds"]
        assert result["tokens_per_second"] == pytest.approx(tokens, rel=1e-2)
        assert result["versions"][backend]
    rates = [x["tokens_per_second"] for x in (ours, theirs)]
    assert row["speed"] == pytest.approx(rates[0] / rates[1], rel=1e-2)


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_devices_are_reported(report, backend):
    facts = report["backends"][backend]
    assert not facts["is_nvidia"]
    assert all(x.lower().startswith("cpu:") for x in facts["devices"])


# === Without a GPU ===


class SideWithoutGpu:
    def __init__(self, name, module, arguments, environment):
        assert module == "sides.device_side"
        assert environment["KERAS_BACKEND"] == "jax"
        self.ready = {"devices": ["cpu:0"], "is_nvidia": False}

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        pass


def test_without_a_gpu_one_line_says_what_there_is(monkeypatch, capsys):
    monkeypatch.setattr(gpu, "SideProcess", SideWithoutGpu)
    with pytest.raises(SystemExit) as end:
        run(monkeypatch, "--backends", "jax")
    assert end.value.code == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == (
        "gpu.py must find an NVIDIA GPU on the backend. Received: "
        "backend='jax', devices=['cpu:0']. Use --allow-cpu to try the script "
        "itself.\n"
    )


# === The card ===


def test_the_driver_describes_the_card_that_is_used(monkeypatch, tmp_path):
    program = tmp_path / "nvidia-smi"
    program.write_text(NVIDIA_SMI)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1,0")
    card = gpu_card.describe_card()
    assert card == {
        "name": "NVIDIA H100 80GB HBM3",
        "driver": "570.86.15",
        "memory_bytes": 81559 * 2**20,
    }
    environment = gpu_card.side_environment("jax")
    assert environment["CUDA_VISIBLE_DEVICES"] == "1"
    assert environment["KERAS_BACKEND"] == "jax"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")
    assert gpu_card.describe_card() == {}


@pytest.mark.parametrize(
    ("name", "tflops"),
    [
        ("NVIDIA H100 80GB HBM3", 989),
        ("NVIDIA H100 PCIe", 756),
        ("NVIDIA H200", 989),
        ("NVIDIA A100-SXM4-40GB", 312),
        ("NVIDIA GeForce RTX 4090", None),
        (None, None),
    ],
)
def test_the_peak_is_known_of_some_cards(name, tflops):
    assert gpu_card.peak_tflops(name) == tflops


# === Sides that share a card ===


class FakeSide:
    """Takes some of a card's 80 GB, or dies."""

    started = []
    free = 80

    def __init__(self, name, module, arguments, environment):
        self.started.append((name.split(",")[0], arguments["needs"]))
        self._taken = 0
        if module == "broken":
            self.ready = {"error": "No module named 'broken'"}
        elif arguments["needs"] > FakeSide.free:
            self.ready = {"error": "ResourceExhaustedError: OOM when"}
        else:
            self._taken = arguments["needs"]
            FakeSide.free -= self._taken
            self.ready = {"ready": True}

    def step(self):
        seconds = {"seconds": 1.0, "processor_seconds": 2.0}
        return seconds | {"result": None, "peak_bytes": 1}

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        FakeSide.free += self._taken


@pytest.fixture
def fake_sides(monkeypatch):
    monkeypatch.setattr(gpu_card, "SideProcess", FakeSide)
    monkeypatch.setattr(FakeSide, "started", [])
    return FakeSide.started


def turns(**needs):
    """Runs sides of which each says what it needs, then less and less."""
    candidates = {
        name: [("fake", {"needs": x}) for x in some]
        for name, some in needs.items()
    }
    return take_turns_if_they_fit(candidates, 2, {"KERAS_BACKEND": "jax"})


def test_sides_that_fit_into_the_card_together_take_turns(fake_sides):
    how, results = turns(a=[30, 15], b=[40, 20])
    assert how == gpu_card.IN_TURN
    assert fake_sides == [("a", 30), ("b", 40)]
    assert results["a"]["options"] == {"needs": 30}
    assert len(results["b"]["all_seconds"]) == 2


def test_sides_that_fit_alone_run_one_after_the_other(fake_sides):
    how, results = turns(a=[50, 25], b=[60, 30])
    assert how == gpu_card.ONE_BY_ONE
    assert fake_sides == [("a", 50), ("b", 60), ("a", 50), ("b", 60)]
    assert all(x["seconds"] == 1.0 for x in results.values())


def test_what_does_not_fit_alone_runs_smaller(fake_sides):
    _, results = turns(a=[90, 70], b=[200, 100, 50])
    assert fake_sides[2:] == [
        *[("a", 90), ("a", 70)],
        *[("b", 200), ("b", 100), ("b", 50)],
    ]
    assert [x["options"]["needs"] for x in results.values()] == [70, 50]


def test_what_never_fits_is_an_error_beside_the_other_s_figures(fake_sides):
    _, results = turns(a=[10], b=[200, 100])
    assert results["a"]["seconds"] == 1.0
    assert "OOM" in results["b"]["error"]


def test_another_error_is_not_tried_again(fake_sides):
    programs = {
        "a": [("fake", {"needs": 1})],
        "b": [("broken", {"needs": 2}), ("broken", {"needs": 1})],
    }
    how, results = take_turns_if_they_fit(programs, 2, {"KERAS_BACKEND": "jax"})
    assert how == gpu_card.IN_TURN
    assert fake_sides == [("a", 1), ("b", 2)]
    assert "broken" in results["b"]["error"]
