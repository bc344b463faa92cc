"""One record of a task, as texts to be scored."""

import dataclasses
import hashlib


@dataclasses.dataclass(frozen=True)
class Example:
    """What a model is asked, and what is right."""

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
