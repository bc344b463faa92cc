"""Log-likelihoods and answers, as the harness expects them."""

import collections
import hashlib
import logging

from keras_gpt3.evaluation.few_shot.sampled_answers import sample_prompts

_logger = logging.getLogger("keras_gpt3")


class HarnessTokens:
    """Encodes requests as the harness' own model for transformers does."""

    def __init__(self, preprocessor, max_length):
        self.tokenizer = preprocessor.tokenizer
        self.adds_start = preprocessor.add_start_token
        self.max_length = max_length

    @property
    def start_token_id(self):
        """The id from which an empty context starts."""
        return self.tokenizer.start_token_id

    def encode(self, text, add_start=None):
        """Turn a text into token ids."""
        if add_start is None:
            has_start = text.startswith(self.tokenizer.start_token)
            add_start = self.adds_start and not has_start
        ids = self.tokenizer.encode_to_numpy(text).tolist()
        return [self.start_token_id, *ids] if add_start else ids

    def decode(self, ids, skip_special_tokens=True):
        """Turn token ids into a text."""
        ids = [ids] if isinstance(ids, int) else list(ids)
        if skip_special_tokens:
            special = set(self.tokenizer.special_token_ids)
            ids = [id for id in ids if id not in special]
        return self.tokenizer.detokenize(ids)

    def pair(self, context, continuation):
        """Encode context and continuation together.

        White space at the context's end belongs to the continuation, and an
        empty context is the start token.
        """
        stripped = context.rstrip()
        continuation = context[len(stripped) :] + continuation
        if stripped:
            before = self.encode(stripped)
            after = self.encode(stripped + continuation)[len(before) :]
        else:
            before = [self.start_token_id]
            after = self.encode(continuation, add_start=False)
            if after[:1] == before:  # It brings its own start token.
                after = after[1:]
        if not 0 < len(after) <= self.max_length:
            raise ValueError(
                "A continuation must have from 1 to max_length="
                f"{self.max_length} tokens. Received: {len(after)} tokens, "
                f"continuation={_shown(continuation)}. Correct the task's "
                "target, or split it."
            )
        return before, after

    def fitted(self, pairs):
        """Pairs without the contexts' first tokens, where they are too long."""
        fitted = []
        for before, after in pairs:
            room = self.max_length + 1 - len(after)
            fitted.append((before[-room:], after))
        self._warn_of_cuts(pairs, fitted)
        return fitted

    def prompts(self, contexts, max_gen_toks):
        """Encode contexts that leave room for answers."""
        room = self.max_length - max_gen_toks
        if room < 1:
            raise ValueError(
                f"max_gen_toks must be below max_length={self.max_length}. "
                f"Received: max_gen_toks={max_gen_toks}. Request shorter "
                "answers."
            )
        ids = [self.encode(c) or [self.start_token_id] for c in contexts]
        fitted = [prompt[-room:] for prompt in ids]
        self._warn_of_cuts(ids, fitted)
        return fitted

    def _warn_of_cuts(self, before, after):
        """Warn once how many lost tokens, which changes what is measured."""
        cut = sum(a != b for a, b in zip(before, after, strict=True))
        if cut:
            _logger.warning(
                "%d of %d contexts lost their first tokens to fit "
                "max_length=%d.",
                cut,
                len(before),
                self.max_length,
            )


def _shown(text):
    return repr(text if len(text) <= 40 else f"{text[:40]}...")


def answer_prompts(model, prompts, options, batch_size=8, seeds=None):
    """The answers to prompts, as they are found."""
    return sample_prompts(
        model,
        prompts,
        options.max_gen_toks,
        list(options.until),
        dict(options.sampling),
        batch_size,
        [0] * len(prompts) if seeds is None else seeds,
    )


def prompt_seeds(prompts, seed):
    """Make a seed for each prompt, another one where a prompt comes again.

    Other prompts before it do not change it: lm-evaluation-harness leaves out
    those that its cache knows.
    """
    times, seeds = collections.Counter(), []
    for prompt in prompts:
        text = f"{seed} {times[prompt]} {prompt}"
        times[prompt] += 1
        code = hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=4)
        seeds.append(int.from_bytes(code.digest(), "little") >> 1)
    return seeds
