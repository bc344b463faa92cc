"""Writes the signatures of one part's documents."""

import dataclasses

from keras_gpt3.corpus.document_batches import document_batches
from keras_gpt3.corpus.part_file import read_part
from keras_gpt3.corpus.signatures import Signatures

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
            # An empty one, so that a part without documents has them, too.
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
