from harness.alternation import alternate
from harness.alternation import ratio


class FakeSide:
    """Notes its steps in a shared list; takes the given seconds."""

    def __init__(self, name, seconds, steps):
        self.ready = {"ready": True}
        self._name, self._seconds, self._steps = name, list(seconds), steps

    def step(self):
        self._steps.append(self._name)
        seconds = self._seconds.pop(0)
        return {
            "seconds": seconds,
            "processor_seconds": 2 * seconds,
            "result": None,
            "peak_bytes": 100 * seconds,
        }


def test_sides_take_turns_and_medians_and_highest_peaks_are_reported():
    steps = []
    sides = {
        "a": FakeSide("a", [1, 9, 2], steps),
        "b": FakeSide("b", [4, 4, 7], steps),
    }
    report = alternate(sides, 3)
    assert steps == ["a", "b"] * 3
    assert report["a"]["seconds"] == 2
    assert report["a"]["all_seconds"] == [1, 9, 2]
    assert report["a"]["all_processor_seconds"] == [2, 18, 4]
    assert report["a"]["peak_bytes"] == 900
    assert ratio(report["b"], report["a"], "seconds") == 2


def test_there_is_no_ratio_to_a_side_that_died():
    assert ratio({"seconds": 1.0}, {"error": "gone"}, "seconds") is None
    assert ratio({"error": "gone"}, {"seconds": 1.0}, "seconds") is None
