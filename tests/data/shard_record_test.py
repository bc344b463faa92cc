"""Tests of one shard against its record."""

import dataclasses
import hashlib
import os
import re
import resource

import numpy as np
import pytest

from keras_gpt3.data import shard_manifest
from keras_gpt3.data.shard_manifest import ShardRecord

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
