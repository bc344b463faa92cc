"""What finding duplicates needs to know of the documents of one part."""

import contextlib
import dataclasses
import json
import zipfile

import numpy as np

from keras_gpt3.corpus.corpus_extra import import_extra
from keras_gpt3.corpus.exact_duplicates import text_digest
from keras_gpt3.corpus.hashed_features import HashedFeatures
from keras_gpt3.corpus.locality_bands import FURTHER_HASHES
from keras_gpt3.corpus.min_hash import MinHash
from keras_gpt3.corpus.stable_hash import stable_hash
from keras_gpt3.replaced_file import replaced_file


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
        """Computes the signatures of documents."""
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
        """Joins the signatures of batches of documents."""
        vstack = import_extra("scipy.sparse").vstack
        return cls(
            [name for batch in batches for name in batch.ids],
            np.concatenate([batch.hashes for batch in batches]),
            np.concatenate([batch.digests for batch in batches]),
            np.concatenate([batch.minima for batch in batches]),
            vstack([batch.sets for batch in batches], format="csr"),
        )

    def save(self, path):
        """Writes a file that appears whole or not at all."""
        with replaced_file(path) as file:
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
        """Counts the documents of what `save` wrote, without their words."""
        with _arrays(path) as arrays:
            return len(arrays["hashes"])

    @classmethod
    def load(cls, path):
        """Reads what `save` wrote."""
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
