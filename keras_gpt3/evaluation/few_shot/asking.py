"""Has a model answer questions, by the rule of their task (section 2.4)."""

import itertools

import numpy as np

from keras_gpt3.argument_checks import check_choice
from keras_gpt3.evaluation.few_shot.outcome_cache import Outcome
from keras_gpt3.evaluation.few_shot.shared_batches import PairScores
from keras_gpt3.evaluation.few_shot.shared_batches import SharedBatches
from keras_gpt3.evaluation.few_shot.shared_batches import filled_batch
from keras_gpt3.evaluation.few_shot.shared_batches import prompt_arrays
from keras_gpt3.evaluation.metrics.text_score import text_score
from keras_gpt3.generation.beam_search import BeamSampler
from keras_gpt3.models.generate.answer_texts import beam_answers
from keras_gpt3.models.generate.generation_request import GenerationRequest
from keras_gpt3.models.generate.prompt_batch import batch_of_ids
from keras_gpt3.models.generate.token_answers import answer_tokens

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


_SCORINGS = ("per_token", "likelihood", "answer_context", "partial")


def choice_scores(
    scoring, log_likelihoods, num_tokens=None, answer_log_likelihoods=None
):
    """Scores the choices of an example, as the paper does.

    | `scoring` | score of a choice |
    |---|---|
    | `"per_token"` | log P(choice given context) / tokens of the choice |
    | `"likelihood"` | log P(choice given context) |
    | `"answer_context"` | the same - log P(choice given answer context) |
    | `"partial"` | log P(what follows given the context with the choice) |
    """
    check_choice("scoring", scoring, _SCORINGS)
    sums = _one_a_choice("log_likelihoods", log_likelihoods)
    if len(sums) < 2:
        raise ValueError(
            "There must be at least two choices to rank. Received: "
            f"log_likelihoods={list(log_likelihoods)}. Give each choice's."
        )
    if scoring == "per_token":
        return sums / _lengths(num_tokens, len(sums))
    if scoring == "answer_context":
        name = "answer_log_likelihoods"
        return sums - _one_a_choice(name, answer_log_likelihoods, len(sums))
    return sums


def best_choice(scores):
    """Returns the number of the highest score, the first of equal ones."""
    return int(np.argmax(scores))


def _one_a_choice(name, values, count=None):
    numbers = np.asarray([] if values is None else values, np.float64)
    if np.isnan(numbers).any():
        raise ValueError(
            f"{name} must be numbers. Received: {name}={numbers.tolist()}. "
            "Look for NaN in the model's weights."
        )
    if numbers.ndim != 1 or (count is not None and len(numbers) != count):
        wanted = "one number a choice" if count is None else f"{count} numbers"
        raise ValueError(
            f"{name} must be {wanted}. Received: {name}={values}. Give one "
            "for each choice."
        )
    return numbers


def _lengths(num_tokens, count):
    lengths = _one_a_choice("num_tokens", num_tokens, count)
    if (lengths < 1).any():
        raise ValueError(
            "A choice must have at least one token. Received: "
            f"num_tokens={list(num_tokens)}. Fill or remove the empty choice."
        )
    return lengths


_BEAMS, _LENGTH_PENALTY = 4, 0.6


class FreeAnswers:
    """Has a model complete prompts: beam width 4, length penalty 0.6.

    Section 2.4 of Brown et al. 2020. An answer ends before the first of the
    task's stop strings.
    """

    def __init__(self, model, task, batch_size=8):
        self._model, self._task = model, task
        self._batch_size = max(1, batch_size // _BEAMS)
        # A prefix may serve the next call.
        self._in_batches = SharedBatches(model, self._batch_size)
        self._request = GenerationRequest.checked(
            model,
            max_new_tokens=task.max_new_tokens,
            stop_token_ids=_stop_ids(model.preprocessor.tokenizer, task.stop),
            sampler=BeamSampler(_BEAMS, _LENGTH_PENALTY),
        )

    def __call__(self, questions):
        prompts = [question.prompts[0] for question in questions]

        def answer(batch, prefix):
            read = 0 if prefix is None else prefix.num_tokens
            filled = filled_batch(batch, self._batch_size)
            texts = self._complete([prompts[i][read:] for i in filled], prefix)
            return texts[: len(batch)]

        for index, text in self._in_batches(prompts, answer):
            yield self._outcome(questions[index], self._cut(text))

    def _complete(self, prompts, prefix):
        """The likeliest answers to prompts that go on from a prefix."""
        kept = () if prefix is None else prefix.token_ids
        batch = batch_of_ids(
            self._model, prompt_arrays(prompts), self._request, kept
        )
        found = answer_tokens(
            self._model.decode_graphs(), batch, self._request, prefix
        )
        answers = beam_answers(self._model.preprocessor.tokenizer, batch, found)
        return [best.text for best, *_ in answers]

    def _cut(self, text):
        """What stands before the first stop string."""
        ends = [text.find(stop) for stop in self._task.stop]
        end = min((end for end in ends if end >= 0), default=len(text))
        return text[:end]

    def _outcome(self, question, text):
        correct = None
        if self._task.metrics:
            main = self._task.metrics[0]
            correct = text_score(main, text, question.example)
        return Outcome(
            question.index,
            question.shots,
            predicted=text,
            correct=correct,
            example=question.example.digest,
        )


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
