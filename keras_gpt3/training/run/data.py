"""The batches of a pretraining run, for every replica its part."""

import hashlib
import json
import logging
import pathlib
import threading

from keras_gpt3.atomic_write import atomic_write
from keras_gpt3.data import Mixture
from keras_gpt3.data import TokenShards
from keras_gpt3.data import packed_dataset
from keras_gpt3.data.shard_manifest import ShardManifest
from keras_gpt3.parallel.replicas import is_chief

_logger = logging.getLogger("keras_gpt3")

# In the run's folder: what the shards were when they were read whole.
CHECKED = "checked_shards.json"
# Contexts that are validated at a time, or as many more as replicas divide.
VALIDATION_ROWS = 8


class RunData:
    """Opens a run's shards and makes the batches of any step."""

    def __init__(self, config, sequence_length, devices):
        data = config.data
        self._seed, self._devices = config.seed, devices
        self._length = sequence_length
        self._attend_across_documents = data.attend_across_documents
        self._max_batches = config.validation.max_batches
        parts = devices.num_parts
        self._batch_size = config.validation.batch_size
        if self._batch_size is None:
            self._batch_size = -(-VALIDATION_ROWS // parts) * parts
        if self._batch_size % parts:
            raise ValueError(
                "The replicas must divide validation.batch_size. Received: "
                f"validation.batch_size={self._batch_size}, replicas="
                f"{parts}. Use a multiple of {parts}."
            )
        self._sets = {
            name: TokenShards(folder) for name, folder in data.shards.items()
        }
        self.shards = _joined(self._sets, data.weights)
        self._held_out = {
            name: TokenShards(folder)
            for name, folder in data.validation.items()
        }
        for name, shards in self._held_out.items():
            self._num_batches(name, shards)
        self._checked = pathlib.Path(config.folder, CHECKED)
        self._checking, self._damage = None, None

    def check_in_background(self):
        """Begin to read all shards and to compare them with their manifests.

        A later start of the run finds in its folder that they were sound.
        """
        if not is_chief(self._devices.strategy):
            return  # One worker reads for all.
        sets = [*self._sets.values(), *self._held_out.values()]
        records = [r for s in sets for r in ShardManifest.read(s.folder).shards]
        found = json.dumps([record.sha256 for record in records]).encode()
        if self._checked.exists() and self._checked.read_bytes() == found:
            return
        self._checking = threading.Thread(
            target=self._check, args=(sets, found), daemon=True
        )
        self._checking.start()

    def _check(self, sets, found):
        try:
            for shards in sets:
                shards.verify()
            with atomic_write(self._checked) as file:
                file.write(found)
        except (OSError, ValueError) as error:
            self._damage = error

    def raise_if_damaged(self, wait=False):
        """Raise if a shard was found not to be what its manifest says."""
        if wait and self._checking is not None:
            if self._checking.is_alive():
                _logger.info("The shards are still compared with their sums.")
            self._checking.join()
        if self._damage is not None:
            raise self._damage

    @property
    def held_out_sets(self):
        """Names of the held-out sets, a list of strings."""
        return list(self._held_out)

    @property
    def vocabulary_size(self):
        """int. All ids of all sets lie below it."""
        sets = [self.shards, *self._held_out.values()]
        return max(shards.vocabulary_size for shards in sets)

    def epochs(self, num_contexts):
        """How often each set was seen, as the last column of Table 2.2 says."""
        if isinstance(self.shards, Mixture):
            return self.shards.epochs(num_contexts, self._length)
        (name,) = self._sets
        return {name: num_contexts / self.shards.num_contexts(self._length)}

    def digest(self):
        """A number that two hosts share if they see the same shards."""
        sums = [
            record.sha256
            for shards in (*self._sets.values(), *self._held_out.values())
            for record in ShardManifest.read(shards.folder).shards
        ]
        digest = hashlib.sha256("".join(sums).encode()).digest()
        return int.from_bytes(digest[:6])

    def identity(self):
        """What the order of the data depends on, besides the config."""
        return {name: shards.num_tokens for name, shards in self._sets.items()}

    def training_dataset(self, batch_size, batch, skip_batches):
        """Make the batches from some batch on, distributed."""
        return self._distributed(
            self.shards,
            batch_size,
            start_step=batch,
            skip_steps=sorted(skip_batches),
        )

    def held_out_dataset(self, name):
        """Make the batches of one held-out set, distributed."""
        shards = self._held_out[name]
        dataset = self._distributed(shards, self._batch_size)
        return dataset, self._num_batches(name, shards)

    def _num_batches(self, name, shards):
        contexts = shards.num_contexts(self._length)
        if contexts < self._batch_size:
            raise ValueError(
                "A held-out set must fill a batch. Received: "
                f"data.validation.{name} with {contexts} contexts, "
                f"validation.batch_size={self._batch_size}. Hold out more, or "
                "use a smaller batch."
            )
        batches = contexts // self._batch_size
        return min(batches, self._max_batches or batches)

    def _distributed(self, shards, batch_size, **options):
        def make(num_parts, parts):
            return packed_dataset(
                shards,
                self._length,
                batch_size,
                seed=self._seed,
                num_parts=num_parts,
                parts=parts,
                attend_across_documents=self._attend_across_documents,
                **options,
            )

        return self._devices.distribute(make)


def _joined(sets, weights):
    """One set of shards, or a mixture of several."""
    if not sets:
        raise ValueError(
            "data.shards must name at least one folder. Received: "
            "data.shards={}. Write shards with `keras-gpt3 prepare`."
        )
    if weights is None and len(sets) == 1:
        return next(iter(sets.values()))
    if weights is None:
        weights = {name: shards.num_tokens for name, shards in sets.items()}
    return Mixture(sets, weights)
