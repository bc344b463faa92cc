import dataclasses
import datetime
import hashlib
import json
import re

import ml_dtypes
import numpy as np
import pytest

import keras_gpt3
from keras_gpt3.training.checkpoints.checkpoint_files import CheckpointManifest


@pytest.fixture
def manifest():
    arrays = {
        "a/b": np.zeros((2, 0), ml_dtypes.bfloat16),
        "c": np.zeros((), "int64"),
    }
    files = {"arrays.index": {"num_bytes": 3, "sha256": "abc"}}
    facts = {"rate": 0.1 + 0.2, "list": [1, None, "ü"], "b": {"z": 1, "a": 2}}
    return CheckpointManifest.of_now(123, 2.5, facts, arrays, files)


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
        ({"step": "3"}, "step is no number"),
        ({"facts": []}, "facts is no object"),
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
