"""What kills and a full disk leave of a run's checkpoints."""

import json
import os
import pathlib
import signal
import subprocess
import sys

import pytest

from keras_gpt3.training.checkpoints.run_checkpoints import RunCheckpoints
from tests.training import killed_saves


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """The folder in which the program did its work."""
    root = tmp_path_factory.mktemp("killed")
    with RunCheckpoints(root / "template") as checkpoints:
        for step in (100, 200):
            metadata = {"generation": 1}
            checkpoints.save(step, killed_saves.arrays(1), metadata)
    repository = pathlib.Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, killed_saves.__file__, root],
        env=os.environ | {"PYTHONPATH": str(repository)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (root / "codes.json").write_text(done.stdout, "utf-8")
    return root


@pytest.fixture
def codes(root):
    """Name of each process' folder to what ended it."""
    return json.loads((root / "codes.json").read_bytes())


def check_generation(restored):
    """Facts and arrays are of the same save."""
    generation = restored.metadata["generation"]
    assert (restored.arrays["kernel"] == generation).all()
    return generation


@pytest.mark.slow
def test_a_kill_at_any_moment_loses_no_step(root, codes, caplog):
    killed = [root / name for name in codes if name.startswith("killed")]
    assert codes.pop(killed.pop().name) == 0
    generations, hidden = [], set()
    for folder in killed:
        assert codes[folder.name] == -signal.SIGKILL
        hidden.update(
            name.split(".")[2].partition("-")[0]
            for name in names(folder)
            if name.startswith(".")
        )
        with RunCheckpoints(folder, keep_last=1) as checkpoints:
            restored = checkpoints.restore()
            assert restored.step == checkpoints.latest_step == 200
            generations.append(check_generation(restored))
            metadata = {"generation": 3}
            checkpoints.save(300, killed_saves.arrays(3), metadata)
        assert names(folder) == ["step_000000300"]
        assert check_generation(checkpoints.restore()) == 3
    # First the old one, from some moment on the new one; all was hit.
    assert generations == sorted(generations)
    assert set(generations) == {1, 2}
    assert hidden == {"tmp", "replaced", "trash"}
    assert caplog.messages == []


@pytest.mark.slow
def test_a_death_amid_the_arrays_leaves_the_checkpoints_before(root, codes):
    folder = root / "arrays"
    assert codes["arrays"] == -signal.SIGXFSZ
    (half,) = (path for path in folder.iterdir() if path.name[0] == ".")
    assert max(path.stat().st_size for path in half.iterdir()) == (
        killed_saves.LIMIT_BYTES
    )
    with RunCheckpoints(folder) as checkpoints:
        assert checkpoints.restore().step == 200
        checkpoints.save(300, killed_saves.arrays(3), {"generation": 3})
    assert names(folder) == [f"step_000000{step}" for step in (100, 200, 300)]


@pytest.mark.slow
def test_a_full_disk_ends_no_run(root, codes):
    folder = root / "full"
    assert codes["full"] == 0
    assert (root / "full.failed").read_text() == "1"
    assert json.loads((root / "full.200").read_text()) == ["step_000000100"]
    log = (root / "full.log").read_text("utf-8")
    assert log.startswith("The checkpoint of step 200 could not be written: ")
    assert "File too large" in log
    assert (
        "The run continues; its last checkpoint is that of step 100. Free "
        f"space in {folder}.\n"
    ) in log
    checkpoints = RunCheckpoints(folder)
    assert checkpoints.steps() == [100, 300]
    assert check_generation(checkpoints.restore()) == 300


@pytest.mark.slow
def test_the_end_of_the_program_completes_what_is_under_way(root):
    checkpoints = RunCheckpoints(root / "unfinished")
    assert names(root / "unfinished") == ["step_000000100"]
    assert check_generation(checkpoints.restore()) == 1
