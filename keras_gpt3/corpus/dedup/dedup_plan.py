"""Which documents are compared with which, and what stands for each."""

import dataclasses
import functools
import itertools
import json
import pathlib

import numpy as np

from keras_gpt3.corpus.dedup.lsh_bands import ENTRY
from keras_gpt3.corpus.dedup.lsh_bands import FURTHER_HASHES
from keras_gpt3.corpus.dedup.lsh_bands import NUM_FURTHER
from keras_gpt3.corpus.dedup.lsh_bands import band_keys
from keras_gpt3.corpus.dedup.min_hash import mixed_bits
from keras_gpt3.corpus.dedup.signatures import DIGEST
from keras_gpt3.corpus.dedup.signatures import Signatures
from keras_gpt3.corpus.pipeline.document import RejectedRecord
from keras_gpt3.corpus.pipeline.document import stable_hash
from keras_gpt3.corpus.pipeline.part_file import read_part
from keras_gpt3.corpus.pipeline.part_file import sort_documents
from keras_gpt3.corpus.pipeline.stage import FORMAT
from keras_gpt3.corpus.pipeline.stage import SETTINGS_NAME
from keras_gpt3.corpus.pipeline.stage import STAGE_NAME

# Set in the number of a document that may be dropped. Those that others are
# only compared with come before all of these: a cluster's smallest number is
# the document that stays.
OWN = np.uint64(2**63)

# Two documents that may be, or are, duplicates; the one of the smaller number
# first.
PAIR = np.dtype(
    [
        ("nodes", "u8", 2),
        ("parts", "u4", 2),
        ("rows", "u4", 2),
        ("is_exact", "?"),
    ]
)


@dataclasses.dataclass(frozen=True)
class PlannedPart:
    """Signatures, and the data sets whose documents they are compared with."""

    path: str
    source: str
    namespaces: tuple
    drops: str | None = None

    def num_entries(self):
        """How many digests there are to compare, or documents in bands."""
        return Signatures.num_documents(self.path) * len(self.namespaces)

    def digest_entries(self, number):
        """What is equal among these has equal texts."""
        signatures = self.signatures()
        parts = []
        for namespace in self.namespaces:
            entries = self._places(number, namespace, signatures, DIGEST)
            entries["key"] = mixed_bits(
                signatures.digests[:, 0] ^ _constant(namespace)
            )
            entries["check"] = signatures.digests[:, 1]
            parts.append(entries[self._is_there(len(entries))])
        return np.concatenate(parts)

    def band_entries(self, number, num_bands, equal=()):
        """What is equal among these may have similar texts."""
        signatures = self.signatures()
        # A set without words is not a duplicate.
        sizes = np.diff(signatures.sets.indptr)
        there = self._is_there(len(sizes)) & (sizes > 0)
        num_hashes = signatures.minima.shape[1] - FURTHER_HASHES
        first, further = np.split(signatures.minima, [num_hashes], axis=1)
        further = band_keys(further, NUM_FURTHER) >> np.uint64(32)
        parts = []
        for namespace in self.namespaces:
            entries = self._places(number, namespace, signatures, ENTRY)
            entries["size"] = sizes
            entries["further"] = further
            kept = there.copy()
            if namespace == self.source and len(equal):
                kept[equal] = False
            keys = band_keys(first, num_bands, _constant(namespace))[kept]
            entries = np.repeat(entries[kept], num_bands)
            entries["key"] = keys.reshape(-1)
            parts.append(entries)
        return np.concatenate(parts)

    def signatures(self):
        """Its file's `Signatures`."""
        return Signatures.load(self.path)

    def _places(self, number, namespace, signatures, dtype):
        """Entries of a dtype with node, part and row."""
        entries = np.zeros(len(signatures.ids), dtype)
        nodes = mixed_bits(signatures.hashes ^ _constant(namespace))
        entries["node"] = nodes >> np.uint64(1)
        if namespace == self.source and self.drops is None:
            entries["node"] |= OWN
        entries["part"] = number
        entries["row"] = np.arange(len(entries))
        return entries

    def _is_there(self, count):
        is_there = np.ones(count, "bool")
        if self.drops is not None:
            is_there[[drop["row"] for drop in read_drops(self.drops)]] = False
        return is_there


def make_pairs(entries, pairs, is_exact=False):
    """Make records of pairs of entries, without pairs of protected ones."""
    nodes = entries["node"][pairs]
    order = np.argsort(nodes, axis=1)
    pairs = np.take_along_axis(pairs, order, axis=1)
    result = np.zeros(len(pairs), PAIR)
    result["nodes"] = entries["node"][pairs]
    result["parts"] = entries["part"][pairs]
    result["rows"] = entries["row"][pairs]
    result["is_exact"] = is_exact
    return result[result["nodes"][:, 1] >= OWN]


@functools.cache
def _constant(namespace):
    return np.uint64(stable_hash("namespace", namespace))


_NAMED = ("matched", "similarity", "kept")


@dataclasses.dataclass(frozen=True)
class DropDuplicates:
    """Copies a part but for some rows, which it rejects."""

    drops: dict

    def __call__(self, part):
        drops = read_drops(self.drops[part.input])
        drops = {drop["row"]: drop for drop in drops}
        rows = itertools.count()

        def decide(document, counts):
            drop = drops.get(next(rows))
            if drop is None:
                return document
            counts.observe("similarity", drop["similarity"])
            detail = {name: drop[name] for name in _NAMED}
            return RejectedRecord.of_document(document, drop["reason"], detail)

        return sort_documents(part, read_part(part.input), decide)


def read_drops(path):
    """Read which documents of a part are removed."""
    try:
        return json.loads(pathlib.Path(path).read_bytes())
    except FileNotFoundError as error:
        # Not taken for a part without duplicates.
        raise FileNotFoundError(
            "The duplicates of a part must be listed. Received: "
            f"file='{path}', which is missing. Run dedup there again."
        ) from error
    except ValueError as error:
        raise ValueError(
            "The duplicates of a part must be a list in JSON. Received: "
            f"file='{path}' ({error}). Remove it and run dedup there again."
        ) from error


# In a folder of stage dedup.
SIGNATURES_FOLDER = ".signatures"
DROPS_FOLDER = ".drops"


@dataclasses.dataclass(frozen=True)
class SignatureIndex:
    """What a stage `dedup` keeps, to spare later builds its texts."""

    files: tuple
    folder: str
    digest: str

    @classmethod
    def open(cls, folder, settings):
        """Open the index of a finished stage."""
        folder = pathlib.Path(folder)
        signed = folder / SIGNATURES_FOLDER
        try:
            stage = json.loads((folder / STAGE_NAME).read_bytes())
            found = json.loads((signed / SETTINGS_NAME).read_bytes())
            digest, form = stage["digest"], found.get("format")
            found = found["settings"]
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise FileNotFoundError(
                "An index must be the folder of a finished stage dedup. "
                f"Received: index='{folder}' ({error}). Run dedup there, or "
                "correct the path."
            ) from error
        settings, found = (
            settings | {"format": FORMAT},
            found | {"format": form},
        )
        if found != settings:
            raise ValueError(
                "An index must have the settings of the build. Received: "
                f"{found} in '{folder}', {settings} here. Make either anew "
                "with the settings of the other."
            )
        # All that were signed: one that is gone raises where it is read.
        paths = [
            path.with_suffix(".npz")
            for path in sorted(signed.glob("*/part-*.json"))
        ]
        files = tuple((path.parent.name, str(path)) for path in paths)
        return cls(files, str(folder), digest)

    def planned_parts(self, namespaces):
        """Its parts, to be compared with the documents of some sources."""
        return [
            PlannedPart(path, source, namespaces, self._drops(source, path))
            for source, path in self.files
        ]

    def _drops(self, source, path):
        name = pathlib.Path(path).stem + ".json"
        return str(pathlib.Path(self.folder, DROPS_FOLDER, source, name))
