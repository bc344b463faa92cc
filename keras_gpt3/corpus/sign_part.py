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
    """Computes what finding duplicates needs to know of a part.

    Args:
        num_hashes: int. As in `DedupSection`. Defaults to 10.
        num_features: int. Likewise. Defaults to `2**18`.

    Call arguments:
        part: `StagePart`.

    Returns:
        A dict: how many `"documents"` there are.

    Example:

    ```python
    from keras_gpt3.corpus.document import Document
    from keras_gpt3.corpus.part_file import PartWriter
    from keras_gpt3.corpus.sign_part import SignPart, signatures_path
    from keras_gpt3.corpus.signatures import Signatures
    from keras_gpt3.corpus.stage_part import StagePart

    with PartWriter("p.jsonl.zst") as writer:
        writer.write(Document("1", "novels", "Call me Ishmael."))
    part = StagePart("novels", "part-00000", "signed", "p.jsonl.zst", "1f")
    SignPart()(part)  # {"documents": 1}
    Signatures.load(signatures_path(part)).ids  # ["1"]
    ```
    """

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
    """The path of a part's signatures.

    Args:
        part: `StagePart`.

    Returns:
        A string.

    Example:

    ```python
    from keras_gpt3.corpus.sign_part import signatures_path
    from keras_gpt3.corpus.stage_part import StagePart

    part = StagePart("novels", "part-00000", "signed", "p.jsonl.zst", "1f")
    signatures_path(part)  # "signed/novels/part-00000.npz"
    ```
    """
    return part.path(SIGNATURES[0].format(part.name))
