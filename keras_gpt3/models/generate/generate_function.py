"""The compiled parts of `GPT3.generate`."""

import keras
import numpy as np
from keras import ops

from keras_gpt3.generation.beam_search import beam_search
from keras_gpt3.generation.decode_loop import decode_until
from keras_gpt3.generation.decode_loop import token_before
from keras_gpt3.generation.decode_loop import without_hidden_states
from keras_gpt3.generation.drafters import DraftModel
from keras_gpt3.generation.drafters import PromptLookup
from keras_gpt3.generation.drafters import drafts_a_row
from keras_gpt3.generation.logit_filters import rule_out_unknown
from keras_gpt3.generation.sampling_settings import logit_bias_vector
from keras_gpt3.generation.sampling_steps import sample
from keras_gpt3.generation.sampling_steps import sampler_steps
from keras_gpt3.generation.sampling_steps import settings_steps
from keras_gpt3.generation.speculative_decoding import chunk_scores
from keras_gpt3.generation.speculative_decoding import speculate_until
from keras_gpt3.models.generate.generation_request import GenerationRequest
from keras_gpt3.models.generate.length_buckets import coarse_bucket
from keras_gpt3.models.generate.prompt_batch import PromptBatch
from keras_gpt3.models.generate.token_answers import answer_tokens
from keras_gpt3.ops.attention.cached_attention import grow_ring
from keras_gpt3.ops.op_compilation import CompiledFunctions
from keras_gpt3.ops.op_compilation import as_graph
from keras_gpt3.ops.op_compilation import has_gpu
from keras_gpt3.ops.op_compilation import jit_compile
from keras_gpt3.parallel.pipeline_stages import lies_on_stages

_GREEDY = ("temperature", 0)


class GenerateFunction(CompiledFunctions):
    """Continues batches of prompts; its parts are traced once for each shape.

    The first pass over the prompts is left to the backend's operations, its
    large products above all, at the prompts' own length or little more. The
    loop that follows reads all weights for a single position: there XLA
    compiles the whole of it, once for each batch, full length and set of
    sampling options, whatever the prompts' lengths and the options' values.
    (On TensorFlow bfloat16 batches are left to its operations there as well.)
    """

    def __init__(self, model):
        super().__init__()
        self.model = model
        self._manner = None
        # Those that read the weights of a draft model as well.
        self._assisted = CompiledFunctions()

    def __call__(self, inputs, stop_token_ids=None):
        mask = ops.convert_to_numpy(inputs["padding_mask"]).astype("bool")
        rows, length = mask.shape
        batch = PromptBatch(
            ops.convert_to_numpy(inputs["token_ids"]).astype("int32"),
            mask,
            np.full(rows, length, "int32"),
        )
        request = GenerationRequest.checked(
            self.model, stop_token_ids=stop_token_ids
        )
        answers = answer_tokens(self, batch, request)
        return {
            "token_ids": ops.convert_to_tensor(answers.token_ids, "int32"),
            "padding_mask": ops.convert_to_tensor(answers.padding_mask, "bool"),
        }

    def prefill(self, token_ids, end, cache_length, needs_states=True):
        """The first pass over prompts."""
        length = token_ids.shape[1]
        room = coarse_bucket(length, cache_length) - length
        token_ids = np.pad(token_ids, ((0, 0), (0, room)))
        shapes = (token_ids.shape, np.shape(end))
        key = ("prefill", *shapes, cache_length, needs_states)
        prefill = self._compiled(
            key, self._prefill_function(cache_length, needs_states), as_graph
        )
        return prefill(
            ops.convert_to_tensor(token_ids, "int32"),
            ops.convert_to_tensor(end, "int32"),
        )

    def extend(self, token_ids, cache, start, ends=None):
        """A later pass, over tokens that follow those of a cache.

        Where rows have `ends` of their own, padding follows these.
        """
        states = []
        while token_ids.shape[1]:
            # Powers of two: few shapes to trace.
            count = 2 ** (token_ids.shape[1].bit_length() - 1)
            last = None if ends is None else np.minimum(ends, start + count)
            new, cache = self.forward(token_ids[:, :count], cache, start, last)
            states.append(new)
            token_ids, start = token_ids[:, count:], start + count
        return ops.concatenate(states, axis=1), cache

    def forward(self, token_ids, cache, start, ends=None):
        """As `extend`, in one pass, which is traced for each length."""
        sizes = tuple(ring.shape for pair in cache for ring in pair)
        forward = self._compiled(
            ("forward", token_ids.shape, sizes, ends is None),
            self.model.backbone.call_with_cache,
            as_graph,
        )
        places = (start,) if ends is None else (start, ends)
        return forward(
            ops.convert_to_tensor(token_ids, "int32"),
            cache,
            *(ops.convert_to_tensor(x, "int32") for x in places),
        )

    def replace_rows(self, cache, slots, rows):
        """A cache some of whose rows are those of another."""
        rings = keras.tree.flatten((cache, rows))
        sizes = tuple(x.shape for x in rings)
        replace = self._compiled(("replace", sizes), _replace_rows, as_graph)
        return replace(cache, ops.convert_to_tensor(slots, "int32"), rows)

    def with_spare_slots(self, cache, count, ends):
        """A cache of prompts that end each at its own, with more slots."""
        sizes = tuple(ring.shape for pair in cache for ring in pair)

        blocks = self.model.backbone.decoder_blocks

        def grow(cache, ends):
            return [
                tuple(
                    grow_ring(
                        ring,
                        ring.shape[2] + count,
                        # A dense layer's never come round.
                        None if block.window is None else ends,
                    )
                    for ring in pair
                )
                for block, pair in zip(blocks, cache, strict=True)
            ]

        grown = self._compiled(("grow", sizes, count), grow, as_graph)
        return grown(cache, ops.convert_to_tensor(ends, "int32"))

    def steps(self, shape, stop_token_ids, settings, drafter=None):
        """The loop that chooses token after token; see `step_loop`.

        With drafts it is that of `speculative_loop`, whose state is a pair.
        """
        tensors, fixed = settings or {}, None
        if settings is not None:
            # Greedy is another code: nothing is drawn.
            fixed = {k: v for k, v in settings.items() if (k, v) == _GREEDY}
            tensors = {k: v for k, v in settings.items() if k not in fixed}
        key = ("steps", stop_token_ids, fixed is None, *sorted(tensors))
        if drafter is None:
            function = step_loop(self.model, stop_token_ids, fixed)
            loop = self._loop(shape, key, function)
        else:
            function = speculative_loop(
                self.model, stop_token_ids, fixed, drafter, shape[0]
            )
            assistant = None if drafter == "prompt" else drafter
            key = (*key, "prompt" if assistant is None else "assistant")
            loop = self._loop(shape, key, function, assistant)
        tensors = self._as_tensors(tensors)

        def run(end, state, mask, enough, **own):
            return loop(
                ops.convert_to_tensor(end, "int32"),
                state,
                mask,
                tensors | self._as_tensors(own),
                ops.convert_to_tensor(enough, "int32"),
            )

        return run

    def beams(self, shape, stop_token_ids, sampler):
        """The loop of the paper's beam search; see `beam_loop`."""
        settings = (sampler.num_beams, sampler.length_penalty)
        rows, length = shape
        return self._loop(
            (rows * sampler.num_beams, length),
            ("beams", stop_token_ids, *settings),
            beam_loop(self.model, stop_token_ids, *settings),
        )

    def whole(self, shape, stop_token_ids):
        """The loop of a sampler that brings its own; see `sampler_loop`."""
        return self._loop(
            shape,
            ("whole", stop_token_ids),
            sampler_loop(self.model, stop_token_ids),
        )

    def _loop(self, shape, key, loop, assistant=None):
        """A loop of some kind, compiled as is best for a number of rows."""
        in_xla = self._suits_xla(shape[0]) and not self.model.run_eagerly
        key = ("loop", in_xla, shape, *key)
        compiler = jit_compile if in_xla else as_graph
        # A sampler may draw from a generator, which moves on.
        changed = self.model.sampler.variables
        return self._compiled(key, loop, compiler, changed, assistant)

    def _compiled(self, key, function, compiler, changed=(), assistant=None):
        """A function's compiled form; itself where the model runs eagerly."""
        # Another sampler chooses by other code.
        manner = (self.model.sampler, bool(self.model.run_eagerly))
        if manner != self._manner:
            self._manner, self.traces = manner, {}
            self._assisted.traces = {}
        if self.model.run_eagerly:
            return function
        variables = self.model.backbone.variables
        if assistant is not None:
            variables = [*variables, *assistant.backbone.variables]
            return self._assisted.compiled(
                key, function, variables, changed, compiler
            )
        return self.compiled(key, function, variables, changed, compiler)

    def _prefill_function(self, cache_length, needs_states):
        def prefill(token_ids, end):
            states, cache = self.model.backbone.prefill(
                token_ids, cache_length, end
            )
            return states if needs_states else None, cache

        return prefill

    def _suits_xla(self, rows):
        """Whether XLA's code is the faster for so many rows.

        On CPUs it computes in float32, and converts the cache for it at each
        token; for one row its rate of reading makes up for that. It has one
        device, and no code for a model that lies on several.
        """
        if lies_on_stages(self.model.backbone.decoder_blocks):
            return False
        if keras.config.backend() != "tensorflow":
            return True
        dtype = self.model.backbone.compute_dtype
        return dtype == "float32" or rows == 1 or has_gpu()

    def _as_tensors(self, settings):
        """Settings as inputs of a graph, which serves all their values."""
        settings = dict(settings)
        if "logit_bias" in settings:
            settings["logit_bias"] = logit_bias_vector(
                settings["logit_bias"], self.model.backbone.vocabulary_size
            )
        return {
            name: ops.convert_to_tensor(
                value, "int32" if name in ("seed", "top_k") else "float32"
            )
            for name, value in settings.items()
        }


def step_loop(model, stop_token_ids, fixed_settings=None):
    """The loop that chooses token after token.

    Up to a position of each row, or until enough rows have finished.
    """

    def loop(end, state, padding_mask, settings, enough):
        next_logits = without_hidden_states(_next_scores(model))
        sampler = model.sampler
        if fixed_settings is None:
            choose = sampler_steps(sampler)
        else:
            lengths = ops.sum(ops.cast(padding_mask, "int32"), axis=-1)
            next_logits, choose = settings_steps(
                settings | fixed_settings, next_logits, lengths
            )
        return decode_until(
            end,
            next_logits,
            choose,
            state,
            padding_mask,
            stop_token_ids,
            _count_down,
            sampler.variables if fixed_settings is None else (),
            enough,
        )

    return loop


def speculative_loop(model, stop_token_ids, fixed_settings, drafter, num_rows):
    """The loop of `step_loop` with drafts; its state has that of drafting."""

    def loop(end, state, padding_mask, settings, enough):
        settings = settings | fixed_settings
        num_drafts = drafts_a_row(num_rows)
        if drafter == "prompt":
            drafts = PromptLookup(num_drafts)
        else:
            score = chunk_scores(drafter, _num_known(model))
            drafts = DraftModel(num_drafts, score, settings, padding_mask)
        return speculate_until(
            end,
            chunk_scores(model, _num_known(model)),
            settings,
            drafts,
            *state,
            padding_mask,
            stop_token_ids,
            _count_down,
            enough,
        )

    return loop


def beam_loop(model, stop_token_ids, num_beams, length_penalty):
    """The paper's beam search."""

    def loop(token_ids, padding_mask, cache, ends):
        return beam_search(
            without_hidden_states(_next_scores(model)),
            token_ids,
            padding_mask,
            cache,
            stop_token_ids,
            num_beams,
            length_penalty,
            ends,
        )

    return loop


def sampler_loop(model, stop_token_ids):
    """The loop of any sampler of keras-hub, up to the full length."""

    def loop(token_ids, padding_mask, hidden_states, cache):
        return sample(
            model.sampler,
            _next_scores(model),
            token_ids,
            padding_mask,
            cache,
            stop_token_ids or None,
            hidden_states=hidden_states,
            model=model,
        )

    return loop


def _replace_rows(cache, slots, rows):
    return keras.tree.map_structure(
        lambda ring, new: ops.scatter_update(ring, slots[:, None], new),
        cache,
        rows,
    )


def _next_scores(model):
    """What scores a position; ids that no text has are ruled out."""

    def next_scores(token_ids, cache, index):
        index = ops.cast(index, "int32")
        previous = token_before(token_ids, index)[:, None]  # (B, 1)
        logits, states, cache = model.call_with_cache(
            previous, cache, index - 1
        )
        logits = rule_out_unknown(logits[:, 0], _num_known(model))
        return logits, states[:, 0], cache

    return next_scores


def _num_known(model):
    preprocessor = model.preprocessor
    return preprocessor and preprocessor.tokenizer.vocabulary_size()


def _count_down(left, chosen, is_answer):
    """Stopping criteria: a row ends when it has all its tokens."""
    left = left - ops.cast(is_answer, left.dtype)
    return left, left <= 0
