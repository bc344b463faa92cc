"""How well participants tell each model's articles from real ones."""

import dataclasses
import statistics

import numpy as np

from keras_gpt3.argument_checks import check_choice
from keras_gpt3.evaluation.metrics.student_t import t_interval
from keras_gpt3.evaluation.metrics.student_t import t_test
from keras_gpt3.evaluation.news_quiz.quiz_page import CHOICES

_BY_HUMAN, _BY_MACHINE = CHOICES[:2], CHOICES[3:]
# What `exclude` may name -> what is left out.
EXCLUSIONS = {
    "check": "participants who failed the check question",
    "looked-up": "participants who said that they looked something up",
    "seen": "answers about articles that had been seen before",
}


@dataclasses.dataclass(frozen=True)
class Detection:
    """A row of Table 3.11: what participants made of one model's articles.

    The accuracy of a participant is the share of right answers among those
    that are not neutral; who was neutral throughout has none. The interval is
    that of the t-distribution (Appendix E).
    """

    name: str
    is_control: bool
    num_parameters: int
    # Of each participant who has one.
    accuracies: tuple
    num_participants: int
    num_answers: int
    num_neutral: int
    # Of each participant, for the whole quiz.
    minutes: tuple

    @property
    def accuracy(self):
        """float. The mean over participants, NaN without any."""
        return float(np.mean(self.accuracies)) if self.accuracies else np.nan

    @property
    def interval(self):
        """pair of floats. The 95% interval of the mean."""
        return t_interval(self.accuracies)

    @property
    def neutral_share(self):
        """float. The share of "I don't know" among all answers."""
        count = self.num_answers
        return self.num_neutral / count if count else np.nan

    @property
    def mean_minutes(self):
        """float. How long a participant took, in the mean."""
        return statistics.fmean(self.minutes) if self.minutes else np.nan

    def against(self, control):
        """Test whether the control's articles were told with other accuracy.

        `t` is above 0 where the control's were told better, as in the paper.
        """
        return t_test(control.accuracies, self.accuracies)


@dataclasses.dataclass(frozen=True)
class Recognition:
    """How often one article of a model was taken for what it is."""

    name: str
    is_control: bool
    title: str
    num_right: int
    # Answers that are not neutral.
    num_decided: int


def kept_participants(key, participants, exclude=()):
    """Leave out participants and answers, as `exclude` names them."""
    for name in exclude:
        check_choice("exclude", name, tuple(EXCLUSIONS))
    if "check" in exclude and key.check is None:
        raise ValueError(
            "A quiz must have a check question to exclude participants by. "
            "Received: exclude='check'. Make a quiz with one, or leave it out."
        )
    kept = [
        p
        for p in participants
        if not ("check" in exclude and not key.check.is_passed(p.check))
        and not ("looked-up" in exclude and p.looked_up)
    ]
    if "seen" not in exclude:
        return kept
    return [
        dataclasses.replace(
            p, answers=tuple(a for a in p.answers if not a.seen)
        )
        for p in kept
    ]


def detections(key, participants):
    """Make a row for each experiment, the control first."""
    quizzes = {quiz.id: quiz.experiment for quiz in key.quizzes}
    groups = [[] for _ in key.experiments]
    for participant in participants:
        groups[quizzes[participant.quiz]].append(participant)
    items = {item.id: item for item in key.items}
    rows = [
        _detection(experiment, group, items)
        for experiment, group in zip(key.experiments, groups, strict=True)
    ]
    return sorted(
        rows, key=lambda row: (not row.is_control, row.num_parameters)
    )


def _detection(experiment, participants, items):
    accuracies, decided, total = [], 0, 0
    for participant in participants:
        right = [
            _is_right(answer, items[answer.item])
            for answer in participant.answers
            if _is_decided(answer)
        ]
        if right:
            accuracies.append(sum(right) / len(right))
        decided += len(right)
        total += len(participant.answers)
    seconds = [sum(a.seconds for a in p.answers) for p in participants]
    return Detection(
        experiment.name,
        experiment.is_control,
        experiment.num_parameters,
        tuple(accuracies),
        len(participants),
        total,
        total - decided,
        tuple(s / 60 for s in seconds),
    )


def _is_decided(answer):
    return answer.choice in _BY_HUMAN + _BY_MACHINE


def _is_right(answer, item):
    return (answer.choice in _BY_HUMAN) == (item.experiment is None)


def recognitions(key, participants):
    """Count for each article of a model who knew it, hardest first.

    Figures 3.14 and 3.15 show the ends of such a list.
    """
    counts = {i.id: [0, 0] for i in key.items if i.experiment is not None}
    for participant in participants:
        for answer in participant.answers:
            if answer.item in counts and _is_decided(answer):
                counts[answer.item][0] += answer.choice in _BY_MACHINE
                counts[answer.item][1] += 1
    found = []
    for item in key.items:
        right, decided = counts.get(item.id, (0, 0))
        if decided:
            writer = key.experiments[item.experiment]
            found.append(
                Recognition(
                    writer.name, writer.is_control, item.title, right, decided
                )
            )
    return sorted(
        found, key=lambda r: (r.num_right / r.num_decided, r.name, r.title)
    )
