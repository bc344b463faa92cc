"""Finds evaluation texts in one part, and cuts them out of it."""

import collections
import dataclasses
import json
import pathlib

from keras_gpt3.corpus.decontamination import cut
from keras_gpt3.corpus.decontamination import find_ngrams
from keras_gpt3.corpus.evaluation_texts import evaluation_index
from keras_gpt3.corpus.part_counts import PartCounts
from keras_gpt3.corpus.part_file import PartWriter
from keras_gpt3.corpus.part_file import read_part
from keras_gpt3.corpus.rejected_record import RejectedRecord
from keras_gpt3.corpus.stage_part import DROPPED

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
            PartWriter(part.output) as kept,
            PartWriter(part.aside(DROPPED)) as dropped,
        ):
            for number, document in enumerate(read_part(part.input)):
                counts.read(document)
                pieces, record = [document], None
                if number in numbers:
                    pieces, record = self._cut(document)
                for piece in pieces:
                    kept.write(piece)
                    counts.keep(piece)
                if record is not None:
                    dropped.write(record)
                    _count(record, document, pieces, counts, totals)
        return counts.to_json() | {"cut": totals}

    def _documents(self, part):
        path = pathlib.Path(self.found, part.source, f"{part.name}.json")
        return json.loads(path.read_bytes())["counts"]["documents"]

    def _cut(self, document):
        """What stays of a document, and a record of what goes, or `None`."""
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


def _count(record, document, pieces, counts, totals):
    if not pieces:
        counts.drop(record)
        return
    counts.sample(record)
    totals["documents"] += 1
    totals["pieces"] += len(pieces)
    totals["characters"] += len(document.text) - sum(
        len(piece.text) for piece in pieces
    )
