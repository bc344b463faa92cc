"""Has a model answer questions, by the rule of their task (section 2.4)."""

import itertools

from keras_gpt3.evaluation.choice_ranking import best_choice
from keras_gpt3.evaluation.choice_ranking import choice_scores
from keras_gpt3.evaluation.free_answers import FreeAnswers
from keras_gpt3.evaluation.outcome import Outcome
from keras_gpt3.evaluation.row_scores import RowScores

# Questions whose rows are sorted by length together.
_POOL = 64


def ask(model, task, questions, batch_size=8):
    """Asks questions, those that share their beginning together.

    Args:
        model: `GPT3` with a preprocessor.
        task: `Task`.
        questions: iterable of `Question`, those of one draw in a row.
        batch_size: int. Rows that the model reads at a time. Defaults to `8`.

    Yields:
        Lists of `Outcome`, as soon as they are known.

    Raises:
        ValueError: If a question does not fit the model's context.

    Example:

    ```python
    import keras_gpt3
    from keras_gpt3.evaluation.asking import ask
    from keras_gpt3.evaluation.example import Example
    from keras_gpt3.evaluation.question import make_questions
    from keras_gpt3.evaluation.task import Task

    model = keras_gpt3.GPT3.from_preset("gpt3_small_en", num_layers=1)
    task = Task(
        name="colours", title="Colours", paper="", fields={}, context="",
        target="", scoring="per_token", metrics=("accuracy",), shots=0,
    )
    examples = [
        Example("Grass is", (" green",), choices=(" green", " red"), label=0)
    ]
    questions = make_questions(model, task, [], examples, shots=0)
    outcomes = list(ask(model, task, questions))
    ```
    """
    if task.scoring in ("generate", "none"):
        answer = FreeAnswers(model, task, batch_size)
    elif task.scoring == "greedy":
        answer = _Greedy(RowScores(model, batch_size))
    else:
        answer = _Choosing(RowScores(model, batch_size), task.scoring)
    for pool in _pools(questions):
        yield answer(pool)


def _pools(questions):
    """Questions with the same beginning, or a few with any."""
    waiting = []
    for _, group in itertools.groupby(questions, key=lambda q: q.shared):
        # All have the same where none is shown: they are not waited for.
        while len(part := list(itertools.islice(group, _POOL))) > 1:
            yield part
        waiting += part
        if len(waiting) >= _POOL:
            yield waiting
            waiting = []
    if waiting:
        yield waiting


class _Greedy:
    """Whether the right text is the likeliest at every token."""

    def __init__(self, score):
        self._score = score

    def __call__(self, questions):
        rows = [
            (q.shared, q.contexts[0], q.example.answers[0]) for q in questions
        ]
        return [
            Outcome(
                question.index,
                question.shots,
                predicted=None,
                correct=float(score.is_greedy),
                log_likelihoods=(score.log_likelihood,),
                num_tokens=(len(score.token_ids),),
            )
            for question, score in zip(
                questions, self._score(rows), strict=True
            )
        ]


class _Choosing:
    """Which choice is the likeliest, by the rule of the task."""

    def __init__(self, score, scoring):
        self._score, self._scoring = score, scoring
        self._by_itself = {}

    def __call__(self, questions):
        rows = [row for question in questions for row in _choices(question)]
        scores = iter(self._score(rows))
        by_itself = self._answers_by_themselves(questions)
        outcomes = []
        for question in questions:
            example = question.example
            count = len(example.contexts or example.choices)
            found = list(itertools.islice(scores, count))
            outcomes.append(self._outcome(question, found, by_itself))
        return outcomes

    def _outcome(self, question, scores, by_itself):
        example = question.example
        sums = [score.log_likelihood for score in scores]
        lengths = [len(score.token_ids) for score in scores]
        alone = None
        if self._scoring == "answer_context":
            alone = [
                by_itself[example.answer_context, choice]
                for choice in example.choices
            ]
        chosen = best_choice(choice_scores(self._scoring, sums, lengths, alone))
        return Outcome(
            question.index,
            question.shots,
            predicted=chosen,
            correct=float(_is_right(example, chosen)),
            log_likelihoods=tuple(sums),
            num_tokens=tuple(lengths),
        )

    def _answers_by_themselves(self, questions):
        """How likely each answer is without its question."""
        if self._scoring != "answer_context":
            return {}
        wanted = {
            (q.example.answer_context, choice): None
            for q in questions
            for choice in q.example.choices
        }
        new = [pair for pair in wanted if pair not in self._by_itself]
        scores = self._score([("", *pair) for pair in new])
        self._by_itself |= {
            pair: score.log_likelihood
            for pair, score in zip(new, scores, strict=True)
        }
        return self._by_itself


def _choices(question):
    """The rows of a question: shared text, context, continuation."""
    example = question.example
    if example.contexts:
        return [
            (question.shared, context, example.answers[0])
            for context in question.contexts
        ]
    return [
        (question.shared, question.contexts[0], choice)
        for choice in example.choices
    ]


def _is_right(example, chosen):
    """Whether a choice is the right one, or one of those accepted."""
    if example.contexts:
        return chosen == example.label
    return example.choices[chosen] in example.answers
