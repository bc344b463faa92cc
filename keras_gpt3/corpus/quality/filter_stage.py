"""Stage 2: documents of low quality are dropped, most of them."""

import dataclasses
import functools
import hashlib

from keras_gpt3.corpus.pipeline.beam_options import beam_options
from keras_gpt3.corpus.pipeline.corpus_pipeline import run_stage
from keras_gpt3.corpus.pipeline.document import RejectedRecord
from keras_gpt3.corpus.pipeline.document import stable_uniform
from keras_gpt3.corpus.pipeline.part_file import read_part
from keras_gpt3.corpus.pipeline.part_file import sort_documents
from keras_gpt3.corpus.pipeline.stage import Stage
from keras_gpt3.corpus.quality.quality_classifier import QualityClassifier
from keras_gpt3.data.documents import document_batches


def filter_stage(
    settings,
    inputs,
    output,
    seed=0,
    options=None,
    verbose="auto",
    overwrite=False,
    sources=(),
):
    """Drop documents of some sources that look like raw crawl.

    Appendix A of Brown et al. 2020: a document is kept iff a draw of
    `np.random.pareto(9)` is above `1 - score` of a classifier. Documents of
    sources that are filtered get their `"score"`; those dropped stand in
    `OUTPUT/SOURCE/dropped`.
    """
    sources = tuple(sorted(sources))
    digest = _classifier_digest(settings.classifier, sources)
    known = {"alpha": settings.alpha, "sources": sources, "seed": seed}
    known["classifier"] = digest
    stage = Stage("filter", output, inputs, known)
    process_part = FilterPart(
        settings.classifier, sources, settings.alpha, seed, digest
    )
    run_stage(
        stage, process_part, options or beam_options(1), verbose, overwrite
    )
    return stage


def _classifier_digest(folder, sources):
    """A digest of the classifier, `None` if none is needed."""
    if not sources:
        return None
    if folder is None:
        raise ValueError(
            "Sources that are filtered must have a classifier. Received: "
            f"filter.classifier=None, sources {', '.join(sources)}. Name the "
            "folder that keras-gpt3 corpus train-filter wrote."
        )
    # One clear line before the first part is read.
    classifier = QualityClassifier.load(folder)
    digest = hashlib.blake2b(classifier.weights.tobytes(), digest_size=8)
    digest.update(repr(classifier.bias).encode())
    return digest.hexdigest()


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
        documents = read_part(part.input)
        if part.source in self.sources:
            return sort_documents(part, self._scored(documents), self._decide)
        return sort_documents(part, documents, lambda document, _: document)

    def _scored(self, documents):
        """Yield documents with their scores, which are computed in batches."""
        classifier = _classifier(self.classifier, self.digest)
        for batch in document_batches(documents, *_BATCH):
            scores = classifier.scores([document.text for document in batch])
            for document, score in zip(batch, scores, strict=True):
                yield document.with_extra(score=round(float(score), 6))

    def _decide(self, document, counts):
        score = document.extra["score"]
        counts.observe("score", score)
        name = document.source, document.id
        if is_kept(score, self.seed, name, self.alpha):
            counts.observe("score_kept", score)
            return document
        return RejectedRecord.of_document(
            document, LOW_QUALITY, {"score": score}
        )


@functools.lru_cache(maxsize=2)
def _classifier(folder, _):
    return QualityClassifier.load(folder)


def pareto_draw(uniform, alpha=9.0):
    """Turn a uniform draw into one of NumPy's Pareto distribution.

    `numpy.random.pareto` draws from the Lomax distribution, that is Pareto's
    less 1, and so does this: the inverse of `1 - (1 + x) ** -alpha`.
    """
    return (1.0 - uniform) ** (-1.0 / alpha) - 1.0


def keep_probability(score, alpha=9.0):
    """How likely a document of a score is kept."""
    return (2.0 - score) ** -alpha


def is_kept(score, seed, document_id, alpha=9.0):
    """Whether a document of a score is kept.

    Appendix A of Brown et al. 2020: iff `np.random.pareto(9) > 1 -
    document_score`. The draw is a function of seed and id, so that a rerun, or
    another order, keeps the same documents.
    """
    parts = (document_id,) if isinstance(document_id, str) else document_id
    draw = pareto_draw(stable_uniform(seed, "pareto", *parts), alpha)
    return draw > 1.0 - score
