"""How examples are scored (section 2.4): by likelihoods, or as generated."""

import itertools

import numpy as np

from keras_gpt3.argument_checks import check_choice
from keras_gpt3.evaluation.few_shot.outcome_cache import Outcome
from keras_gpt3.evaluation.few_shot.sampled_answers import answer_seed
from keras_gpt3.evaluation.few_shot.sampled_answers import sample_prompts
from keras_gpt3.evaluation.few_shot.shared_batches import PairScores
from keras_gpt3.evaluation.few_shot.shared_batches import SharedBatches
from keras_gpt3.evaluation.metrics.text_score import text_score
from keras_gpt3.generation.beam_search import BeamSampler
from keras_gpt3.generation.stop_strings import cut_at_stop
from keras_gpt3.models.generate.answer_texts import beam_answers
from keras_gpt3.models.generate.generation_request import GenerationRequest
from keras_gpt3.models.generate.prompt_batch import batch_of_ids
from keras_gpt3.models.generate.token_answers import answer_tokens

# Questions that are sorted by length, and searched for what they share,
# together. They are all that waits for an outcome.
_POOL = 64


def score_examples(model, task, questions, batch_size=8, seed=0):
    """Yield outcomes of questions, those that share their beginning together.

    Each comes as soon as the last of its rows is computed. The seed is of
    answers that are drawn.
    """
    questions = iter(questions)
    pools = iter(lambda: list(itertools.islice(questions, _POOL)), [])
    if task.sampling is not None:
        return sample_answers(model, task, pools, batch_size, seed)
    if task.scoring in ("generate", "none"):
        return generate_answers(model, task, pools, batch_size)
    return score_answers(model, task.scoring, pools, batch_size)


# === Likelihoods of given answers ===


def score_answers(model, scoring, pools, batch_size):
    """Yield outcomes by the likelihoods of given answers."""
    score = PairScores(model, batch_size)
    normalization = UnconditionalNormalization(model, batch_size)
    for questions in pools:
        if scoring == "answer_context":
            normalization.add(questions)
        found = [[None] * len(question.pairs) for question in questions]
        owners = [(i, j) for i, x in enumerate(found) for j in range(len(x))]
        pairs = [pair for question in questions for pair in question.pairs]
        for row, row_score in score(pairs):
            owner, place = owners[row]
            found[owner][place] = row_score
            if None not in found[owner]:
                yield _outcome(
                    scoring, questions[owner], found[owner], normalization
                )


def _outcome(scoring, question, scores, normalization):
    sums = [score.log_likelihood for score in scores]
    lengths = [len(score.token_ids) for score in scores]
    if scoring == "greedy":
        predicted, correct = None, scores[0].is_greedy
    else:
        unconditional = None
        if scoring == "answer_context":
            unconditional = normalization.log_likelihoods(question)
        ranked = score_choices(scoring, sums, lengths, unconditional)
        predicted = best_choice(ranked)
        correct = _is_correct(question.example, predicted)
    return Outcome(
        question.index,
        question.shots,
        predicted=predicted,
        correct=float(correct),
        log_likelihoods=tuple(sums),
        num_tokens=tuple(lengths),
        example=question.example.digest,
    )


def _is_correct(example, predicted):
    """Whether a choice is the label, or one of those accepted."""
    if example.contexts:
        return predicted == example.label
    return example.choices[predicted] in example.answers


class UnconditionalNormalization:
    """Log-likelihoods of answers after the answer context alone."""

    def __init__(self, model, batch_size):
        self._preprocessor = model.preprocessor
        self._score = PairScores(model, batch_size)
        self._known = {}

    def add(self, questions):
        """Score those answers of questions that are new."""
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
        """Return those of a question's answers."""
        text = question.example.answer_context
        return [self._known[text, answer] for answer in question.answers]

    def _context(self, text):
        (ids,) = self._preprocessor.prompt_ids([text])
        return ids or [self._preprocessor.tokenizer.start_token_id]


_SCORINGS = ("per_token", "likelihood", "answer_context", "partial")


def score_choices(
    scoring, log_likelihoods, num_tokens=None, answer_log_likelihoods=None
):
    """Score the choices of an example, as the paper does.

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
    """Return the number of the highest score, the first of equal ones."""
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


# === Generated answers ===

_BEAMS, _LENGTH_PENALTY = 4, 0.6


def generate_answers(model, task, pools, batch_size=8):
    """Yield outcomes of generated answers: beam width 4, length penalty 0.6.

    Section 2.4 of Brown et al. 2020. An answer ends before the first of the
    task's stop strings.
    """
    # A prefix may serve the next pool.
    in_batches = SharedBatches(model, max(1, batch_size // _BEAMS))
    request = GenerationRequest.checked(
        model,
        max_new_tokens=task.max_new_tokens,
        stop_token_ids=_stop_ids(model.preprocessor.tokenizer, task.stop),
        sampler=BeamSampler(_BEAMS, _LENGTH_PENALTY),
    )

    def complete(numbers, arrays, prefix):
        return _complete(model, arrays, request, prefix)

    for questions in pools:
        prompts = [question.prompts[0] for question in questions]
        for index, text in in_batches.texts(prompts, complete):
            yield _text_outcome(task, questions[index], text)


def sample_answers(model, task, pools, batch_size=8, seed=0):
    """Yield outcomes of answers that are drawn, by the task's settings."""
    for questions in pools:
        for index, text in sample_prompts(
            model,
            [question.prompts[0] for question in questions],
            task.max_new_tokens,
            list(task.stop),
            task.sampling,
            batch_size,
            [
                answer_seed(task.name, seed, *divmod(q.index, task.samples))
                for q in questions
            ],
        ):
            yield _text_outcome(task, questions[index], text)


def _complete(model, arrays, request, prefix):
    """The likeliest answers to prompts that continue a prefix."""
    kept = () if prefix is None else prefix.token_ids
    batch = batch_of_ids(model, arrays, request, kept)
    found = answer_tokens(model.decode_graphs(), batch, request, prefix)
    answers = beam_answers(model.preprocessor.tokenizer, batch, found)
    return [best.text for best, *_ in answers]


def _text_outcome(task, question, text):
    text, _ = cut_at_stop(text, task.stop)
    correct = None
    if task.metrics:
        correct = text_score(task.metrics[0], text, question.example)
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
