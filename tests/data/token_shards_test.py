"""Tests of reading anywhere in a corpus."""

import errno
import gc
import os
import re

import numpy as np
import pytest
import tensorflow as tf

from keras_gpt3.data import TokenShards
from keras_gpt3.data import packed_dataset
from keras_gpt3.data.context_order import context_order
from keras_gpt3.data.shard_manifest import ShardManifest


def test_runs_are_slices_of_all_files_joined(make_shards):
    shards = make_shards(205)
    paths = sorted(shards.folder.glob("*.uint16"))
    tokens = np.concatenate([np.fromfile(path, "<u2") for path in paths])
    assert len(paths) > 3
    assert shards.num_tokens == len(tokens) == 205
    for length in (1, 9, 80, 205):
        starts = np.arange(205 - length + 1)
        runs = shards.read(starts, length)
        assert runs.dtype == np.int32
        expected = [tokens[start : start + length] for start in starts]
        np.testing.assert_array_equal(runs, expected)


@pytest.mark.parametrize(
    ("sequence_length", "num_contexts"), [(1, 99), (9, 11), (49, 2), (99, 1)]
)
def test_contexts_have_a_token_more_than_they_predict(
    make_shards, sequence_length, num_contexts
):
    assert make_shards(100).num_contexts(sequence_length) == num_contexts


def test_a_corpus_shorter_than_a_context_is_an_error(make_shards):
    shards = make_shards(100)
    message = (
        "A corpus must hold at least one context, sequence_length + 1 = 101 "
        f"tokens. Received: num_tokens=100 in folder='{shards.folder}'. Add "
        "documents or pass a smaller sequence_length."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        shards.num_contexts(100)


@pytest.mark.parametrize("starts", [[-1, 0], [0, 91]])
def test_a_run_beyond_the_corpus_is_an_error(make_shards, starts):
    message = (
        "Runs of tokens must lie within the corpus. Received: starts from "
        f"{starts[0]} to {starts[1]}, length=10, num_tokens=100. Pass smaller "
        "starts."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        make_shards(100).read(starts, 10)


def test_a_manifest_of_no_tokens_is_an_error(tmp_path):
    ShardManifest("uint16", 9, 10, ()).write(tmp_path)
    message = (
        "A corpus must hold at least one token. Received: folder="
        f"'{tmp_path}' with no tokens. Write the shards again."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        TokenShards(tmp_path)


def test_a_truncated_shard_is_an_error_when_opening(make_shards):
    folder = make_shards(100).folder
    path = sorted(folder.glob("*.uint16"))[1]
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match=f"as long as .*{path.name}"):
        TokenShards(folder)


def test_a_changed_token_is_an_error_when_verifying(make_shards):
    shards = make_shards(100)
    path = sorted(shards.folder.glob("*.uint16"))[1]
    path.write_bytes(path.read_bytes()[:-4] + b"\x01\x00\x2b\x01")
    with pytest.raises(ValueError, match=f"{path.name}.*manifest's sha256"):
        TokenShards(shards.folder).verify()


# === Shards that change while they are read ===


def test_a_shard_truncated_while_in_use_is_an_error_that_names_it(make_shards):
    """Read through a memory map, it would kill the process."""
    shards = make_shards(205)
    whole = shards.read([0], 205)
    paths = sorted(shards.folder.glob("*.uint16"))
    os.truncate(paths[1], 10)
    message = (
        "A shard must hold as many bytes as its manifest says. Received: "
        f"shard='{paths[1]}', which ends before byte 60. Restore it, then "
        "resume: the run's checkpoints are not affected."
    )
    for start in (0, 30):
        with pytest.raises(OSError, match=f"^{re.escape(message)}$"):
            shards.read([start], 60)
    np.testing.assert_array_equal(shards.read([0, 60], 30)[0], whole[0, :30])


def test_a_shard_truncated_in_mid_run_is_an_error_of_the_run(make_shards):
    shards = make_shards(205)
    dataset = packed_dataset(shards, 7, 4, epochs=1)
    path = sorted(shards.folder.glob("*.uint16"))[2]
    os.truncate(path, 0)
    with pytest.raises(tf.errors.OpError, match=f"as many bytes .*{path.name}"):
        list(dataset)


def test_what_is_appended_to_a_shard_is_not_read(make_shards):
    shards = make_shards(205)
    whole = shards.read([0], 205)
    path = sorted(shards.folder.glob("*.uint16"))[1]
    path.write_bytes(path.read_bytes() + bytes(20))
    np.testing.assert_array_equal(shards.read([0], 205), whole)


@pytest.mark.parametrize("limit", [1, 3, 50])
def test_reads_that_stop_short_are_continued(make_shards, monkeypatch, limit):
    shards = make_shards(205)
    starts = [0, 17, 105]
    expected = shards.read(starts, 100)
    pread = os.pread
    monkeypatch.setattr(
        os, "pread", lambda file, count, at: pread(file, min(count, limit), at)
    )
    np.testing.assert_array_equal(shards.read(starts, 100), expected)


def test_a_shard_that_cannot_be_read_is_named(make_shards, monkeypatch):
    shards = make_shards(100)

    def pread(*arguments):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "pread", pread)
    message = (
        "A shard must be readable as long as its corpus is in use. Received: "
        f"shard='{shards.folder}/tokens-00000.uint16' (Input/output error). "
        "Restore it, then resume: the run's checkpoints are not affected."
    )
    with pytest.raises(OSError, match=f"^{re.escape(message)}$"):
        shards.read([0], 10)


def open_files(folder):
    links = [
        f"/proc/self/fd/{number}" for number in os.listdir("/proc/self/fd")
    ]
    targets = [os.readlink(link) for link in links if os.path.islink(link)]
    return [target for target in targets if target.startswith(str(folder))]


def test_files_are_open_once_and_close_with_the_object(make_shards):
    shards = make_shards(205)
    folder = shards.folder
    assert len(open_files(folder)) == len(list(folder.glob("*.uint16")))
    del shards
    gc.collect()
    assert open_files(folder) == []


def test_a_shard_that_does_not_open_leaves_none_open(make_shards):
    folder = make_shards(205).folder
    sorted(folder.glob("*.uint16"))[-1].unlink()
    with pytest.raises(FileNotFoundError, match="must exist"):
        TokenShards(folder)
    gc.collect()
    assert open_files(folder) == []


# === Contexts ===


def test_the_order_is_that_of_all_its_contexts(make_shards):
    shards = make_shards(100)
    samples = tf.range(50, dtype=tf.int64)
    np.testing.assert_array_equal(
        shards.order(samples, 9, seed=3), context_order(samples, 11, 3)
    )


def test_contexts_are_read_and_described_by_number(make_shards):
    shards = make_shards(100)
    contexts = np.array([10, 0, 3])
    np.testing.assert_array_equal(
        shards.read_contexts(contexts, 9), shards.read(contexts * 9, 10)
    )
    assert shards.describe_context(contexts[0], 9) == "10"


def test_epochs_are_counted_in_samples(make_shards):
    assert make_shards(100).num_samples(epochs=3, sequence_length=9) == 33


@pytest.mark.parametrize("context", [-1, 11])
def test_a_context_that_is_not_there_has_no_description(make_shards, context):
    message = (
        "A context must be from 0 to num_contexts - 1. Received: context="
        f"{context}, num_contexts=11. Pass one that order gave for this "
        "sequence_length."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        make_shards(100).describe_context(context, 9)
