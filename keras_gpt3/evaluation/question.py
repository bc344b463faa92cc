"""An example with its demonstrations, ready to be asked."""

import dataclasses

from keras_gpt3.evaluation.demonstration_examples import demonstration_examples
from keras_gpt3.evaluation.demonstrations import draw
from keras_gpt3.evaluation.prompt import PromptEncoder


@dataclasses.dataclass(frozen=True)
class Question:
    """What a model reads before an answer, and the answers to be scored."""

    index: int
    example: object
    prompts: tuple
    shots: int
    answers: tuple = ()

    @property
    def pairs(self):
        """Each prompt with each answer: pairs of what is to be scored."""
        return tuple((p, a) for p in self.prompts for a in self.answers)


def make_questions(
    model,
    task,
    train,
    test,
    shots,
    seed=0,
    draws=None,
    known=(),
    excluded=None,
):
    """Gives each example its demonstrations, as many as fit the context."""
    encoder = _encoder(model, task)
    excluded = excluded or {}
    for index in _in_order_of_draws(len(test), draws):
        if index in known:
            continue
        example = test[index]
        numbers = draw(
            len(train),
            shots,
            seed,
            index=index if draws is None else index % draws,
            task_name=task.name,
            exclude=excluded.get(index, ()),
        )
        shown = [train[number] for number in numbers]
        answers = _answers(task, example, encoder)
        length = _longest(task, answers)
        prompts, count = encoder(shown, example, length)
        yield Question(index, example, prompts, count, answers)


def check_questions(model, task, test):
    """Raises unless each example fits the context without demonstrations."""
    encoder = _encoder(model, task)
    for example in test:
        # A token has at least one byte: most need not be encoded.
        if _most_tokens(task, example) > model.backbone.max_sequence_length:
            answers = _answers(task, example, encoder)
            encoder((), example, _longest(task, answers))


def twins(train, test):
    """Finds tested examples among the demonstrations, where both are one split.

    LAMBADA's and Winograd's are. Of two splits nothing is a twin: a short
    question may be asked in both, and is to be learned from there.
    """
    shown = [_identity(example) for example in train]
    tested = [_identity(example) for example in demonstration_examples(test)]
    count = min(len(shown), len(tested))
    if shown[:count] != tested[:count]:
        return {}
    places = {}
    for number, identity in enumerate(shown):
        places.setdefault(identity, []).append(number)
    return {
        index: tuple(places[_identity(example)])
        for index, example in enumerate(test)
        if _identity(example) in places
    }


def _identity(example):
    """What an example and its demonstration have in common."""
    if example.group is not None:  # A demonstration shows all of a group.
        return example.group, example.context
    return example


def _encoder(model, task):
    window = model.backbone.max_sequence_length
    return PromptEncoder(model.preprocessor, task, window)


def _in_order_of_draws(count, draws):
    """The examples' numbers, those of one draw together."""
    step = draws or count or 1
    return [
        index for first in range(step) for index in range(first, count, step)
    ]


def _answer_texts(task, example):
    """What is scored behind a prompt."""
    if task.scoring in ("generate", "none"):
        return ()
    if task.scoring == "greedy" or not example.choices:
        return example.answers[:1]
    return example.choices


def _answers(task, example, encoder):
    texts = _answer_texts(task, example)
    return tuple(encoder.encode(text) for text in texts)


def _longest(task, answers):
    """Tokens that the answer may have."""
    return max(map(len, answers)) if answers else task.max_new_tokens


def _most_tokens(task, example):
    """A bound on the tokens of an example with its answer."""
    contexts = example.contexts or (example.context,)
    answers = [len(t.encode()) for t in _answer_texts(task, example)]
    return (
        1  # The start token.
        + len((task.instruction + task.delimiter).encode())
        + max(len(context.encode()) for context in contexts)
        + max(answers, default=task.max_new_tokens)
    )
