"""Writes token shards so that a folder holds all of them or none."""

import contextlib
import hashlib
import os
import pathlib

import numpy as np

from keras_gpt3.atomic_write import is_disk_full
from keras_gpt3.atomic_write import move_files
from keras_gpt3.atomic_write import recover_folder
from keras_gpt3.atomic_write import written_folder
from keras_gpt3.data.shard_manifest import MANIFEST_NAME
from keras_gpt3.data.shard_manifest import ShardManifest
from keras_gpt3.data.shard_manifest import ShardRecord

# The third are those of versions that wrote no hidden folder.
_OWNED = (MANIFEST_NAME, "tokens-*.uint??", "tokens-*.partial")


class ShardWriter:
    """Appends documents in a hidden folder, then commits all at once.

    A context manager: without a `commit`, leaving it removes every trace. The
    manifest goes first and comes last, so that a folder with a manifest is
    complete. The folder is locked, and where a process dies in the midst of a
    commit, the shards of before are there again for who comes next.
    """

    def __init__(self, folder, dtype, tokens_per_shard, overwrite=False):
        self._folder = pathlib.Path(folder)
        recover_folder(self._folder)
        if (self._folder / MANIFEST_NAME).exists() and not overwrite:
            raise FileExistsError(
                "The folder must not hold token shards already. Received: "
                f"folder='{folder}'. Pass overwrite=True or another folder."
            )
        self._dtype = dtype
        self._tokens_per_shard = tokens_per_shard
        self._records = []
        self._shard = None
        self._stack = contextlib.ExitStack()
        self.num_tokens = 0
        self.num_documents = 0

    def __enter__(self):
        if self._folder.exists() and not self._folder.is_dir():
            raise NotADirectoryError(
                "The folder of token shards must be a folder or not exist yet."
                f" Received: folder='{self._folder}', which is a file. Pass "
                "another path."
            )
        self._hidden = self._stack.enter_context(written_folder(self._folder))
        return self

    def __exit__(self, kind, error, traceback):
        self._close_file()
        self._stack.close()
        if is_disk_full(error):
            raise OSError(
                "The disk must have room for all token shards. Received: "
                f"folder='{self._folder}', full after {self.num_tokens} tokens "
                f"({error}). Free some space or pass another folder."
            ) from error

    def append(self, tokens):
        """Append one document."""
        limit = self._tokens_per_shard
        if self._shard and self._shard.num_tokens + len(tokens) > limit:
            self._close_shard()
        if self._shard is None:
            name = f"tokens-{len(self._records):05d}.{self._dtype}"
            self._file = open(self._hidden / name, "wb")
            self._shard = ShardFile(self._file, name, self._dtype)
        self._shard.append(tokens)
        self.num_tokens += len(tokens)
        self.num_documents += 1

    def finish(self):
        """Bring everything safely to disk, still in the hidden folder."""
        if self._shard is not None:
            self._close_shard()

    def commit(self, end_token_id, vocabulary_size):
        """Give the shards their names and write the manifest."""
        self.finish()
        records = tuple(self._records)
        ShardManifest(
            self._dtype, end_token_id, vocabulary_size, records
        ).write(self._hidden)
        # Among the moves the folder has no manifest: a reader meets a clear
        # error instead of a mixture of old and new.
        folder = self._folder.resolve()
        move_files(self._hidden, folder, _OWNED, MANIFEST_NAME)

    def _close_shard(self):
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._records.append(self._shard.record())
        self._shard = None

    def _close_file(self):
        if self._shard is not None:
            # On a full disk, closing fails at what is left to be written.
            with contextlib.suppress(OSError):
                self._file.close()


class ShardFile:
    """A shard on its way into an open file."""

    def __init__(self, file, name, dtype):
        self.num_tokens = 0
        self._file, self._name = file, name
        self._dtype = np.dtype(dtype).newbyteorder("<")
        self._num_documents = 0
        self._digest = hashlib.sha256()

    def append(self, tokens):
        """Append one document."""
        data = np.asarray(tokens, self._dtype)
        self._file.write(data)
        self._digest.update(data)
        self.num_tokens += len(data)
        self._num_documents += 1

    def record(self):
        """What the manifest states of it."""
        return ShardRecord(
            self._name,
            self.num_tokens,
            self._num_documents,
            self._digest.hexdigest(),
        )
