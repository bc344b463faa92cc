"""Stage 4: what evaluation sets hold is cut out of the documents."""

import dataclasses

from keras_gpt3.corpus.beam_options import beam_options
from keras_gpt3.corpus.decontaminate_part import CountNgrams
from keras_gpt3.corpus.decontaminate_part import DecontaminatePart
from keras_gpt3.corpus.decontamination import common_ngrams
from keras_gpt3.corpus.evaluation_texts import read_evaluation_texts
from keras_gpt3.corpus.merge_counts import merge_counts
from keras_gpt3.corpus.run_parts import run_parts
from keras_gpt3.corpus.stage import Stage

_NGRAMS = "ngrams"
# Where the texts come from is not what they are.
_ORIGINS = ("texts", "tasks", "data")


def decontaminate_stage(
    settings,
    inputs,
    output,
    seed=0,
    options=None,
    progress="auto",
    overwrite=False,
    evaluation=None,
):
    """Cuts the n-grams of evaluation texts out of documents.

    Appendix C of Brown et al. 2020: an n-gram of 13 words, lower-cased and
    without punctuation, goes with 200 characters on either side; pieces of
    fewer than 200 characters go; of a document of more than 10 pieces nothing
    stays; n-grams that more than 10 documents of the corpus hold are ignored.
    Two passes: the n-grams' documents are counted, then parts are written. The
    pieces of a document have its id with `#0`, `#1` and so on, and the id as
    `"piece_of"`. What went is told in `OUTPUT/SOURCE/dropped`.
    """
    evaluation = evaluation or read_evaluation_texts(settings)
    num_short = _num_short(evaluation, settings.ngram)
    options = options or beam_options(workers=1)
    known = dataclasses.asdict(settings) | {"evaluation": evaluation.digest}
    for name in _ORIGINS:
        del known[name]
    # Whether an n-gram is common hangs on all documents.
    everything = " ".join(sorted(item.digest for item in inputs))
    stage = Stage("decontaminate", output, inputs, known, everything)
    stage.start(overwrite)
    if stage.is_done:
        return stage
    finder, found = _count(
        stage, inputs, evaluation, settings.ngram, options, progress
    )
    common = common_ngrams(found, settings.max_documents)
    rewrite = DecontaminatePart(
        finder, str(stage.folder / _NGRAMS), common, settings
    )
    run_parts(rewrite, stage.parts, options, "decontaminate", progress)
    totals = {
        "texts": len(evaluation.texts),
        "short_texts": num_short,
        "found": len(found),
        "common": len(common),
    }
    stage.finish({"ngrams": totals})
    return stage


def _num_short(evaluation, ngram):
    """The number of texts that cannot be found; not all may be."""
    num_texts, num_short = len(evaluation.texts), evaluation.num_shorter(ngram)
    if num_short == num_texts:
        raise ValueError(
            f"Evaluation texts must have an n-gram of {ngram} words, one at "
            f"least. Received: {num_texts} texts, all of them shorter. Name "
            "other texts or tasks, or lower decontaminate.ngram."
        )
    return num_short


def _count(stage, inputs, evaluation, ngram, options, progress):
    """The first pass: the number of documents of each n-gram found."""
    known = {"evaluation": evaluation.digest, "ngram": ngram}
    counting = Stage("ngrams", stage.folder / _NGRAMS, inputs, known)
    counting.start(overwrite=True)
    path = counting.folder / "evaluation.json"
    evaluation.write(path)
    finder = CountNgrams(str(path), evaluation.digest, ngram)
    run_parts(finder, counting.parts, options, "count n-grams", progress)
    counts = merge_counts(
        {"ngrams": counts["ngrams"]} for _, counts in counting.part_counts()
    )
    found = counts.get("ngrams", {})
    return finder, {int(number): count for number, count in found.items()}
