import pathlib

import pytest
from harness.alternation import alternate
from harness.side_process import SideProcess


@pytest.fixture(autouse=True)
def tiny_side_is_importable(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(pathlib.Path(__file__).parent))


def start(**arguments):
    return SideProcess("tiny", "tiny_side", arguments)


def test_a_side_takes_one_step_at_each_request():
    with start() as side:
        assert side.ready["ready"]
        assert side.ready["fact"] == 0
        assert side.ready["first_step"]["result"] == 0
        assert [side.step()["result"] for _ in range(3)] == [1, 2, 3]
        assert side.step()["seconds"] >= 0


def test_the_peak_memory_is_the_side_s_own():
    ours = bytearray(2**27)
    ours[:: 2**10] = b"x" * len(ours[:: 2**10])
    with start() as light, start(megabytes=50) as heavy:
        peaks = [side.step()["peak_bytes"] for side in (light, heavy)]
    assert peaks[0] < len(ours)  # A bare Python takes about 15 MB.
    # The other pages of two bare processes differ by less than 10 MB.
    assert peaks[1] - peaks[0] == pytest.approx(50 * 2**20, abs=10 * 2**20)


@pytest.mark.parametrize("die_at", [0, 2])
def test_a_dying_side_is_an_error_entry_and_the_others_go_on(die_at):
    with start(die_at=die_at) as dying, start() as living:
        report = alternate({"dying": dying, "living": living}, 3)
    assert list(report["dying"]) == ["error"]
    assert "status 1" in report["dying"]["error"]
    assert report["dying"]["error"].endswith("MemoryError: no more memory")
    assert report["living"]["results"] == [1, 2, 3]


def test_a_side_that_cannot_start_is_an_error_entry():
    with SideProcess("missing", "sides.no_such_side", {}) as side:
        assert "No module named" in side.ready["error"]
        assert side.step() == side.ready


def test_a_killed_side_says_so():
    with start(die_at=1, killed=True) as side:
        assert "killed, perhaps for memory" in side.step()["error"]
