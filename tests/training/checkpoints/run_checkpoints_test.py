import errno
import logging
import re
import threading

import numpy as np
import pytest
import tensorflow as tf

from keras_gpt3.training.checkpoints import checkpointer
from keras_gpt3.training.checkpoints import tensorflow_format
from keras_gpt3.training.checkpoints.run_checkpoints import RunCheckpoints

DATA = "arrays.data-00000-of-00001"


def arrays(generation):
    return {"kernel": np.full((2, 3), generation, "float32")}


def save(checkpoints, *steps, generation=1, metric=None):
    for step in steps:
        metadata = {"generation": generation}
        checkpoints.save(step, arrays(generation), metadata, metric)
    checkpoints.wait()


def flip_a_bit(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


# === Saving and restoring ===


def test_the_newest_checkpoint_comes_back_in_another_run(tmp_path):
    folder = tmp_path / "a" / "run"
    with RunCheckpoints(folder) as checkpoints:
        save(checkpoints, 100, generation=1)
        save(checkpoints, 200, generation=2)
        assert checkpoints.num_failed == 0
    restored = RunCheckpoints(folder).restore()
    assert (restored.step, restored.metadata) == (200, {"generation": 2})
    assert restored.folder == folder / "step_000000200"
    np.testing.assert_array_equal(
        restored.arrays["kernel"], arrays(2)["kernel"], strict=True
    )
    assert names(restored.folder) == [DATA, "arrays.index", "manifest.json"]


def test_a_folder_without_checkpoints_restores_nothing(tmp_path):
    checkpoints = RunCheckpoints(tmp_path / "run")
    assert checkpoints.restore() is None
    assert checkpoints.steps() == []
    assert checkpoints.latest_step is None
    assert checkpoints.best_step is None
    # Who only reads makes nothing.
    assert not (tmp_path / "run").exists()


def test_a_step_that_is_asked_for_comes_back(tmp_path):
    with RunCheckpoints(tmp_path) as checkpoints:
        save(checkpoints, 100, 200)
        assert checkpoints.restore(step=100).step == 100
        with pytest.raises(FileNotFoundError, match=r"step=150.*\[100, 200\]"):
            checkpoints.restore(step=150)


def test_a_step_saved_again_replaces_the_one_before(tmp_path):
    with RunCheckpoints(tmp_path) as checkpoints:
        save(checkpoints, 100, generation=1)
        save(checkpoints, 100, generation=2)
        assert names(tmp_path) == ["step_000000100"]
        assert checkpoints.restore().metadata == {"generation": 2}


def test_old_checkpoints_go_by_the_rules(tmp_path):
    with RunCheckpoints(tmp_path, keep_last=2, keep_every=300) as checkpoints:
        for step in range(100, 801, 100):
            save(checkpoints, step, metric=abs(step - 400))
        assert checkpoints.steps() == [300, 400, 600, 700, 800]
        assert checkpoints.best_step == 400
        assert checkpoints.latest_step == 800
    with RunCheckpoints(tmp_path, keep_last=1, keep_best=False) as checkpoints:
        save(checkpoints, 900)
        assert names(tmp_path) == ["step_000000900"]


def test_what_was_just_saved_stays_beside_later_steps(tmp_path):
    with RunCheckpoints(tmp_path, keep_last=1) as checkpoints:
        save(checkpoints, 300, 100)
        assert checkpoints.steps() == [100, 300]


# === Damage ===


def test_a_damaged_newest_falls_back_and_is_kept(tmp_path, caplog):
    with RunCheckpoints(tmp_path) as checkpoints:
        save(checkpoints, 100, 200, 300)
    flip_a_bit(tmp_path / "step_000000300" / DATA)
    (tmp_path / "step_000000200" / "manifest.json").write_text("{", "utf-8")
    with RunCheckpoints(tmp_path, keep_last=2) as checkpoints:
        assert checkpoints.steps() == [100, 300]
        assert checkpoints.restore().step == 100
        assert checkpoints.steps() == [100]
        assert caplog.record_tuples == [
            (
                "keras_gpt3",
                logging.ERROR,
                f"Checkpoint step_000000{step} is damaged: {damage}. Using "
                "step 100 before it.",
            )
            for step, damage in (
                (300, f"{DATA} has another sha256 than its manifest states"),
                (
                    200,
                    "manifest.json is cut short, changed or of another format",
                ),
            )
        ]
        save(checkpoints, 150, 175)
        assert checkpoints.steps() == [150, 175]
        assert names(tmp_path)[-2:] == ["step_000000200", "step_000000300"]
        save(checkpoints, 300, generation=2)
        assert checkpoints.steps() == [175, 300]
        assert checkpoints.restore().metadata == {"generation": 2}


def test_damage_everywhere_is_an_error_that_names_it(tmp_path):
    with RunCheckpoints(tmp_path) as checkpoints:
        save(checkpoints, 100, 200)
    (tmp_path / "step_000000200" / "arrays.index").unlink()
    with pytest.raises(ValueError, match=r"\(step 200: arrays.index is miss"):
        checkpoints.restore(step=200)
    (tmp_path / "step_000000100" / "manifest.json").unlink()
    message = (
        "A checkpoint must be sound to be restored. Received: folder="
        f"'{tmp_path}' (step 200: arrays.index is missing; step 100: "
        "manifest.json is missing). Restore another step or start in another "
        "folder."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        checkpoints.restore()


# === In the background ===


@pytest.fixture
def gate(monkeypatch):
    """Lets a save go on to its arrays once it is set."""
    gate, write_arrays = threading.Event(), tensorflow_format.write_arrays

    def write(*arguments):
        gate.wait(timeout=30)
        write_arrays(*arguments)

    monkeypatch.setattr(tensorflow_format, "write_arrays", write)
    yield gate
    gate.set()


def test_save_returns_at_once_and_the_next_waits_for_it(tmp_path, gate):
    checkpoints = RunCheckpoints(tmp_path)
    checkpoints.save(100, arrays(1), {})
    assert checkpoints.steps() == []
    seen = []

    def save_next():
        checkpoints.save(200, arrays(1), {})
        seen.append(checkpoints.steps()[0])

    thread = threading.Thread(target=save_next)
    thread.start()
    thread.join(timeout=0.1)
    assert thread.is_alive()
    gate.set()
    thread.join()
    checkpoints.close()
    assert seen == [100]
    assert checkpoints.steps() == [100, 200]


def test_restore_waits_for_what_is_under_way(tmp_path, gate):
    with RunCheckpoints(tmp_path) as checkpoints:
        checkpoints.save(100, arrays(1), {})
        threading.Timer(0.05, gate.set).start()
        assert checkpoints.restore().step == 100


def test_metadata_is_that_of_the_call(tmp_path, gate):
    metadata = {"seen": [1]}
    with RunCheckpoints(tmp_path) as checkpoints:
        checkpoints.save(100, arrays(1), metadata)
        metadata["seen"].append(2)
        gate.set()
        assert checkpoints.restore().metadata == {"seen": [1]}


@pytest.mark.parametrize(
    ("error", "cause", "remedy"),
    [
        (OSError("disk"), "disk", "Check that {} can be written."),
        (ValueError("bug"), "bug", "Check that {} can be written."),
        (MemoryError(), "MemoryError", "Check that {} can be written."),
        (
            OSError(errno.ENOSPC, "No space left"),
            "[Errno 28] No space left",
            "Free space in {}.",
        ),
        (
            tf.errors.ResourceExhaustedError(
                None, None, "shard; No space left on device"
            ),
            "shard; No space left on device",
            "Free space in {}.",
        ),
        (
            tf.errors.OutOfRangeError(None, None, "File too large"),
            "File too large",
            "Free space in {}.",
        ),
    ],
)
def test_an_error_is_logged_with_its_remedy_counted_and_not_raised(
    error, cause, remedy, tmp_path, monkeypatch, caplog
):
    def fail(*arguments):
        raise error

    with RunCheckpoints(tmp_path, keep_last=1) as checkpoints:
        with monkeypatch.context() as patch:
            patch.setattr(checkpointer, "seal_files", fail)
            save(checkpoints, 50)
        save(checkpoints, 100)
        with monkeypatch.context() as patch:
            patch.setattr(checkpointer, "seal_files", fail)
            save(checkpoints, 200)
        assert checkpoints.num_failed == 2
        assert names(tmp_path) == ["step_000000100"]
        start = f"could not be written: {cause}. The run continues; "
        remedy = remedy.format(tmp_path)
        assert caplog.messages == [
            f"The checkpoint of step 50 {start}it has no checkpoint that can "
            f"be read. {remedy}",
            f"The checkpoint of step 200 {start}its last checkpoint is that of "
            f"step 100. {remedy}",
        ]
        assert caplog.records[0].exc_info[1] is error
        save(checkpoints, 300)
        assert checkpoints.steps() == [300]


@pytest.mark.parametrize("removal", ["remove_folder", "remove_leftovers"])
def test_a_failed_removal_is_logged_and_tried_again(
    removal, tmp_path, monkeypatch, caplog
):
    def fail(folder):
        raise OSError("busy")

    with RunCheckpoints(tmp_path, keep_last=1) as checkpoints:
        with monkeypatch.context() as patch:
            patch.setattr(checkpointer.checkpoint_folders, removal, fail)
            save(checkpoints, 100, 200)
        assert (checkpoints.steps(), checkpoints.num_failed) == ([100, 200], 0)
        assert "could not be removed: busy." in caplog.text
        save(checkpoints, 300)
        assert checkpoints.steps() == [300]


# === Arguments ===


@pytest.mark.parametrize("name", ["keep_last", "keep_every"])
def test_keeping_less_than_one_is_an_error(name, tmp_path):
    with pytest.raises(ValueError, match=f"^{name} must be an integer of at"):
        RunCheckpoints(tmp_path, **{name: 0})


def test_a_file_in_the_folder_s_place_is_an_error(tmp_path):
    path = tmp_path / "file"
    path.touch()
    message = (
        "folder must be a folder or not be there yet. Received: "
        f"folder='{path}', a file. Pass another one."
    )
    with pytest.raises(NotADirectoryError, match=f"^{re.escape(message)}$"):
        RunCheckpoints(path)


@pytest.mark.parametrize(
    ("argument", "error"),
    [
        ({"step": -1}, ValueError),
        ({"arrays": {"a": "text"}}, TypeError),
        ({"metadata": {"a": {1}}}, TypeError),
        ({"metric": float("nan")}, ValueError),
    ],
)
def test_what_cannot_be_saved_is_an_error_at_once(argument, error, tmp_path):
    checkpoints = RunCheckpoints(tmp_path)
    good = {"step": 1, "arrays": arrays(1), "metadata": {}}
    with pytest.raises(error, match=r"Received: "):
        checkpoints.save(**good | argument)
    assert names(tmp_path) == []


def test_saving_after_close_is_an_error(tmp_path):
    with RunCheckpoints(tmp_path) as checkpoints:
        pass
    message = (
        "Checkpoints can be saved only until close. Received: step=100 after "
        "it. Make another RunCheckpoints."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        checkpoints.save(100, arrays(1), {})
