"""Answers in the model's own words, by the paper's beam search."""

from keras_gpt3.evaluation.exact_match import plain_exact_match
from keras_gpt3.evaluation.exact_match import squad_exact_match
from keras_gpt3.evaluation.kept_prefix import KeptPrefix
from keras_gpt3.evaluation.outcome import Outcome
from keras_gpt3.evaluation.squad_f1 import squad_f1

# What is 1 or 0, or between, for each example; BLEU is that of all together.
_CORRECT = {
    "exact_match": plain_exact_match,
    "squad_exact_match": squad_exact_match,
    "f1": squad_f1,
}


class FreeAnswers:
    """Has a model complete prompts: beam width 4, length penalty 0.6.

    Section 2.4 of Brown et al. 2020. An answer ends before the first of the
    task's stop strings.

    Args:
        model: `GPT3` with a preprocessor.
        task: `Task`.
        batch_size: int. Beams that are searched at a time, 4 of a prompt.
            Defaults to `8`.

    Example:

    ```python
    import keras_gpt3
    from keras_gpt3.evaluation.example import Example
    from keras_gpt3.evaluation.free_answers import FreeAnswers
    from keras_gpt3.evaluation.question import Question
    from keras_gpt3.evaluation.task import Task

    model = keras_gpt3.GPT3.from_preset("gpt3_small_en", num_layers=1)
    task = Task(
        name="sums", title="Sums", paper="", fields={}, context="", target="",
        scoring="generate", metrics=("exact_match",), shots=0,
        max_new_tokens=2,
    )
    answer = FreeAnswers(model, task)
    answer([Question(0, Example("1+1=", ("2",)), "", ("1+1=",), shots=0)])
    ```
    """

    def __init__(self, model, task, batch_size=8):
        self._model, self._task = model, task
        self._prompts = max(1, batch_size // 4)
        self._stop_ids = _stop_ids(model.preprocessor.tokenizer, task.stop)
        # A text's prompts may go on in the next call.
        self._prefix_of = KeptPrefix(model)

    def __call__(self, questions):
        """Answers questions.

        Args:
            questions: list of `Question`.

        Returns:
            A list of `Outcome`, in the same order.
        """
        prefix = None
        shared = {question.shared for question in questions}
        if len(shared) == 1 and len(questions) > 1:
            prefix = self._prefix_of(shared.pop())
        # Prompts of like lengths together.
        order = sorted(questions, key=lambda q: len(_prompt(q, prefix)))
        answers = {}
        for first in range(0, len(order), self._prompts):
            chosen = order[first : first + self._prompts]
            texts = self._complete([_prompt(q, prefix) for q in chosen], prefix)
            answers |= {
                question.index: self._cut(text)
                for question, text in zip(chosen, texts, strict=True)
            }
        return [self._outcome(q, answers[q.index]) for q in questions]

    def _complete(self, prompts, prefix):
        found = self._model.beam_search(
            prompts,
            max_new_tokens=self._task.max_new_tokens,
            stop_token_ids=self._stop_ids,
            prefix=prefix,
        )
        return [answers[0].text for answers in found]

    def _cut(self, text):
        """What stands before the first stop string."""
        ends = [text.find(stop) for stop in self._task.stop]
        end = min((end for end in ends if end >= 0), default=len(text))
        return text[:end]

    def _outcome(self, question, text):
        correct = None
        for metric in self._task.metrics[:1]:
            if metric in _CORRECT:
                judge = _CORRECT[metric]
                correct = float(judge(text, question.example.answers))
        return Outcome(
            question.index, question.shots, predicted=text, correct=correct
        )


def _prompt(question, prefix):
    """What a prompt adds to the prefix, or all of it without one."""
    before = question.shared if prefix is None else ""
    return before + question.contexts[0]


def _stop_ids(tokenizer, stop):
    """The end of text, and the tokens that hold a stop string whole."""
    ids = sorted(tokenizer.vocabulary.values())
    texts = tokenizer.detokenize([[id] for id in ids])
    found = {
        id
        for id, text in zip(ids, texts, strict=True)
        if any(string in text for string in stop)
    }
    return sorted(found | {tokenizer.end_token_id})
