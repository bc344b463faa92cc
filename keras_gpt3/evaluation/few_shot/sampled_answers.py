"""Answers that are drawn, not searched for: each by a seed of its own.

`sample_prompts` answers many prompts, for evaluation and lm-evaluation-harness;
`sample_texts` writes several texts after one, for bias and the news quiz.
"""

import dataclasses
import hashlib
import zlib

import numpy as np

from keras_gpt3.evaluation.few_shot.shared_batches import SharedBatches
from keras_gpt3.evaluation.few_shot.shared_batches import prompt_arrays
from keras_gpt3.generation import SeededSampler
from keras_gpt3.models.generate.answer_texts import AnswerTexts
from keras_gpt3.models.generate.generation_request import GenerationRequest
from keras_gpt3.models.generate.prompt_batch import batch_of_ids
from keras_gpt3.models.generate.token_answers import answer_tokens


def sample_prompts(
    model, prompts, max_new_tokens, stop, settings, batch_size, seeds
):
    """Yield pairs of a prompt's number and the answer to it, as it is found.

    What prompts share is computed once, and batches hold prompts of like
    lengths, the longest first: a batch is read at once as far as its shortest
    prompt goes, the rest token by token.
    """
    request = _request(model, max_new_tokens, stop, settings)

    def complete(numbers, arrays, prefix):
        seeded = _with_seeds(request, [seeds[i] for i in numbers])
        return _answers(model, arrays, seeded, prefix)

    return SharedBatches(model, batch_size).texts(prompts, complete)


def sample_texts(model, prompt, count, max_new_tokens, settings, seed, stop=()):
    """List the texts that a model writes after a prompt, by seeds in a row.

    The first is drawn by `seed`, the next by `seed + 1`. The prompt is read
    once, as `GPT3.generate` does, whose texts these are.
    """
    request = _request(
        model, max_new_tokens, stop, settings | {"seed": seed}, count
    )
    arrays = prompt_arrays(model.preprocessor.prompt_ids([prompt]))
    return _answers(model, arrays, request)


def first_seed(prompt, seed):
    """Return the seed of a prompt's first text; the next ones follow.

    A function of both alone: other prompts beside it change nothing.
    """
    return zlib.crc32(f"{seed}:{prompt}".encode()) // 4


def answer_seed(name, seed, index, number=0):
    """Make the seed of one of an example's texts, which no other changes."""
    text = f"{name} {seed} {index} {number}"
    code = hashlib.blake2b(text.encode(), digest_size=4)
    return int.from_bytes(code.digest(), "little") >> 1


def _request(model, max_new_tokens, stop, settings, copies=1):
    return GenerationRequest.checked(
        model,
        max_new_tokens=max_new_tokens,
        stop=list(stop),
        num_return_sequences=copies,
        # Of its own: the model may be compiled with settings.
        sampler=SeededSampler(),
        **settings,
    )


def _with_seeds(request, seeds):
    """A request whose rows draw each by a seed of its own."""
    if request.settings["temperature"] == 0:
        return request
    settings = request.settings | {"seed": np.array(seeds, "int32")}
    return dataclasses.replace(request, settings=settings)


def _answers(model, arrays, request, prefix=None):
    """The answers to one batch, a list of strings."""
    kept = () if prefix is None else prefix.token_ids
    batch = batch_of_ids(model, arrays, request, kept)
    copies = batch.repeated(request.num_return_sequences)
    texts = AnswerTexts(
        model.preprocessor.tokenizer, copies.padding_mask, request.stop
    )
    answers = answer_tokens(
        model.decode_graphs(),
        batch,
        request,
        prefix,
        texts.have_stopped if request.stop else None,
    )
    return texts.decode(answers, strip_prompt=True)
