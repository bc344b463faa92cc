"""Makes the examples of a task from its records."""

import dataclasses
import hashlib
import os
import pathlib

from keras_gpt3.argument_checks import echoed
from keras_gpt3.data.json_objects import read_json_objects
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
    context = _text(render(task.context, record), "context", record)
    if task.choices is None:
        answers = _answers(task, record)
        return Example(
            context,
            answers,
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


def _answers(task, record):
    answers = render(task.target, record)
    if task.scoring == "none" and answers in ("", None):
        # A text to be written may have no model.
        return ()
    answers = answers if isinstance(answers, list) else [answers]
    if not answers:
        raise _fault("There must be an answer", record, "an empty target")
    answers = [_filled(text, "target", record) for text in answers]
    return tuple(dict.fromkeys(answers))


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


_SUFFIXES = (".jsonl", ".jsonl.gz")

# Tasks whose files OpenAI published under other names.
PUBLISHED_NAMES = {
    "anagrams_1": "mid_word_1_anagrams",
    "anagrams_2": "mid_word_2_anagrams",
}

# In front of the kind of a field that may be null or missing.
OPTIONAL = "optional "
# Kind of a field -> the type of its value.
KINDS = {
    "string": str,
    "integer": int,
    "boolean": bool,
    "list": list,
    "object": dict,
}


class Record(dict):
    """The fields of a record, which knows where it was read."""

    def __init__(self, fields, where):
        super().__init__(fields)
        self.where = where


def read_records(path, task):
    """Read a file of one record a line; empty lines are left out."""
    path = os.fspath(path)
    records = [
        checked_record(entry, task, where)
        for where, entry in read_json_objects(path, "records")
    ]
    if not records:
        raise ValueError(
            "A file of records must hold at least one. Received: "
            f"file='{path}', which holds none. Add some."
        )
    return records


def local_records(folder, task, split):
    """Read a split of a task from a folder of local data."""
    path = local_file(folder, task, split)
    if path is None:
        path = pathlib.Path(folder) / task.name / f"{split}.jsonl"
        raise FileNotFoundError(
            f"A task's local data must have the split {split}. Received: "
            f"'{path}', which does not exist, with or without .gz. Write "
            "that file, or leave out the folder of data."
        )
    return read_records(path, task)


def local_file(folder, task, split):
    """Find the file of a split in a folder of local data.

    OpenAI published the synthetic tasks as one file each, without a split:
    both splits are that file, `FOLDER/NAME.jsonl`. Of a synthetic task that
    has a `TASK/test.jsonl` alone, demonstrations are from there as well.
    """
    folder = pathlib.Path(folder)
    own = folder / task.name
    stems = [own / split]
    if task.generator is not None:
        name = PUBLISHED_NAMES.get(task.name, task.name)
        stems += (
            [own / "test", folder / name]
            if split == "train"
            else [folder / name]
        )
    for stem in stems:
        paths = [stem.with_name(stem.name + suffix) for suffix in _SUFFIXES]
        found = [path for path in paths if path.is_file()]
        if len(found) > 1:
            raise ValueError(
                "A split must be one file. Received: "
                f"'{paths[0]}' and '{paths[1]}'. Remove one."
            )
        if found:
            return found[0]
    return None


def checked_record(entry, task, where):
    """Make a record of an object that has the fields of a task."""
    record = Record({}, where)
    for name, kind in task.fields.items():
        value = entry.get(name)
        record[name] = value
        if value is None and kind.startswith(OPTIONAL):
            continue
        reason = _record_fault(entry, name, kind.removeprefix(OPTIONAL))
        if reason:
            raise ValueError(
                f"A record of {task.name} must have the field {echoed(name)} "
                f"of kind {kind}. Received: {where} ({reason}). Correct or "
                "remove it."
            )
    return record


def _record_fault(entry, name, kind):
    """What is wrong with a field, or `None`."""
    if name not in entry:
        return f"only {', '.join(map(repr, entry)) or 'an empty object'}"
    value = entry[name]
    # To Python a bool is an int.
    if not isinstance(value, KINDS[kind]) or (
        kind == "integer" and isinstance(value, bool)
    ):
        return f"it is of type {type(value).__name__}"
    try:
        # Escapes can spell half a character, which has no bytes.
        if kind == "string":
            value.encode()
    except UnicodeEncodeError as error:
        return str(error)
    return None
