"""Beam search as a sampler."""

import keras
import keras_hub
from keras import ops

from keras_gpt3.generation.beam_search import beam_search
from keras_gpt3.generation.beam_search import check_beam_settings


@keras.saving.register_keras_serializable(package="keras_gpt3")
class BeamSampler(keras_hub.samplers.Sampler):
    """The likeliest answer that `beam_search` finds.

    The defaults are those of Brown et al. 2020, section 2.4. keras-hub's beam
    sampler compares sums of log-probabilities whatever their length, and goes
    on behind a stop token as long as one beam has none; this one does neither.

    Args:
        num_beams: int. Beams of a prompt. Defaults to `4`.
        length_penalty: float. The larger, the better long answers fare; 0
            compares plain sums. Defaults to `0.6`.
        return_all_beams: bool. Whether a call returns every beam, ids of shape
            `(batch, num_beams, length)`, and their scores, shape
            `(batch, num_beams)`, best first, instead of the best beam. Not for
            `generate`, which takes one answer. Defaults to `False`.

    Raises:
        ValueError: If `num_beams` is no integer of at least 1, or
            `length_penalty` is negative or not finite.

    Example:

    ```python
    import keras_gpt3

    model = keras_gpt3.GPT3.from_preset(
        "gpt3_small_en", num_layers=1, preprocessor=None
    )
    model.compile(sampler=keras_gpt3.generation.BeamSampler(num_beams=2))
    ```
    """

    def __init__(self, num_beams=4, length_penalty=0.6, return_all_beams=False):
        check_beam_settings(num_beams, length_penalty)
        super().__init__()
        self.num_beams = num_beams
        self.length_penalty = length_penalty
        self.return_all_beams = return_all_beams

    def __call__(
        self,
        next,
        prompt,
        cache=None,
        index=0,
        mask=None,
        stop_token_ids=None,
        hidden_states=None,
        model=None,
    ):
        def next_logits(token_ids, cache, index):
            logits, _, cache = next(token_ids, cache, index)
            return logits, cache

        if mask is None:
            mask = ops.arange(ops.shape(prompt)[1], dtype="int32") < index
            mask = ops.broadcast_to(mask, ops.shape(prompt))
        answers = beam_search(
            next_logits,
            prompt,
            mask,
            () if cache is None else cache,
            stop_token_ids or (),
            self.num_beams,
            self.length_penalty,
        )
        if self.return_all_beams:
            return answers["token_ids"], answers["scores"]
        return ops.take(answers["token_ids"], 0, axis=1)

    def get_config(self):
        # Not the temperature of the parent: a search draws nothing.
        return {
            "num_beams": self.num_beams,
            "length_penalty": self.length_penalty,
            "return_all_beams": self.return_all_beams,
        }
