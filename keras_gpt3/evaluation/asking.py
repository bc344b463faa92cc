"""Has a model answer questions, by the rule of their task (section 2.4)."""

import itertools

from keras_gpt3.evaluation.choice_ranking import best_choice
from keras_gpt3.evaluation.choice_ranking import choice_scores
from keras_gpt3.evaluation.free_answers import FreeAnswers
from keras_gpt3.evaluation.outcome import Outcome
from keras_gpt3.evaluation.pair_scores import PairScores

# Questions that are sorted by length, and searched for what they share,
# together. They are all that waits for an outcome.
_POOL = 64


def ask(model, task, questions, batch_size=8):
    """Asks questions, those that share their beginning together."""
    if task.scoring in ("generate", "none"):
        answer = FreeAnswers(model, task, batch_size)
    else:
        answer = _ScoredAnswers(model, task.scoring, batch_size)
    questions = iter(questions)
    while pool := list(itertools.islice(questions, _POOL)):
        yield from answer(pool)


class _ScoredAnswers:
    """Outcomes by likelihood, each when the last of its rows is scored."""

    def __init__(self, model, scoring, batch_size):
        self._scoring = scoring
        self._score = PairScores(model, batch_size)
        self._by_itself = _AnswersByThemselves(model, batch_size)

    def __call__(self, questions):
        if self._scoring == "answer_context":
            self._by_itself.add(questions)
        found = [[None] * len(question.pairs) for question in questions]
        owners = [(i, j) for i, x in enumerate(found) for j in range(len(x))]
        pairs = [pair for question in questions for pair in question.pairs]
        for row, score in self._score(pairs):
            owner, place = owners[row]
            found[owner][place] = score
            if None not in found[owner]:
                yield self._outcome(questions[owner], found[owner])

    def _outcome(self, question, scores):
        sums = [score.log_likelihood for score in scores]
        lengths = [len(score.token_ids) for score in scores]
        if self._scoring == "greedy":
            predicted, correct = None, scores[0].is_greedy
        else:
            alone = None
            if self._scoring == "answer_context":
                alone = self._by_itself.log_likelihoods(question)
            found = choice_scores(self._scoring, sums, lengths, alone)
            predicted = best_choice(found)
            correct = _is_right(question.example, predicted)
        return Outcome(
            question.index,
            question.shots,
            predicted=predicted,
            correct=float(correct),
            log_likelihoods=tuple(sums),
            num_tokens=tuple(lengths),
            example=question.example.digest,
        )


class _AnswersByThemselves:
    """How likely each answer is behind the answer context alone."""

    def __init__(self, model, batch_size):
        self._preprocessor = model.preprocessor
        self._score = PairScores(model, batch_size)
        self._known = {}

    def add(self, questions):
        """Scores those answers of questions that are new."""
        new = dict.fromkeys(
            (question.example.answer_context, answer)
            for question in questions
            for answer in question.answers
        )
        new = [pair for pair in new if pair not in self._known]
        rows = [(self._context(text), answer) for text, answer in new]
        for row, score in self._score(rows):
            self._known[new[row]] = score.log_likelihood

    def log_likelihoods(self, question):
        """Those of a question's answers."""
        text = question.example.answer_context
        return [self._known[text, answer] for answer in question.answers]

    def _context(self, text):
        (ids,) = self._preprocessor.prompt_ids([text])
        return ids or [self._preprocessor.tokenizer.start_token_id]


def _is_right(example, chosen):
    """Whether a choice is the right one, or one of those accepted."""
    if example.contexts:
        return chosen == example.label
    return example.choices[chosen] in example.answers
