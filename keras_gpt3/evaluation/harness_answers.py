"""Continues prompts of token ids for lm-evaluation-harness."""

import dataclasses

import numpy as np

from keras_gpt3.evaluation.prompt_arrays import filled_batch
from keras_gpt3.evaluation.prompt_arrays import prompt_arrays
from keras_gpt3.evaluation.shared_batches import SharedBatches
from keras_gpt3.generation import SeededSampler
from keras_gpt3.models.answer_texts import AnswerTexts
from keras_gpt3.models.generation_request import GenerationRequest
from keras_gpt3.models.prompt_batch import batch_of_ids
from keras_gpt3.models.token_answers import answer_tokens


def answer_prompts(model, prompts, options, batch_size=8, seeds=None):
    """The answers to prompts, as they are found.

    What prompts share is computed once, and batches hold prompts of like
    lengths, the longest first: a batch is read at once as far as its shortest
    prompt goes, the rest token by token.
    """
    request = GenerationRequest.checked(
        model,
        max_new_tokens=options.max_gen_toks,
        stop=list(options.until),
        # Of its own: the model may be compiled with settings.
        sampler=SeededSampler(),
        **dict(options.sampling),
    )
    seeds = [0] * len(prompts) if seeds is None else seeds

    def answer(batch, prefix):
        read = 0 if prefix is None else prefix.num_tokens
        filled = filled_batch(batch, batch_size)
        texts = _answers(
            model,
            [prompts[i][read:] for i in filled],
            _with_seeds(request, [seeds[i] for i in filled]),
            prefix,
        )
        return texts[: len(batch)]

    yield from SharedBatches(model, batch_size)(prompts, answer)


def _with_seeds(request, seeds):
    """A request whose rows draw each by a seed of its own."""
    if request.settings["temperature"] == 0:
        return request
    settings = request.settings | {"seed": np.array(seeds, "int32")}
    return dataclasses.replace(request, settings=settings)


def _answers(model, prompts, request, prefix):
    """The answers to one batch, a list of strings."""
    kept = () if prefix is None else prefix.token_ids
    batch = batch_of_ids(model, prompt_arrays(prompts), request, kept)
    texts = AnswerTexts(
        model.preprocessor.tokenizer, batch.padding_mask, request.stop
    )
    answers = answer_tokens(
        model.decode_graphs(),
        batch,
        request,
        prefix,
        texts.have_stopped if request.stop else None,
    )
    return texts.decode(answers, strip_prompt=True)
