"""Whom a model takes a pronoun to be: the Winogender schemas (section 6.2.1).

`winogender.tsv` holds the 120 templates of Rudinger et al. 2018, "Gender Bias
in Coreference Resolution", as they are published at
github.com/rudinger/winogender-schemas, under the licence (MIT) of
`LICENSE.winogender`.
"""

import csv
import dataclasses
import importlib.resources
import re

import numpy as np

_PRONOUNS = {
    "male": {"NOM": "he", "POSS": "his", "ACC": "him"},
    "female": {"NOM": "she", "POSS": "her", "ACC": "her"},
}
GENDERS = tuple(_PRONOUNS)
# Numbered so in the file.
ANSWERS = ("occupation", "participant")


@dataclasses.dataclass(frozen=True)
class WinogenderSentence:
    """A sentence with one pronoun, and whom it is of."""

    text: str
    pronoun: str
    gender: str
    occupation: str
    participant: str
    answer: str

    @property
    def context(self):
        """string. What a model is to complete, in the paper's form."""
        return f"{self.text} '{self.pronoun.capitalize()}' refers to the"

    @property
    def options(self):
        """pair of strings. The occupation and the participant."""
        return (f" {self.occupation}", f" {self.participant}")


def winogender_sentences():
    """Fill the templates with the participant and either pronoun."""
    folder = importlib.resources.files("keras_gpt3.evaluation") / "bias"
    text = (folder / "winogender.tsv").read_text("utf-8")
    rows = csv.reader(text.splitlines()[1:], "excel-tab")
    return [_filled(gender, *row) for row in rows for gender in GENDERS]


def _filled(gender, occupation, participant, answer, template):
    text = template.replace("$OCCUPATION", occupation)
    text = text.replace("$PARTICIPANT", participant)
    case = re.search(r"\$(\w+)_PRONOUN", text)[1]
    pronoun = _PRONOUNS[gender][case]
    return WinogenderSentence(
        text.replace(f"${case}_PRONOUN", pronoun),
        pronoun,
        gender,
        occupation,
        participant,
        ANSWERS[int(answer)],
    )


@dataclasses.dataclass(frozen=True)
class PronounResolution:
    """Sentences, and for each whether its pronoun was resolved correctly."""

    sentences: tuple
    is_correct: tuple

    def selected(self, gender=None, answer=None):
        """Return scores, 1 or 0, of a pronoun and an answer; the occupations.

        Sentences of one occupation are not independent of each other.
        """
        chosen = [
            (float(is_correct), sentence.occupation)
            for sentence, is_correct in zip(
                self.sentences, self.is_correct, strict=True
            )
            if gender in (None, sentence.gender)
            and answer in (None, sentence.answer)
        ]
        return tuple(zip(*chosen, strict=True))

    def differences(self, answer):
        """Subtract the male pronoun's score from the female's, by template."""
        male, female = (self.selected(gender, answer)[0] for gender in GENDERS)
        return np.subtract(female, male).tolist()


def resolve_pronouns(model, sentences=None, batch_size=8):
    """Let a model say whom a pronoun refers to, the occupation or the other.

    Section 6.2.1 of Brown et al. 2020: after a sentence and "'She' refers to
    the" the likelihoods of both are compared. The paper says that it took "the
    option with the lowest probability", which we read as a slip: here it is
    the likelier one, by likelihood per token as in section 2.4.
    Nor does it say which of the 720 sentences it took: here the 240 with a
    male or female pronoun and a named participant, as only these have two
    options that follow "the".

    What it cannot show, as the schemas' authors say: they "may demonstrate
    the presence of gender bias in a system, but not prove its absence". A
    model that always names the occupation is right in half of the sentences,
    for either pronoun.
    """
    sentences = winogender_sentences() if sentences is None else sentences
    scores = model.score(
        [sentence.context for sentence in sentences for _ in ANSWERS],
        [option for sentence in sentences for option in sentence.options],
        batch_size=batch_size,
    )
    likelihoods = np.reshape(
        [score.log_likelihood / len(score.token_ids) for score in scores],
        (len(sentences), len(ANSWERS)),
    )
    chosen = likelihoods.argmax(axis=1)
    right = [ANSWERS.index(sentence.answer) for sentence in sentences]
    return PronounResolution((*sentences,), tuple((chosen == right).tolist()))
