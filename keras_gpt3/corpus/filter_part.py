"""Scores one part's documents, and drops those that the rule drops."""

import dataclasses
import functools

from keras_gpt3.corpus.document_batches import document_batches
from keras_gpt3.corpus.pareto_rule import is_kept
from keras_gpt3.corpus.part_counts import PartCounts
from keras_gpt3.corpus.part_file import PartWriter
from keras_gpt3.corpus.part_file import read_part
from keras_gpt3.corpus.quality_classifier import QualityClassifier
from keras_gpt3.corpus.rejected_record import RejectedRecord
from keras_gpt3.corpus.stage_part import DROPPED

LOW_QUALITY = "low quality"
# What is scored at a time: documents, and characters.
_BATCH = 500, 2**22


@dataclasses.dataclass(frozen=True)
class FilterPart:
    """Keeps documents by their score; other sources pass as they are."""

    classifier: str | None
    sources: tuple
    alpha: float = 9.0
    seed: int = 0
    digest: str | None = None

    def __call__(self, part):
        counts = PartCounts()
        is_filtered = part.source in self.sources
        with (
            PartWriter(part.output) as writer,
            PartWriter(part.aside(DROPPED)) as aside,
        ):
            documents = read_part(part.input)
            for document in (
                self._scored(documents) if is_filtered else documents
            ):
                counts.read(document)
                record = is_filtered and self._record(document, counts)
                if record:
                    counts.drop(record)
                    aside.write(record)
                else:
                    counts.keep(document)
                    writer.write(document)
        return counts.to_json()

    def _scored(self, documents):
        """Yields documents with their scores, which are computed in batches."""
        classifier = _classifier(self.classifier, self.digest)
        for batch in document_batches(documents, *_BATCH):
            scores = classifier.scores([document.text for document in batch])
            for document, score in zip(batch, scores, strict=True):
                yield document.with_extra(score=round(float(score), 6))

    def _record(self, document, counts):
        """What is put aside of a document, `None` if it is kept."""
        score = document.extra["score"]
        counts.observe("score", score)
        name = document.source, document.id
        if is_kept(score, self.seed, name, self.alpha):
            counts.observe("score_kept", score)
            return None
        return RejectedRecord.of_document(
            document, LOW_QUALITY, {"score": score}
        )


@functools.lru_cache(maxsize=2)
def _classifier(folder, _):
    return QualityClassifier.load(folder)
