"""The key of a quiz: who wrote which article, and which are shown together."""

import dataclasses
import hashlib
import json
import random

KEY_FILE = "key.json"


@dataclasses.dataclass(frozen=True)
class Experiment:
    """A model whose articles people are to tell from real ones."""

    name: str
    is_control: bool
    num_parameters: int
    settings: dict


@dataclasses.dataclass(frozen=True)
class Item:
    """An article of a quiz."""

    id: int
    title: str
    subtitle: str
    text: str
    # The number of the experiment whose model wrote it; people's have none.
    experiment: int | None


@dataclasses.dataclass(frozen=True)
class Quiz:
    """The articles that one participant judges."""

    id: int
    experiment: int
    items: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Check:
    """A question that shows whether a participant pays attention."""

    question: str
    answer: str

    def is_passed(self, answer):
        """Whether an answer is the right one, but for case and spaces."""
        return _plain(answer) == _plain(self.answer)


def _plain(text):
    return " ".join(text.casefold().split())


@dataclasses.dataclass(frozen=True)
class QuizKey:
    """All of a study, as `key.json` holds it."""

    study: str
    experiments: tuple[Experiment, ...]
    items: tuple[Item, ...]
    quizzes: tuple[Quiz, ...]
    check: Check | None = None


def make_key(articles, experiments, texts, check=None, seed=0):
    """Divide articles into two quizzes for each experiment.

    Appendix E of Brown et al. 2020: half of the articles of a quiz are real,
    and those that are real in quiz A are the model's in quiz B. Which ones is
    drawn by seed, and so are all numbers: none tells who wrote an article.
    `texts` are those of each experiment's model, in the order of `articles`.
    """
    if len(articles) < 2:
        raise ValueError(
            "A quiz must have at least two articles, one of each kind. "
            f"Received: {len(articles)}. Add articles."
        )
    generator = random.Random(f"news quiz {seed}")
    written = [(None, [a.text for a in articles]), *enumerate(texts)]
    places = [(e, i) for e, _ in written for i in range(len(articles))]
    generator.shuffle(places)
    items = [
        Item(
            number,
            articles[index].title,
            articles[index].subtitle,
            dict(written)[experiment][index],
            experiment,
        )
        for number, (experiment, index) in enumerate(places, start=1)
    ]
    numbers = {place: n for n, place in enumerate(places, start=1)}
    quizzes = _quizzes(len(articles), len(experiments), numbers, generator)
    content = [*map(dataclasses.asdict, (*items, *quizzes))]
    study = hashlib.blake2b(json.dumps(content).encode(), digest_size=8)
    return QuizKey(
        study.hexdigest(), tuple(experiments), tuple(items), quizzes, check
    )


def _quizzes(num_articles, num_experiments, numbers, generator):
    """Quiz A and quiz B of each experiment, in an order that tells nothing."""
    pairs = []
    for experiment in range(num_experiments):
        order = list(range(num_articles))
        generator.shuffle(order)
        real = set(order[: (num_articles + 1) // 2])
        for is_first in (True, False):
            chosen = [
                numbers[None if (i in real) == is_first else experiment, i]
                for i in range(num_articles)
            ]
            pairs.append((experiment, tuple(sorted(chosen))))
    generator.shuffle(pairs)
    return tuple(Quiz(n, *pair) for n, pair in enumerate(pairs, start=1))


def key_text(key):
    """Write a key as JSON."""
    return json.dumps(dataclasses.asdict(key), indent=1, ensure_ascii=False)
