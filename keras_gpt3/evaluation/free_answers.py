"""Answers in the model's own words, by the paper's beam search."""

from keras_gpt3.evaluation.outcome import Outcome
from keras_gpt3.evaluation.prompt_arrays import filled_batch
from keras_gpt3.evaluation.prompt_arrays import prompt_arrays
from keras_gpt3.evaluation.shared_batches import SharedBatches
from keras_gpt3.evaluation.text_score import text_score
from keras_gpt3.generation.beam_sampler import BeamSampler
from keras_gpt3.models.beam_answer import beam_answers
from keras_gpt3.models.generation_request import GenerationRequest
from keras_gpt3.models.prompt_batch import batch_of_ids
from keras_gpt3.models.token_answers import answer_tokens

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
