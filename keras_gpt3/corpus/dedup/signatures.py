"""What finding duplicates needs to know of the documents of one part."""

import contextlib
import dataclasses
import hashlib
import json
import unicodedata
import zipfile

import numpy as np

from keras_gpt3.atomic_write import atomic_write
from keras_gpt3.corpus.dedup.lsh_bands import FURTHER_HASHES
from keras_gpt3.corpus.dedup.lsh_bands import run_starts
from keras_gpt3.corpus.dedup.min_hash import MinHash
from keras_gpt3.corpus.pipeline.document import stable_hash
from keras_gpt3.corpus.pipeline.part_file import read_part
from keras_gpt3.corpus.quality.quality_classifier import HashedFeatures
from keras_gpt3.data.documents import document_batches
from keras_gpt3.needed_packages import import_extra


@dataclasses.dataclass(frozen=True)
class Signatures:
    """Ids, digests, MinHashes and sets of words, one row a document."""

    ids: list
    hashes: np.ndarray
    digests: np.ndarray
    minima: np.ndarray
    sets: object

    @classmethod
    def of_documents(cls, documents, num_hashes=10, num_features=2**18):
        """Compute the signatures of documents."""
        sets = HashedFeatures(num_features).transform(
            [document.text for document in documents]
        )
        hashing = MinHash(num_features, num_hashes + FURTHER_HASHES)
        hashes = [stable_hash(d.source, d.id) for d in documents]
        digests = [text_digest(document.text) for document in documents]
        return cls(
            [document.id for document in documents],
            np.array(hashes, "uint64"),
            np.array(digests, "uint64").reshape(-1, 2),
            hashing.signatures(sets),
            sets,
        )

    @classmethod
    def joined(cls, batches):
        """Join the signatures of batches of documents."""
        vstack = import_extra("scipy.sparse").vstack
        return cls(
            [name for batch in batches for name in batch.ids],
            np.concatenate([batch.hashes for batch in batches]),
            np.concatenate([batch.digests for batch in batches]),
            np.concatenate([batch.minima for batch in batches]),
            vstack([batch.sets for batch in batches], format="csr"),
        )

    def save(self, path):
        """Write a file that appears whole or not at all."""
        with atomic_write(path) as file:
            np.savez(
                file,
                ids=json_bytes(self.ids),
                hashes=self.hashes,
                digests=self.digests,
                minima=self.minima,
                indices=self.sets.indices.astype("uint32"),
                indptr=self.sets.indptr.astype("int64"),
                num_features=self.sets.shape[1],
            )

    @staticmethod
    def num_documents(path):
        """Count the documents of what `save` wrote, without their words."""
        with _arrays(path) as arrays:
            return len(arrays["hashes"])

    @classmethod
    def load(cls, path):
        """Read what `save` wrote."""
        csr_array = import_extra("scipy.sparse").csr_array
        with _arrays(path) as arrays:
            indices, indptr = arrays["indices"], arrays["indptr"]
            shape = len(indptr) - 1, int(arrays["num_features"])
            ones = np.ones(len(indices), "float32")
            return cls(
                json.loads(arrays["ids"].tobytes()),
                arrays["hashes"],
                arrays["digests"],
                arrays["minima"],
                csr_array((ones, indices.astype("int32"), indptr), shape),
            )


@contextlib.contextmanager
def _arrays(path):
    try:
        with open(path, "rb") as file, np.load(file) as arrays:
            yield arrays
    except FileNotFoundError as error:
        raise FileNotFoundError(
            "The signatures of a part must be there. Received: "
            f"file='{path}', which is missing. Run dedup there again."
        ) from error
    # An array alone, without a name, has no `with`.
    except (
        KeyError,
        ValueError,
        TypeError,
        EOFError,
        zipfile.BadZipFile,
    ) as error:
        raise ValueError(
            "A file of signatures must be one that dedup wrote. Received: "
            f"file='{path}' ({error}). Remove it and run dedup again."
        ) from error


def json_bytes(ids):
    """Ids as an array, to be saved by NumPy.

    Without pickle, and without a longest id that all others are padded to.
    JSON escapes half a surrogate pair, which UTF-8 does not hold.
    """
    return np.frombuffer(json.dumps(ids).encode("ascii"), "uint8")


# What is held at a time: documents, and characters.
_BATCH = 10_000, 2**23
# What a part is of, beside its counts: `others` of its `Stage`.
SIGNATURES = ("{}.npz",)


@dataclasses.dataclass(frozen=True)
class SignPart:
    """Computes what finding duplicates needs to know of a part."""

    num_hashes: int = 10
    num_features: int = 2**18

    def __call__(self, part):
        batches = document_batches(read_part(part.input), *_BATCH)
        signatures = Signatures.joined(
            # An empty one, so that a part without documents has a file.
            [self._signatures([]), *map(self._signatures, batches)]
        )
        signatures.save(signatures_path(part))
        return {"documents": len(signatures.ids)}

    def _signatures(self, documents):
        return Signatures.of_documents(
            documents, self.num_hashes, self.num_features
        )


def signatures_path(part):
    """The path of a part's signatures."""
    return part.path(SIGNATURES[0].format(part.name))


# What stands for a document while equal ones are looked for: a key and a check
# of its digest, the document's number in its cluster (see dedup_plan.py), and
# its place.
DIGEST = np.dtype(
    [
        ("key", "u8"),
        ("check", "u8"),
        ("node", "u8"),
        ("part", "u4"),
        ("row", "u4"),
    ]
)


def text_digest(text):
    """A digest that texts share which are the same to a reader."""
    words = unicodedata.normalize("NFC", text).casefold().split()
    # A text may hold half a surrogate pair: JSON can.
    data = " ".join(words).encode("utf-8", "surrogatepass")
    digest = hashlib.blake2b(data, digest_size=16).digest()
    return int.from_bytes(digest[:8]), int.from_bytes(digest[8:])


def equal_pairs(entries):
    """Pair each document with the first of those that have its digest."""
    order = np.lexsort([entries[name] for name in ("node", "check", "key")])
    firsts = run_starts(entries["key"][order], entries["check"][order])
    pairs = np.stack([order[firsts], order], axis=1)
    return pairs[firsts != np.arange(len(order))]
