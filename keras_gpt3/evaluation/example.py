"""One record of a task, as texts to be scored."""

import dataclasses
import hashlib


@dataclasses.dataclass(frozen=True)
class Example:
    """What a model is asked, and what is right.

    Args:
        context: string. What stands before the answer.
        answers: tuple of strings. The accepted answers, the first of which
            completes a demonstration; its space in front is included.
        choices: tuple of strings. What the model chooses among. Defaults to
            `()`, nothing: it answers freely.
        label: int. The number of the right choice. Defaults to `None`.
        contexts: tuple of strings. With partial evaluation: the context of
            each choice, which all have `answers[0]` behind them. Defaults to
            `()`.
        answer_context: string. With scoring against the likelihood of an answer
            by itself: the context of that. Defaults to `None`.
        group: string. Examples of one group are judged together, as MultiRC's
            answers to a question. Defaults to `None`.
        where: string. The record it is of, for errors: file and line.
            Defaults to `""`.
        choice_names: tuple of strings. What the choices are called where a
            metric compares texts. Defaults to `()`.
        cluster: string. What examples share that are not independent, such as
            a passage: uncertainty is that of clusters. Defaults to `None`, a
            cluster of its own.
        holds: bool. Whether `answers` are right. `False` where a model must
            not give them, as WSC's noun that the pronoun does not mean; such
            an example is no demonstration. Defaults to `True`.

    Example:

    ```python
    from keras_gpt3.evaluation.example import Example

    Example("Q: What is 98 plus 45?\\n\\nA:", (" 143",)).demonstration
    ```
    """

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
