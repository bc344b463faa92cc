"""Tests of the manifest's file."""

import dataclasses
import hashlib
import json
import os
import re
import resource

import numpy as np
import pytest

from keras_gpt3.data import shard_manifest
from keras_gpt3.data.shard_manifest import ShardManifest
from keras_gpt3.data.shard_manifest import ShardRecord

# === Shard manifest ===


MANIFEST = ShardManifest(
    "uint16",
    50256,
    50257,
    (ShardRecord("a", 5, 2, "aa"), ShardRecord("b", 7, 1, "bb")),
)


def change_manifest(folder, **changes):
    MANIFEST.write(folder)
    path = folder / "manifest.json"
    fields = json.loads(path.read_text()) | changes
    fields = {name: value for name, value in fields.items() if value != "drop"}
    path.write_text(json.dumps(fields))


def test_reading_gives_back_what_was_written(tmp_path):
    MANIFEST.write(tmp_path)
    assert ShardManifest.read(tmp_path) == MANIFEST
    assert [path.name for path in tmp_path.iterdir()] == ["manifest.json"]


def test_the_file_states_version_and_totals(tmp_path):
    MANIFEST.write(tmp_path)
    fields = json.loads((tmp_path / "manifest.json").read_text())
    assert fields["format_version"] == 1
    assert (fields["num_tokens"], fields["num_documents"]) == (12, 3)


@pytest.mark.parametrize(
    "name", ["../secret", "/etc/passwd", "a/b", "..", "", "a\\b", 5]
)
def test_a_shard_elsewhere_is_refused(name, tmp_path):
    shard = {
        "file_name": name,
        "num_tokens": 12,
        "num_documents": 3,
        "sha256": "aa",
    }
    change_manifest(tmp_path, shards=[shard])
    with pytest.raises(ValueError, match="a plain file name beside the manif"):
        ShardManifest.read(tmp_path)


@pytest.mark.parametrize(
    "changes",
    [
        {"num_tokens": -1},
        {"num_tokens": 1.5},
        {"num_documents": 10**30},
        {"sha256": None},
        {"unknown": 1},
    ],
)
def test_a_forged_record_is_one_line(changes, tmp_path):
    shard = {
        "file_name": "a",
        "num_tokens": 12,
        "num_documents": 3,
        "sha256": "aa",
    }
    change_manifest(tmp_path, shards=[shard | changes])
    with pytest.raises(ValueError, match="^A manifest must be JSON") as raised:
        ShardManifest.read(tmp_path)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("folder", [".", "none", "file"])
def test_a_folder_without_manifest_is_named(tmp_path, folder):
    (tmp_path / "file").touch()
    message = (
        "A folder of token shards must hold manifest.json. Received: folder="
        f"'{tmp_path / folder}'. Write it with "
        "keras_gpt3.data.write_token_shards."
    )
    with pytest.raises(FileNotFoundError, match=f"^{re.escape(message)}$"):
        ShardManifest.read(tmp_path / folder)


@pytest.mark.parametrize("version", [2, "drop"])
def test_another_format_version_is_named(tmp_path, version):
    change_manifest(tmp_path, format_version=version)
    received = None if version == "drop" else version
    message = (
        f"A manifest's format_version must be 1. Received: format_version="
        f"{received} in file='{tmp_path}/manifest.json'. Update keras_gpt3 or "
        "write the shards again."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        ShardManifest.read(tmp_path)


@pytest.mark.parametrize(
    "changes",
    [
        {"end_token_id": "drop"},
        {"dtype": "float32"},
        {"vocabulary_size": "many"},
        {"shards": [{"file_name": "a"}]},
        {"num_tokens": "drop"},
    ],
)
def test_a_malformed_manifest_is_named(tmp_path, changes):
    change_manifest(tmp_path, **changes)
    message = (
        "A manifest must be JSON with all of its fields. Received: file="
        f"'{tmp_path}/manifest.json' ("
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        ShardManifest.read(tmp_path)


def test_a_manifest_cut_short_is_named(tmp_path):
    MANIFEST.write(tmp_path)
    path = tmp_path / "manifest.json"
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(ValueError, match="^A manifest must be JSON"):
        ShardManifest.read(tmp_path)


def test_totals_that_are_no_sums_are_named(tmp_path):
    change_manifest(tmp_path, num_documents=4)
    message = (
        "A manifest's totals must be the sums over its shards. Received: file="
        f"'{tmp_path}/manifest.json', (num_tokens, num_documents)=(12, 4) "
        "where the shards add up to (12, 3). Write the shards again."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        ShardManifest.read(tmp_path)


# === Shard record ===


# Tests of one shard against its record.


END = 9
TOKENS = np.array([1, 2, END, 3, END, 8, 7, END], "<u2")


@pytest.fixture
def record(tmp_path):
    (tmp_path / "shard").write_bytes(TOKENS.tobytes())
    checksum = hashlib.sha256(TOKENS.tobytes()).hexdigest()
    return ShardRecord("shard", len(TOKENS), 3, checksum)


def test_open_gives_a_descriptor_to_read_from(record, tmp_path):
    descriptor = record.open(tmp_path, "uint16")
    assert os.pread(descriptor, 100, 0) == TOKENS.tobytes()
    os.close(descriptor)


def test_an_empty_shard_opens(tmp_path):
    (tmp_path / "shard").touch()
    os.close(ShardRecord("shard", 0, 0, "").open(tmp_path, "uint16"))


@pytest.mark.parametrize("chunk", [1, 3, 8, 100])
def test_verify_passes_whatever_the_chunk(record, tmp_path, monkeypatch, chunk):
    monkeypatch.setattr(shard_manifest, "_CHUNK_TOKENS", chunk)
    record.verify(tmp_path, "uint16", END, 10)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"sha256": "0" * 64}, "sha256"),
        ({"num_documents": 4}, "num_documents"),
        ({}, "vocabulary_size"),
    ],
)
def test_verify_names_the_file_and_what_disagrees(
    record, tmp_path, change, field
):
    record = dataclasses.replace(record, **change)
    message = (
        "A shard must agree with its manifest. Received: file="
        f"'{tmp_path}/shard' with other contents than the manifest's {field}. "
        "Copy it again or write the shards again."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        record.verify(tmp_path, "uint16", END, vocabulary_size=9)


@pytest.mark.parametrize("size", [0, 15, 18])
def test_a_file_of_another_size_is_named(record, tmp_path, size):
    (tmp_path / "shard").write_bytes(bytes(size))
    message = (
        "A shard must be as long as its manifest states. Received: file="
        f"'{tmp_path}/shard' of {size} bytes where the manifest states 16. "
        "Copy it again or write the shards again."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        record.open(tmp_path, "uint16")


def test_a_missing_file_is_named(record, tmp_path):
    message = (
        "Every shard named in the manifest must exist. Received: file="
        f"'{tmp_path}/none/shard', which is missing. Copy it back or write "
        "the shards again."
    )
    with pytest.raises(FileNotFoundError, match=f"^{re.escape(message)}$"):
        record.open(tmp_path / "none", "uint16")


def test_too_many_open_files_are_an_error_with_a_remedy(record, tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    message = (
        "Every shard must open, and stays open while its corpus is in use. "
        f"Received: file='{tmp_path}/shard' (Too many open files). Permit "
        "reading it, and as many open files as there are shards (ulimit -n)."
    )
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        with pytest.raises(OSError, match=f"^{re.escape(message)}$"):
            record.open(tmp_path, "uint16")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_pipe_in_the_place_of_a_shard_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a")
    with pytest.raises(ValueError, match="must be a regular one"):
        ShardRecord("a", 1, 1, "aa").open(tmp_path, "uint16")
