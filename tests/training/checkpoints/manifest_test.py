import dataclasses
import datetime
import hashlib
import json
import re

import ml_dtypes
import numpy as np
import pytest

import keras_gpt3
from keras_gpt3.training.checkpoints.manifest import CheckpointManifest
from keras_gpt3.training.checkpoints.manifest import described
from keras_gpt3.training.checkpoints.manifest import examine
from keras_gpt3.training.checkpoints.manifest import seal_files
from keras_gpt3.training.checkpoints.tensorflow_format import TensorFlowFormat
from keras_gpt3.training.checkpoints.tensorflow_format import write_arrays


@pytest.fixture
def manifest():
    arrays = {
        "a/b": np.zeros((2, 0), ml_dtypes.bfloat16),
        "c": np.zeros((), "int64"),
    }
    files = {"arrays.index": {"num_bytes": 3, "sha256": "abc"}}
    metadata = {
        "rate": 0.1 + 0.2,
        "list": [1, None, "ü"],
        "b": {"z": 1, "a": 2},
    }
    return CheckpointManifest.of_now(
        123, 2.5, metadata, TensorFlowFormat(), described(arrays), files
    )


def test_a_manifest_comes_back_as_it_was_written(manifest, tmp_path):
    manifest.write(tmp_path)
    assert CheckpointManifest.read(tmp_path) == manifest
    assert manifest.arrays == {
        "a/b": {"dtype": "bfloat16", "shape": [2, 0]},
        "c": {"dtype": "int64", "shape": []},
    }


def test_a_manifest_tells_when_and_by_whom_it_was_written(manifest):
    written = datetime.datetime.fromisoformat(manifest.written)
    assert written.utcoffset() == datetime.timedelta(0)
    assert manifest.versions["keras_gpt3"] == keras_gpt3.__version__
    assert set(manifest.versions) == {
        "keras",
        "keras_gpt3",
        "numpy",
        "python",
        "tensorflow",
    }


def test_a_folder_without_a_manifest_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        CheckpointManifest.read(tmp_path)


def changed(reason):
    return (
        r"^A checkpoint's manifest must be as it was written\. Received: "
        rf"file='.*manifest\.json' \(.*{reason}.*\)\. Restore another "
        r"checkpoint\.$"
    )


@pytest.mark.parametrize("length", [0, 1, 100])
def test_a_manifest_cut_short_is_an_error(length, manifest, tmp_path):
    manifest.write(tmp_path)
    path = tmp_path / "manifest.json"
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(ValueError, match=changed("JSONDecodeError")):
        CheckpointManifest.read(tmp_path)


@pytest.mark.parametrize("text", ["[]", "{}", '{"sha256": ""}', "3"])
def test_json_that_is_no_manifest_is_an_error(text, tmp_path):
    (tmp_path / "manifest.json").write_text(text, "utf-8")
    with pytest.raises(ValueError, match=changed("Error")):
        CheckpointManifest.read(tmp_path)


@pytest.mark.parametrize(
    ("old", "new"), [("123", "124"), ("2.5", "2.25"), ('"abc"', '"abcd"')]
)
def test_a_changed_field_is_an_error(old, new, manifest, tmp_path):
    manifest.write(tmp_path)
    path = tmp_path / "manifest.json"
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")
    with pytest.raises(ValueError, match=changed("another sha256")):
        CheckpointManifest.read(tmp_path)


def test_another_format_version_is_an_error(manifest, tmp_path):
    manifest.write(tmp_path)
    path = tmp_path / "manifest.json"
    fields = json.loads(path.read_bytes()) | {"format_version": 2}
    path.write_text(json.dumps(fields), "utf-8")
    message = (
        "A checkpoint's format_version must be 1. Received: format_version=2 "
        f"in file='{path}'. Update keras_gpt3 or restore another checkpoint."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        CheckpointManifest.read(tmp_path)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"extra": 1}, "other keys, .'extra'."),
        ({"step": "3"}, "step of another type"),
        ({"metadata": []}, "metadata of another type"),
        ({"files": {"../a": {}}}, "a file elsewhere, '../a'"),
        ({"files": {"a": {"num_bytes": 3}}}, "no size and sha256 of 'a'"),
        ({"arrays": {"a": "float32"}}, "no dtype and shape of 'a'"),
    ],
)
def test_forged_fields_are_an_error_though_their_checksum_is_right(
    changes, reason, manifest, tmp_path
):
    fields = {"format_version": 1, **dataclasses.asdict(manifest)} | changes
    text = json.dumps(fields, sort_keys=True).encode()
    fields["sha256"] = hashlib.sha256(text).hexdigest()
    (tmp_path / "manifest.json").write_text(json.dumps(fields))
    with pytest.raises(ValueError, match=changed(reason)):
        CheckpointManifest.read(tmp_path)


def test_json_nested_too_deep_is_an_error(tmp_path):
    (tmp_path / "manifest.json").write_text("[" * 10**5)
    with pytest.raises(ValueError, match=changed("RecursionError")):
        CheckpointManifest.read(tmp_path)


# === Files ===


@pytest.fixture
def checkpoint(tmp_path):
    """The folder of a sound checkpoint."""
    arrays = {"kernel": np.arange(100.0)}
    write_arrays(tmp_path, arrays)
    files = seal_files(tmp_path)
    manifest = CheckpointManifest.of_now(
        7, None, {}, TensorFlowFormat(), described(arrays), files
    )
    manifest.write(tmp_path)
    return tmp_path


def test_sizes_and_checksums_are_those_of_the_files(checkpoint):
    manifest, _ = examine(checkpoint)
    assert manifest.files == {
        name: {
            "num_bytes": len((checkpoint / name).read_bytes()),
            "sha256": hashlib.sha256(
                (checkpoint / name).read_bytes()
            ).hexdigest(),
        }
        for name in ("arrays.index", "arrays.data-00000-of-00001")
    }


def test_files_may_lie_in_folders_and_have_no_checksum(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "c").write_bytes(b"123")
    files = seal_files(tmp_path, has_checksums=False)
    assert files == {"a/b/c": {"num_bytes": 3, "sha256": None}}
    manifest = CheckpointManifest.of_now(
        7, None, {}, TensorFlowFormat(), {}, files
    )
    manifest.write(tmp_path)
    assert examine(tmp_path)[1] is None
    (tmp_path / "a" / "b" / "c").write_bytes(b"12")
    assert examine(tmp_path)[1].startswith("a/b/c has another size")


def test_a_sound_checkpoint_has_no_damage(checkpoint):
    assert examine(checkpoint)[1] is None


def cut(path):
    path.write_bytes(path.read_bytes()[:-1])


def flip_a_bit(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def remove(path):
    path.unlink()


def put_a_folder_there(path):
    path.unlink()
    path.mkdir()


DATA = "arrays.data-00000-of-00001"
DAMAGES = [
    ("manifest.json", remove, "is missing"),
    ("manifest.json", cut, "is cut short, changed or of another format"),
    (
        "manifest.json",
        flip_a_bit,
        "is cut short, changed or of another format",
    ),
    ("manifest.json", put_a_folder_there, "cannot be read ([Errno 21]"),
    (DATA, remove, "is missing"),
    (DATA, cut, "has another size than its manifest states"),
    (DATA, flip_a_bit, "has another sha256 than its manifest states"),
    ("arrays.index", remove, "is missing"),
    ("arrays.index", flip_a_bit, "has another sha256 than its manifest states"),
]


@pytest.mark.parametrize(("name", "damage", "text"), DAMAGES)
def test_damage_is_found_and_named(name, damage, text, checkpoint):
    damage(checkpoint / name)
    _, found = examine(checkpoint)
    assert found.startswith(f"{name} {text}")
    # What only a checksum tells costs a reading of every byte.
    looks_complete = damage is flip_a_bit and name != "manifest.json"
    _, found = examine(checkpoint, reads_all=False)
    assert (found is None) == looks_complete


def test_a_disk_that_fails_to_read_is_damage(checkpoint, monkeypatch):
    def fail(*arguments):
        raise OSError("Input/output error")

    monkeypatch.setattr(hashlib, "file_digest", fail)
    _, found = examine(checkpoint)
    assert found == f"{DATA} cannot be read (Input/output error)"
