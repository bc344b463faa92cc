"""Answers that a model writes, by beam search (section 2.4)."""

from keras_gpt3.evaluation.few_shot.outcome_cache import Outcome
from keras_gpt3.evaluation.few_shot.shared_batches import SharedBatches
from keras_gpt3.evaluation.metrics.text_score import text_score
from keras_gpt3.generation.beam_search import BeamSampler
from keras_gpt3.generation.stop_strings import cut_at_stop
from keras_gpt3.models.generate.answer_texts import beam_answers
from keras_gpt3.models.generate.generation_request import GenerationRequest
from keras_gpt3.models.generate.prompt_batch import batch_of_ids
from keras_gpt3.models.generate.token_answers import answer_tokens

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
