"""Stage 2: documents of low quality are dropped, most of them."""

import hashlib

from keras_gpt3.corpus.beam_options import beam_options
from keras_gpt3.corpus.filter_part import FilterPart
from keras_gpt3.corpus.quality_classifier import QualityClassifier
from keras_gpt3.corpus.run_parts import run_stage
from keras_gpt3.corpus.stage import Stage


def filter_stage(
    settings,
    inputs,
    output,
    seed=0,
    options=None,
    progress="auto",
    overwrite=False,
):
    """Drops documents that look like raw crawl.

    Appendix A of Brown et al. 2020: a document is kept iff a draw of
    `np.random.pareto(9)` is above `1 - score` of a classifier. Documents of
    sources that are filtered get their `"score"`; those dropped stand in
    `OUTPUT/SOURCE/dropped`.
    """
    sources = tuple(sorted(settings.sources))
    digest = _classifier_digest(settings.classifier, sources)
    known = {"alpha": settings.alpha, "sources": sources, "seed": seed}
    known["classifier"] = digest
    stage = Stage("filter", output, inputs, known)
    process_part = FilterPart(
        settings.classifier, sources, settings.alpha, seed, digest
    )
    run_stage(
        stage, process_part, options or beam_options(1), progress, overwrite
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
