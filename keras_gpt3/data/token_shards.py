"""A folder of token shards, open for reading."""

import bisect
import os
import pathlib
import weakref

import numpy as np

from keras_gpt3.data.context_order import context_order
from keras_gpt3.data.shard_manifest import ShardManifest

_REMEDY = "Restore it, then resume: the run's checkpoints are not affected."


class TokenShards:
    """A tokenized corpus on disk, readable at any position.

    The corpus is the concatenation of all shards in the manifest's order.
    Opening compares the files' sizes with the manifest; no token is read before
    it is needed. A file that shrinks later is an error of the read that needs
    what is gone. (Through a memory map, it would kill the process.)

    Args:
        folder: path. A folder that `keras_gpt3.data.write_token_shards` wrote.

    Raises:
        FileNotFoundError: If the manifest or a shard is missing.
        OSError: If a shard cannot be opened.
        ValueError: If the manifest is malformed, disagrees with its shards,
            or names no tokens.

    Example:

    ```python
    import tempfile

    import keras_gpt3

    folder = tempfile.mkdtemp()
    tokenizer = keras_gpt3.GPT3Tokenizer.from_preset("gpt3_small_en")
    keras_gpt3.data.write_token_shards(["Once upon a time"], folder, tokenizer)
    shards = keras_gpt3.data.TokenShards(folder)
    print(shards.num_tokens, shards.read([0], length=5))
    ```
    """

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self._manifest = ShardManifest.read(folder)
        # Summed once: `read` checks against it.
        self._num_tokens = self._manifest.num_tokens
        if self.num_tokens == 0:
            raise ValueError(
                "A corpus must hold at least one token. Received: "
                f"folder='{folder}' with no tokens. Write the shards again."
            )
        self._disk_dtype = np.dtype(self.dtype).newbyteorder("<")
        # The byte at which each shard starts, and the end of the last.
        lengths = [record.num_tokens for record in self._manifest.shards]
        bounds = np.cumsum([0, *lengths]) * self._disk_dtype.itemsize
        self._bounds = bounds.tolist()
        self._descriptors = []
        # Also where the next shard fails to open. At the exit of the process
        # a dataset may still be reading: then, the system closes them.
        weakref.finalize(self, _close, self._descriptors).atexit = False
        for record in self._manifest.shards:
            self._descriptors.append(record.open(folder, self.dtype))

    @property
    def dtype(self):
        """str. The type of the ids on disk."""
        return self._manifest.dtype

    @property
    def end_token_id(self):
        """int. The id that follows every document."""
        return self._manifest.end_token_id

    @property
    def vocabulary_size(self):
        """int. All ids lie below it."""
        return self._manifest.vocabulary_size

    @property
    def num_tokens(self):
        """int. The number of tokens, end-of-text ids included."""
        return self._num_tokens

    @property
    def num_documents(self):
        """int. The number of documents."""
        return self._manifest.num_documents

    def num_contexts(self, sequence_length):
        """Count the full contexts in the corpus.

        A context is `sequence_length + 1` tokens, one more than it predicts,
        and starts at a multiple of `sequence_length`.

        Args:
            sequence_length: int. The number of tokens that a context predicts.

        Returns:
            An int of at least 1.

        Raises:
            ValueError: If the corpus is shorter than one context.
        """
        num_contexts = (self.num_tokens - 1) // sequence_length
        if num_contexts < 1:
            raise ValueError(
                "A corpus must hold at least one context, sequence_length + 1 "
                f"= {sequence_length + 1} tokens. Received: num_tokens="
                f"{self.num_tokens} in folder='{self.folder}'. Add documents "
                "or pass a smaller sequence_length."
            )
        return num_contexts

    def order(self, samples, sequence_length, seed):
        """Return the context that each sample of a training run reads.

        Args:
            samples: int64 tensor `(count,)`. Positions in the run.
            sequence_length: int. The number of tokens that a context predicts.
            seed: int. Each seed gives an order of its own.

        Returns:
            An int64 tensor `(count,)` of contexts below `num_contexts`.

        Raises:
            ValueError: If the corpus is shorter than one context.
        """
        return context_order(samples, self.num_contexts(sequence_length), seed)

    def num_samples(self, epochs, sequence_length):
        """Count the samples of a run over a number of epochs.

        Args:
            epochs: int. The number of passes over the corpus.
            sequence_length: int. The number of tokens that a context predicts.

        Returns:
            An int.

        Raises:
            ValueError: If the corpus is shorter than one context.
        """
        return epochs * self.num_contexts(sequence_length)

    def read_contexts(self, contexts, sequence_length):
        """Read contexts by their numbers.

        Args:
            contexts: int64 array `(count,)`. Contexts, as `order` gives them.
            sequence_length: int. The number of tokens that a context predicts.

        Returns:
            A numpy array `(count, sequence_length + 1)` of int32.

        Raises:
            OSError: If a shard is no longer as long as it was.
            ValueError: If a context does not lie within the corpus.
        """
        return self.read(contexts * sequence_length, sequence_length + 1)

    def describe_context(self, context, sequence_length):
        """Name a context for a log.

        Args:
            context: int. A context, as `order` gives it.
            sequence_length: int. The number of tokens that a context predicts.

        Returns:
            A string, the context's number.

        Raises:
            ValueError: If the corpus has no such context.
        """
        num_contexts = self.num_contexts(sequence_length)
        if not 0 <= context < num_contexts:
            raise ValueError(
                "A context must be from 0 to num_contexts - 1. Received: "
                f"context={context}, num_contexts={num_contexts}. Pass one "
                "that order gave for this sequence_length."
            )
        return f"{context}"

    def read(self, starts, length):
        """Read runs of consecutive tokens; a run may cross shards.

        Args:
            starts: array of ints. The position of each run's first token.
            length: int. The number of tokens in a run.

        Returns:
            A numpy array `(len(starts), length)` of int32.

        Raises:
            OSError: If a shard is no longer as long as it was.
            ValueError: If a run does not lie within the corpus.
        """
        # The rows are few and short: plain ints cost less than arrays.
        starts = np.asarray(starts).tolist()
        last = self.num_tokens - length
        if starts and not 0 <= min(starts) <= max(starts) <= last:
            raise ValueError(
                "Runs of tokens must lie within the corpus. Received: starts "
                f"from {min(starts)} to {max(starts)}, length={length}, "
                f"num_tokens={self.num_tokens}. Pass smaller starts."
            )
        pieces = []
        for start in starts:
            self._read_run(start, length, pieces)
        tokens = np.frombuffer(b"".join(pieces), self._disk_dtype)
        return tokens.astype(np.int32).reshape(len(starts), length)

    def verify(self):
        """Read every shard and compare its contents with the manifest.

        Raises:
            FileNotFoundError: If a shard is missing.
            ValueError: If a shard disagrees with the manifest.
        """
        for record in self._manifest.shards:
            record.verify(
                self.folder, self.dtype, self.end_token_id, self.vocabulary_size
            )

    def _read_run(self, start, length, pieces):
        """Append a run's bytes: a piece a shard, or more where reads stop."""
        bounds = self._bounds
        byte = start * self._disk_dtype.itemsize
        end = byte + length * self._disk_dtype.itemsize
        while byte < end:
            shard = bisect.bisect_right(bounds, byte) - 1
            count = min(end, bounds[shard + 1]) - byte
            pieces.append(self._read_bytes(shard, byte - bounds[shard], count))
            byte += len(pieces[-1])

    def _read_bytes(self, shard, position, count):
        """Read from 1 to `count` bytes."""
        try:
            piece = os.pread(self._descriptors[shard], count, position)
        except OSError as error:
            raise OSError(
                "A shard must be readable as long as its corpus is in use. "
                f"Received: shard='{self._path(shard)}' ({error.strerror}). "
                f"{_REMEDY}"
            ) from error
        if not piece:
            raise OSError(
                "A shard must hold as many bytes as its manifest says. "
                f"Received: shard='{self._path(shard)}', which ends before "
                f"byte {position + count}. {_REMEDY}"
            )
        return piece

    def _path(self, shard):
        return self.folder / self._manifest.shards[shard].file_name


def _close(descriptors):
    for descriptor in descriptors:
        os.close(descriptor)
