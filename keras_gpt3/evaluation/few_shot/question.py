"""An example with its demonstrations, ready to be scored."""

import dataclasses
import functools

import numpy as np

from keras_gpt3.evaluation.few_shot.demonstrations import demonstration_examples
from keras_gpt3.evaluation.few_shot.demonstrations import draw


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
    samples=1,
):
    """Give each example its demonstrations, as many as fit the context.

    Of several samples an example stands in the test as often, one after the
    other, with the same demonstrations.
    """
    encoder = _encoder(model, task)
    excluded = excluded or {}
    order = _in_order_of_draws(len(test), None if samples > 1 else draws)
    for index in order:
        if index in known:
            continue
        example = test[index]
        numbers = draw(
            len(train),
            shots,
            seed,
            index=index // samples % (draws or len(test)),
            task_name=task.name,
            exclude=excluded.get(index // samples, ()),
        )
        shown = [train[number] for number in numbers]
        answers = _answers(task, example, encoder)
        length = _longest(task, answers)
        prompts, count = encoder(shown, example, length)
        yield Question(index, example, prompts, count, answers)


def check_questions(model, task, test):
    """Raise unless each example fits the context without demonstrations."""
    if task.scoring == "rolling":
        return  # A text is read in parts.
    encoder = _encoder(model, task)
    for example in test:
        # A token has at least one byte: most need not be encoded.
        if _most_tokens(task, example) > model.backbone.max_sequence_length:
            answers = _answers(task, example, encoder)
            encoder((), example, _longest(task, answers))


def twins(train, test):
    """Find tested examples among the demonstrations, where both are one split.

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
    """What is scored after a prompt."""
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


# Texts whose tokens are kept: what many questions share is encoded once.
_KEPT = 128


def prompt_parts(task, demonstrations, example):
    """Return the texts that a model is to continue (section 2.1).

    The instruction comes first, then the demonstrations with their answers,
    then the example's context without one; the task's delimiter is between
    them. With no demonstrations the prompt is zero-shot, with one one-shot.
    """
    pieces = [task.instruction] if task.instruction else []
    pieces += [shown.demonstration for shown in demonstrations]
    delimiter = task.delimiter if pieces else ""
    contexts = example.contexts or (example.context,)
    return (
        task.delimiter.join(pieces),
        tuple(delimiter + context for context in contexts),
    )


class PromptEncoder:
    """Makes prompts of token ids, with as many demonstrations as fit.

    The two parts of a prompt are encoded apart and joined as ids, always: so
    what questions share has the same ids for all of them, and what is counted
    is what the model reads. Those demonstrations that were drawn last are left
    out.
    """

    def __init__(self, preprocessor, task, window):
        tokenizer = preprocessor.tokenizer
        self._task, self._window = task, window
        self._nothing = (tokenizer.start_token_id,)
        self._start = self._nothing if preprocessor.add_start_token else ()
        self._lengths = {}

        def encode(text):
            ids = tokenizer.encode_to_numpy(text) if text else ()
            return tuple(np.asarray(ids).tolist())

        self.encode = functools.lru_cache(_KEPT)(encode)

    def __call__(self, demonstrations, example, answer_length):
        def prompts(shots):
            return self._prompts(demonstrations[:shots], example)

        def fits(shots):
            return max(map(len, prompts(shots))) + answer_length <= self._window

        shots = len(demonstrations)
        if not fits(shots):
            shots = self._guess(demonstrations, example, answer_length)
            while shots and not fits(shots):
                shots -= 1
            if not fits(shots):
                raise self._too_long(prompts(0), example, answer_length)
            while fits(shots + 1):
                shots += 1
        return prompts(shots), shots

    def _prompts(self, demonstrations, example):
        before, contexts = prompt_parts(self._task, demonstrations, example)
        before = (*self._start, *self.encode(before))
        return tuple(
            # What stands before each text in training stands for none.
            (*before, *self.encode(context)) or self._nothing
            for context in contexts
        )

    def _guess(self, demonstrations, example, answer_length):
        """The demonstrations that fit, if tokens of pieces add up."""
        used = max(map(len, self._prompts((), example))) + answer_length
        for shots, shown in enumerate(demonstrations):
            piece = self._task.delimiter + shown.demonstration
            if piece not in self._lengths:
                self._lengths[piece] = len(self.encode(piece))
            used += self._lengths[piece]
            if used > self._window:
                return shots
        # Without all of them, which do not fit.
        return max(len(demonstrations) - 1, 0)

    def _too_long(self, prompts, example, answer_length):
        return ValueError(
            f"A prompt and its answer must fit into {self._window} tokens. "
            f"Received: {max(map(len, prompts))} tokens with no demonstrations "
            f"and {answer_length} of an answer for "
            f"{example.where or repr(example.context[:40])}. Shorten the "
            "record, or use a model with a longer context."
        )
