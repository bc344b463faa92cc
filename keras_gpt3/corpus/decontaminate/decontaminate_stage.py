"""Stage 4: what evaluation sets hold is cut out of the documents."""

import collections
import dataclasses
import json
import pathlib

from keras_gpt3.corpus.decontaminate.decontamination import common_ngrams
from keras_gpt3.corpus.decontaminate.decontamination import cut
from keras_gpt3.corpus.decontaminate.decontamination import evaluation_index
from keras_gpt3.corpus.decontaminate.decontamination import find_ngrams
from keras_gpt3.corpus.decontaminate.decontamination import (
    read_evaluation_texts,
)
from keras_gpt3.corpus.pipeline.beam_options import beam_options
from keras_gpt3.corpus.pipeline.corpus_pipeline import run_parts
from keras_gpt3.corpus.pipeline.document import RejectedRecord
from keras_gpt3.corpus.pipeline.part_counts import PartCounts
from keras_gpt3.corpus.pipeline.part_counts import merge_counts
from keras_gpt3.corpus.pipeline.part_file import DROPPED
from keras_gpt3.corpus.pipeline.part_file import read_part
from keras_gpt3.corpus.pipeline.part_file import written_part
from keras_gpt3.corpus.pipeline.stage import Stage

_NGRAMS = "ngrams"
# Where the texts come from is not what they are.
_ORIGINS = ("texts", "tasks", "splits", "data")


def decontaminate_stage(
    settings,
    inputs,
    output,
    options=None,
    verbose="auto",
    overwrite=False,
    evaluation=None,
):
    """Cut the n-grams of evaluation texts out of documents.

    Appendix C of Brown et al. 2020: an n-gram of 13 words, lowercased and
    without punctuation, is removed with 200 characters on either side, as are
    pieces of fewer than 200 characters and documents of more than 10 pieces;
    n-grams that more than 10 documents of the corpus hold are ignored. Two
    passes: the n-grams' documents are counted, then parts are written. The
    pieces of a document have its id with `#0`, `#1` and so on, and the id as
    `"piece_of"`. What was removed is in `OUTPUT/SOURCE/dropped`.
    """
    evaluation = evaluation or read_evaluation_texts(settings)
    num_short = _num_short(evaluation, settings.ngram)
    options = options or beam_options(workers=1)
    known = dataclasses.asdict(settings) | {"evaluation": evaluation.digest}
    for name in _ORIGINS:
        del known[name]
    # Whether an n-gram is common depends on all documents.
    everything = " ".join(sorted(item.digest for item in inputs))
    stage = Stage("decontaminate", output, inputs, known, everything)
    stage.start(overwrite)
    if stage.is_done:
        return stage
    finder, found = _count(
        stage, inputs, evaluation, settings.ngram, options, verbose
    )
    common = common_ngrams(found, settings.max_documents)
    rewrite = DecontaminatePart(
        finder, str(stage.folder / _NGRAMS), common, settings
    )
    run_parts(rewrite, stage.parts, options, "decontaminate", verbose)
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


def _count(stage, inputs, evaluation, ngram, options, verbose):
    """The first pass: the number of documents of each n-gram found."""
    known = {"evaluation": evaluation.digest, "ngram": ngram}
    counting = Stage("ngrams", stage.folder / _NGRAMS, inputs, known)
    counting.start(overwrite=True)
    path = counting.folder / "evaluation.json"
    evaluation.write(path)
    finder = CountNgrams(str(path), evaluation.digest, ngram)
    run_parts(finder, counting.parts, options, "count n-grams", verbose)
    counts = merge_counts(
        {"ngrams": counts["ngrams"]} for _, counts in counting.part_counts()
    )
    found = counts.get("ngrams", {})
    return finder, {int(number): count for number, count in found.items()}


CUT_OUT = "evaluation text cut out"
_NAMED = 5


@dataclasses.dataclass(frozen=True)
class CountNgrams:
    """Counts in how many documents of a part each n-gram stands."""

    texts: str
    digest: str
    ngram: int

    def __call__(self, part):
        index, _ = evaluation_index(self.texts, self.ngram, self.digest)
        counts, documents = collections.Counter(), []
        for number, document in enumerate(read_part(part.input)):
            _, found = find_ngrams(document.text, index)
            if found:
                documents.append(number)
                counts.update(set(found))
        ngrams = {str(i): counts[i] for i in sorted(counts)}
        return {"ngrams": ngrams, "documents": documents}


@dataclasses.dataclass(frozen=True)
class DecontaminatePart:
    """Writes a part without the evaluation texts."""

    finder: CountNgrams
    found: str
    common: frozenset
    settings: object

    def __call__(self, part):
        numbers = set(self._documents(part))
        counts = PartCounts()
        totals = {"documents": 0, "pieces": 0, "characters": 0}
        with (
            written_part(part.output) as keep,
            written_part(part.rejected(DROPPED)) as reject,
        ):
            for number, document in enumerate(read_part(part.input)):
                counts.read(document)
                pieces, record = [document], None
                if number in numbers:
                    pieces, record = self._cut(document)
                for piece in pieces:
                    keep(piece)
                    counts.keep(piece)
                if record is not None:
                    reject(record)
                    _count_part(record, document, pieces, counts, totals)
        return counts.to_json() | {"cut": totals}

    def _documents(self, part):
        path = pathlib.Path(self.found, part.source, f"{part.name}.json")
        return json.loads(path.read_bytes())["counts"]["documents"]

    def _cut(self, document):
        """What stays of a document, and a record of the rest, or `None`."""
        finder, settings = self.finder, self.settings
        index, names = evaluation_index(
            finder.texts, finder.ngram, finder.digest
        )
        matches = [
            match
            for match in zip(*find_ngrams(document.text, index), strict=True)
            if match[1] not in self.common
        ]
        if not matches:
            return [document], None
        places, numbers = zip(*matches, strict=True)
        num_pieces, texts = cut(
            document.text,
            places,
            window=settings.window,
            min_characters=settings.min_characters,
            max_pieces=settings.max_pieces,
        )
        reason = CUT_OUT
        if num_pieces > settings.max_pieces:
            reason = f"more than {settings.max_pieces} pieces"
        elif not texts:
            reason = f"no piece of {settings.min_characters} characters"
        start, end = places[0]
        record = RejectedRecord(
            document.source,
            reason,
            # The first n-gram, with what stands about it.
            document.text[max(0, start - settings.window) : end],
            document.id,
            detail={
                "ngram": document.text[start:end],
                "ngrams": len(matches),
                "of": [names[i] for i in index.texts_of(numbers)[:_NAMED]],
            },
        )
        return _pieces(document, texts), record


def _pieces(document, texts):
    """Documents of their own, which know whose they were."""
    extra = document.extra | {"piece_of": document.id}
    return [
        dataclasses.replace(
            document, id=f"{document.id}#{number}", text=text, extra=extra
        )
        for number, text in enumerate(texts)
    ]


def _count_part(record, document, pieces, counts, totals):
    if not pieces:
        counts.drop(record)
        return
    counts.sample(record)
    totals["documents"] += 1
    totals["pieces"] += len(pieces)
    totals["characters"] += len(document.text) - sum(
        len(piece.text) for piece in pieces
    )
