"""Tests of reading anywhere in a corpus."""

import re

import numpy as np
import pytest

from keras_gpt3.data import TokenShards
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
