"""Makes the examples of a task from its records."""

import dataclasses
import hashlib

from keras_gpt3.argument_checks import echoed
from keras_gpt3.evaluation.metrics.text_score import REFERENCE_METRICS
from keras_gpt3.evaluation.task_definitions.task_records import Record
from keras_gpt3.evaluation.task_definitions.template import render


def make_examples(task, records):
    """Fill the templates of a task with its records."""
    return [
        _example(task, fields)
        for record in _with_earlier(task, records)
        for fields in _turns(task, record)
    ]


def _with_earlier(task, records):
    """The records, each with those before it on the same passage."""
    passage, earlier = None, []
    for number, record in enumerate(records, start=1):
        where = getattr(record, "where", f"record {number}")
        record = Record(record, where)
        if task.passage is None:
            yield record
            continue
        previous, passage = passage, render(task.passage, record)
        if passage != previous:
            earlier = []
        yield Record({**record, "earlier": earlier}, where)
        earlier = [*earlier, record]


def _turns(task, record):
    """What the templates of each example of a record are filled with."""
    if task.turns is None:
        return [record]
    turns = render(task.turns, record)
    if not _is_integer(turns) or turns < 1:
        raise _fault(
            "A record's turns must be at least one",
            record,
            f"turns={echoed(turns)}",
        )
    return [Record({**record, "turn": t}, record.where) for t in range(turns)]


def _example(task, record):
    shared = {"where": record.where, "cluster": _cluster(task, record)}
    if task.scoring == "partial":
        return _partial(task, record, shared)
    if task.scoring == "rolling":
        words = _num_words(task, record)
        return Example("", _answers(task, record), num_words=words, **shared)
    context = _text(render(task.context, record), "context", record)
    if task.choices is None:
        given = _all_answers(task, record)
        return Example(
            context,
            tuple(dict.fromkeys(given)),
            references=_references(task, record, given),
            holds=_holds(task, record),
            language=task.language or "",
            **shared,
        )
    choices = _texts(render(task.choices, record), "choices", record)
    label = _label(task, record, choices)
    for key in ("group", "answer_context"):
        if getattr(task, key) is not None:
            value = render(getattr(task, key), record)
            shared[key] = _text(str(value), key, record)
    if task.choice_names is not None:
        names = render(task.choice_names, record)
        shared["choice_names"] = _texts(names, "choice_names", record)
    answers = _right_choices(task, record, choices[label])
    return Example(context, answers, choices, label, **shared)


def _partial(task, record, shared):
    """An example whose contexts differ, not what follows them."""
    contexts = _texts(render(task.contexts, record), "contexts", record)
    continuation = render(task.continuation, record)
    label = _label(task, record, contexts)
    return Example(
        contexts[label],
        (_filled(continuation, "continuation", record),),
        label=label,
        contexts=contexts,
        **shared,
    )


def _cluster(task, record):
    """What the example shares with those that it is not independent of."""
    template = task.cluster or task.passage
    if template is not None:
        return str(render(template, record))
    return record.where if task.turns is not None else None


def _holds(task, record):
    if task.holds is None:
        return True
    holds = render(task.holds, record)
    if not isinstance(holds, bool):
        raise _fault(
            "Whether an answer holds must be true or false",
            record,
            f"holds={echoed(holds)}",
        )
    return holds


def _num_words(task, record):
    words = render(task.words, record)
    if not _is_integer(words) or words < 1:
        raise _fault(
            "A record must have at least one word",
            record,
            f"words={echoed(words)}",
        )
    return words


def _answers(task, record):
    """The accepted answers, each once."""
    return tuple(dict.fromkeys(_all_answers(task, record)))


def _all_answers(task, record):
    answers = render(task.target, record)
    if task.scoring == "none" and answers in ("", None):
        # A text to be written may have no model.
        return []
    answers = answers if isinstance(answers, list) else [answers]
    if not answers:
        raise _fault("There must be an answer", record, "an empty target")
    return [_filled(text, "target", record) for text in answers]


def _references(task, record, answers):
    """What each person answered, texts or tuples of spans."""
    if task.references is None:
        return tuple(answers)
    found = render(task.references, record)
    if not isinstance(found, list) or not found:
        raise _fault(
            "References must be a list of one or more",
            record,
            f"references={echoed(found)}",
        )
    judges = set(task.metrics) & set(REFERENCE_METRICS)
    has_spans = judges and all(name.startswith("drop_") for name in judges)
    return tuple(
        _spans(reference, record)
        if has_spans and isinstance(reference, list)
        else _text(reference, "references", record)
        for reference in found
    )


def _spans(reference, record):
    if not reference:
        raise _fault("A reference must have a span", record, "an empty list")
    return tuple(_text(span, "references", record) for span in reference)


def _right_choices(task, record, right):
    """The right choice first, and what else is accepted."""
    answers = _answers(task, record) if task.target else (right,)
    if right not in answers:
        raise _fault(
            "The choice of the label must be an accepted answer",
            record,
            f"{echoed(right)}, which is not among {list(answers)}",
        )
    return (right, *(text for text in answers if text != right))


def _label(task, record, choices):
    label = render(task.label, record)
    if not _is_integer(label) or not 0 <= label < len(choices):
        raise _fault(
            f"A label must be the number of a choice, 0 to {len(choices) - 1}",
            record,
            f"label={echoed(label)}",
        )
    return label


def _texts(values, key, record):
    """A template's list, as texts to choose among."""
    if not isinstance(values, list) or len(values) < 2:
        count = f"{len(values)} of them" if isinstance(values, list) else values
        raise _fault(f"There must be at least two {key}", record, f"{count}")
    return tuple(_filled(value, key, record) for value in values)


def _filled(value, key, record):
    text = _text(value, key, record)
    if not text.strip():
        raise _fault(
            f"Each text of {key} must not be empty", record, repr(text)
        )
    return text


def _text(value, key, record):
    if not isinstance(value, str):
        raise _fault(
            f"Each text of {key} must be a string",
            record,
            f"type={type(value).__name__}",
        )
    return value


def _is_integer(value):
    # To Python a bool is an int.
    return isinstance(value, int) and not isinstance(value, bool)


def _fault(invariant, record, received):
    return ValueError(
        f"{invariant}. Received: {record.where}, {received}. Correct or remove "
        "the record."
    )


@dataclasses.dataclass(frozen=True)
class Example:
    """What a model reads, and what is correct."""

    context: str
    answers: tuple
    choices: tuple = ()
    label: int | None = None
    contexts: tuple = ()
    answer_context: str | None = None
    group: str | None = None
    # Where a record is read from does not make it another one.
    where: str = dataclasses.field(default="", compare=False)
    choice_names: tuple = ()
    cluster: str | None = dataclasses.field(default=None, compare=False)
    holds: bool = True
    # How it is measured does not make it another one.
    language: str = dataclasses.field(default="", compare=False, repr=False)
    references: tuple = dataclasses.field(default=(), compare=False, repr=False)
    num_words: int = dataclasses.field(default=0, compare=False, repr=False)

    @property
    def demonstration(self):
        """The context with its right answer, as a prompt shows it."""
        if not self.answers:
            raise ValueError(
                "A demonstration must have an answer. Received: "
                f"{self.where or repr(self.context)}, which has none. Add one, "
                "or take the record out."
            )
        context = self.contexts[self.label] if self.contexts else self.context
        return context + self.answers[0]

    @property
    def digest(self):
        """A short text of its own for each example, wherever it is read."""
        content = dataclasses.replace(self, where="", cluster=None)
        return hashlib.blake2b(
            repr(content).encode(), digest_size=8
        ).hexdigest()
