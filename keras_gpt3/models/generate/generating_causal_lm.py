"""A causal language model that continues prompts."""

import numpy as np
from keras import ops

from keras_gpt3.generation.beam_search import BeamSampler
from keras_gpt3.generation.speculative_decoding import Speculation
from keras_gpt3.models.fit.trainable_causal_lm import TrainableCausalLM
from keras_gpt3.models.generate.answer_texts import AnswerTexts
from keras_gpt3.models.generate.answer_texts import beam_answers
from keras_gpt3.models.generate.answer_texts import check_stream
from keras_gpt3.models.generate.answer_texts import text_pieces
from keras_gpt3.models.generate.generate_function import GenerateFunction
from keras_gpt3.models.generate.generate_function import sampler_loop
from keras_gpt3.models.generate.generation_request import GenerationRequest
from keras_gpt3.models.generate.generation_request import check_compiled
from keras_gpt3.models.generate.prompt_batch import PromptPrefix
from keras_gpt3.models.generate.prompt_batch import batch_of_ids
from keras_gpt3.models.generate.prompt_batch import batch_of_texts
from keras_gpt3.models.generate.prompt_batch import check_prefix
from keras_gpt3.models.generate.prompt_batch import prefix_ids
from keras_gpt3.models.generate.prompt_batch import prompt_texts
from keras_gpt3.models.generate.token_answers import answer_arrays
from keras_gpt3.models.generate.token_answers import answer_tokens
from keras_gpt3.models.generate.token_answers import without_prompts


class GeneratingCausalLM(TrainableCausalLM):
    """keras-hub's `CausalLM` with the package's own decode loop.

    Its `generate` takes keras-hub's arguments, samplers and datasets, and
    more: limits on new tokens, stop strings, several answers, sampling
    settings for one call. Prompts of any length share a compiled loop.

    `speculation` counts what has come of drafts in the last call of `generate`
    or `stream`: a `Speculation` of `rounds`, `proposed` and `accepted`.
    """

    speculation = Speculation()

    def generate(
        self,
        inputs,
        max_length=None,
        stop_token_ids="auto",
        strip_prompt=False,
        *,
        max_new_tokens=None,
        stop=None,
        num_return_sequences=1,
        truncate=None,
        prefix=None,
        assistant=None,
        speculative=None,
        **sampling_options,
    ):
        """Continue prompts with the sampler given to `compile`.

        Args:
            inputs: string, list of strings, dict or `tf.data.Dataset`. A
                dict, where there is no preprocessor, holds `"token_ids"` and
                `"padding_mask"`, each of shape `(batch, length)`, padded on
                the right; a dataset batches of either, or single strings.
            max_length: int. Length of prompt and answer, in tokens. Defaults
                to `None`: the preprocessor's `sequence_length`, or the length
                of the ids.
            stop_token_ids: list of ints. Ids that end an answer; `None` for
                none. Defaults to `"auto"`: the tokenizer's end of text, or
                without a preprocessor those of the model's
                `special_token_ids`.
            strip_prompt: bool. Whether only the answer is returned. Defaults
                to `False`.
            max_new_tokens: int. Length of each answer alone, instead of
                `max_length`. Defaults to `None`.
            stop: string or list of strings. An answer ends before the first of
                them, wherever the tokens' borders lie. Defaults to `None`.
            num_return_sequences: int. Answers of each prompt. A
                `BeamSampler` gives its best ones, settings give the `i`-th the
                seed `seed + i` where there is one. Defaults to `1`.
            truncate: string. `"left"` drops the first tokens of a prompt that
                leaves no room, after its start token if it has one. Defaults
                to `None`, which raises.
            prefix: `PromptPrefix`. What `model.prefix` made, to stand before
                each prompt. Defaults to `None`.
            assistant: `GPT3`. A smaller model of the same vocabulary that
                drafts tokens, which this one checks several at a time. The
                answer is the same as without it, but for ties within
                rounding. Defaults to `None`.
            speculative: string. `"prompt"` drafts what followed when the last
                tokens occurred before, in prompt or answer; otherwise as
                `assistant`. Defaults to `None`.
            **sampling_options: Arguments of
                `keras_gpt3.generation.SeededSampler`, for this call:
                `temperature`, `top_k`, `top_p`, `min_p`,
                `repetition_penalty`, `presence_penalty`,
                `frequency_penalty`, `logit_bias`, `seed`. They change those of
                a compiled `SeededSampler`, and stand in for another sampler.
                Without a seed each call draws another answer. Other values of
                the same options compile nothing anew, as long as none starts
                or ceases to do something.

        Returns:
            A string or list of strings; without a preprocessor a dict of
            arrays like `inputs`. With `num_return_sequences` above 1 a list of
            answers in place of each string, or arrays of shape
            `(batch, num_return_sequences, length)`.

        Raises:
            ValueError: If a prompt (with its prefix) is empty or too long, an
                id is outside the vocabulary, or an argument is wrong.

        Example:

        ```python
        import numpy as np
        import keras_gpt3

        model = keras_gpt3.GPT3.from_preset(
            "gpt3_small_en", num_layers=1, preprocessor=None
        )
        model.compile(sampler="greedy")
        prompt = {
            "token_ids": np.array([[464, 3139]]),
            "padding_mask": np.array([[True, True]]),
        }
        answer = model.generate(prompt, max_length=4)
        answer["token_ids"].shape  # (1, 4)
        ```
        """
        request = GenerationRequest.checked(
            self,
            max_length,
            stop_token_ids,
            max_new_tokens,
            stop,
            num_return_sequences,
            truncate,
            assistant=assistant,
            speculative=speculative,
            **sampling_options,
        )
        self.speculation = Speculation()
        if not hasattr(inputs, "as_numpy_iterator"):
            return self._answer(inputs, request, strip_prompt, prefix)
        if isinstance(inputs.element_spec, (list, tuple)):
            raise ValueError(
                "A dataset of prompts must yield them alone. Received: "
                f"elements of {len(inputs.element_spec)} parts. Drop the "
                "others with inputs.map."
            )
        return _joined(
            [answers] if isinstance(batch, bytes) else answers
            for batch in inputs.as_numpy_iterator()
            for answers in [self._answer(batch, request, strip_prompt, prefix)]
        )

    def stream(
        self,
        inputs,
        max_length=None,
        stop_token_ids="auto",
        *,
        max_new_tokens=None,
        stop=None,
        truncate=None,
        prefix=None,
        assistant=None,
        speculative=None,
        **sampling_options,
    ):
        """Continue one prompt and give the answer piece by piece.

        Pieces hold whole characters; what may turn out to begin a stop string
        is held back. Together they are what `generate` returns with
        `strip_prompt=True`.

        Args:
            inputs: string. The prompt.
            max_length: int. Length of prompt and answer, in tokens. Defaults
                to `None`, the preprocessor's `sequence_length`.
            stop_token_ids: list of ints. Ids that end the answer; `None` for
                none. Defaults to `"auto"`, the tokenizer's end of text.
            max_new_tokens: int. Length of the answer alone, instead of
                `max_length`. Defaults to `None`.
            stop: string or list of strings. The answer ends before the first
                of them. Defaults to `None`.
            truncate: string. `"left"` drops the first tokens of a prompt that
                leaves no room, after its start token if it has one. Defaults
                to `None`, which raises.
            prefix: `PromptPrefix`. What `model.prefix` made, to stand before
                the prompt. Defaults to `None`.
            assistant: `GPT3`. A smaller model of the same vocabulary that
                drafts tokens, which this one checks several at a time. The
                answer is the same as without it, but for ties within
                rounding. Defaults to `None`.
            speculative: string. `"prompt"` drafts what followed when the last
                tokens occurred before, in prompt or answer; otherwise as
                `assistant`. Defaults to `None`.
            **sampling_options: Arguments of
                `keras_gpt3.generation.SeededSampler`, for this call.

        Returns:
            A generator of strings. Wrong arguments raise at once, not when the
            first piece is requested.

        Raises:
            ValueError: If the prompt (with its prefix) is empty or too long,
                or an argument is wrong; if there is no preprocessor, `inputs`
                is not a single string, or the sampler decides no token before
                all.

        Example:

        ```python
        import keras_gpt3

        model = keras_gpt3.GPT3.from_preset("gpt3_small_en", num_layers=1)
        for piece in model.stream("Once upon a time", max_new_tokens=8):
            print(piece, end="", flush=True)
        ```
        """
        request = GenerationRequest.checked(
            self,
            max_length,
            stop_token_ids,
            max_new_tokens,
            stop,
            truncate=truncate,
            assistant=assistant,
            speculative=speculative,
            **sampling_options,
        )
        self.speculation = Speculation()
        check_stream(self, inputs, request)
        batch, _ = self._batch(inputs, request, prefix)
        return text_pieces(self, batch, request, prefix)

    def beam_search(
        self,
        inputs,
        max_length=None,
        stop_token_ids="auto",
        *,
        num_beams=4,
        length_penalty=0.6,
        max_new_tokens=None,
        truncate=None,
        prefix=None,
    ):
        """Look for the likeliest answers, with the paper's settings.

        Section 2.4 of Brown et al. 2020: "beam search with the same parameters
        as [RSR+19]: a beam width of 4 and a length penalty of alpha = 0.6".

        Args:
            inputs: string, list of strings or dict. A dict, where there is no
                preprocessor, holds `"token_ids"` and `"padding_mask"`, each of
                shape `(batch, length)`, padded on the right.
            max_length: int. Length of prompt and answer, in tokens. Defaults
                to `None`: the preprocessor's `sequence_length`, or the length
                of the ids.
            stop_token_ids: list of ints. Ids that end an answer; `None` for
                none. Defaults to `"auto"`: the tokenizer's end of text, or
                without a preprocessor those of the model's
                `special_token_ids`.
            num_beams: int. Beams, and answers of each prompt. Defaults to `4`.
            length_penalty: float. The larger, the better long answers fare; 0
                compares plain sums. Defaults to `0.6`.
            max_new_tokens: int. Length of each answer alone, instead of
                `max_length`. Defaults to `None`.
            truncate: string. `"left"` drops the first tokens of a prompt that
                leaves no room, after its start token if it has one. Defaults
                to `None`, which raises.
            prefix: `PromptPrefix`. What `model.prefix` made, to stand before
                each prompt. Defaults to `None`.

        Returns:
            A list of `BeamAnswer`, best first; a list of such lists where
            `inputs` holds several prompts or is a dict. There are fewer where
            the vocabulary and the room allow no more.

        Raises:
            ValueError: If a prompt (with its prefix) is empty or too long, an
                id is outside the vocabulary, or an argument is out of range.

        Example:

        ```python
        import keras_gpt3

        model = keras_gpt3.GPT3.from_preset("gpt3_small_en", num_layers=1)
        answers = model.beam_search("The cat sat on", max_new_tokens=3)
        answers[0].text, answers[0].score
        ```
        """
        sampler = BeamSampler(num_beams, length_penalty)
        request = GenerationRequest.checked(
            self,
            max_length,
            stop_token_ids,
            max_new_tokens,
            truncate=truncate,
            sampler=sampler,
            num_return_sequences=num_beams,
        )
        batch, is_single = self._batch(inputs, request, prefix)
        found = self._answer_tokens(batch, request, prefix)
        tokenizer = self.preprocessor and self.preprocessor.tokenizer
        answers = beam_answers(tokenizer, batch, found)
        return answers[0] if is_single else answers

    def prefix(self, text):
        """Compute once what many prompts start with.

        Args:
            text: string, or without a preprocessor a list of token ids.

        Returns:
            A `PromptPrefix`, with `generate`, `stream` and `score`.

        Raises:
            ValueError: If the prefix is empty, or fills the context.
        """
        return PromptPrefix(self, prefix_ids(self, text))

    # === The decode loop ===

    def call_with_cache(self, token_ids, cache, cache_update_index):
        """Compute the logits of some tokens, given a cache of the earlier.

        `generate`, `stream` and `beam_search` score every position by it, as
        keras-hub's models do: a subclass that changes its logits changes what
        they choose. An export has the layers' own.

        Args:
            token_ids: int tensor of shape `(batch, length)`, the tokens at
                positions `cache_update_index` and following.
            cache: list with a pair of keys and values for each block, as
                `backbone.make_cache` and `backbone.prefill` give.
            cache_update_index: int, or int tensor of shape `()` or `(batch,)`.
                Position of the first token.

        Returns:
            A tuple of the logits, shape `(batch, length, vocabulary_size)`,
            the hidden states, shape `(batch, length, hidden_dim)`, and the
            updated cache.
        """
        hidden_states, cache = self.backbone.call_with_cache(
            token_ids, cache, cache_update_index
        )
        return self.backbone.logits(hidden_states), hidden_states, cache

    def _answer(self, inputs, request, strip_prompt, prefix):
        """The answers to one batch, in the form of its prompts."""
        batch, is_single = self._batch(inputs, request, prefix)
        copies = batch.repeated(request.num_return_sequences)
        if self.preprocessor is None:
            answers = self._answer_tokens(batch, request, prefix)
            if strip_prompt:
                answers = without_prompts(answers, copies.lengths)
            return answer_arrays(answers, request.num_return_sequences)
        texts = AnswerTexts(
            self.preprocessor.tokenizer, copies.padding_mask, request.stop
        )
        answers = self._answer_tokens(
            batch, request, prefix, texts.have_stopped if request.stop else None
        )
        texts = texts.decode(answers, strip_prompt)
        count = request.num_return_sequences
        if count > 1:
            texts = [texts[i : i + count] for i in range(0, len(texts), count)]
        return texts[0] if is_single else texts

    def _batch(self, inputs, request, prefix):
        """Prompts as a `PromptBatch`, and whether it was a single string."""
        check_prefix(self, prefix)
        kept = () if prefix is None else prefix.token_ids
        if self.preprocessor is None:
            return batch_of_ids(self, inputs, request, kept), False
        texts, is_single = prompt_texts(inputs)
        return batch_of_texts(self, texts, request, kept), is_single

    def _answer_tokens(self, batch, request, prefix, has_stopped=None):
        graphs = self.decode_graphs()
        return answer_tokens(graphs, batch, request, prefix, has_stopped)

    def decode_graphs(self):
        """Return the compiled parts of generation; make them at first.

        Returns:
            A `GenerateFunction`.
        """
        check_compiled(self)
        if getattr(self, "_decode_graphs", None) is None:
            self._decode_graphs = GenerateFunction(self)
        return self._decode_graphs

    def forget_graphs(self):
        super().forget_graphs()
        self._decode_graphs = None

    def make_generate_function(self):
        """Make a function that continues batches, as keras-hub's models do.

        Returns:
            A callable of a dict of `"token_ids"` and `"padding_mask"`, and of
            `stop_token_ids`; it returns such a dict.
        """
        self.generate_function = self.decode_graphs()
        return self.generate_function

    def generate_step(self, inputs, stop_token_ids=None):
        """Continue one batch of padded prompts, in one graph.

        Args:
            inputs: dict of `"token_ids"` and `"padding_mask"`, each of shape
                `(batch, length)`.
            stop_token_ids: list of ints, or `None`. Defaults to `None`.

        Returns:
            A dict like `inputs`.
        """
        token_ids, padding_mask = inputs["token_ids"], inputs["padding_mask"]
        lengths = ops.sum(ops.cast(padding_mask, "int32"), axis=-1)
        hidden_states, cache = self.backbone.prefill(
            token_ids, ops.shape(token_ids)[1], ops.min(lengths)
        )
        loop = sampler_loop(self, tuple(stop_token_ids or ()))
        return loop(token_ids, padding_mask, hidden_states, cache)


def _joined(answers):
    """The answers to all batches of a dataset."""
    answers = list(answers)
    if not answers or not isinstance(answers[0], dict):
        return [answer for batch in answers for answer in batch]
    longest = max(batch["token_ids"].shape[-1] for batch in answers)
    return {
        name: np.concatenate([_widened(x[name], longest) for x in answers])
        for name in answers[0]
    }


def _widened(x, length):
    """An array with zeros at the end of its last axis, up to a length."""
    room = [(0, 0)] * (x.ndim - 1) + [(0, length - x.shape[-1])]
    return np.pad(x, room)
