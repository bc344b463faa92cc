"""The sampler with all settings, whose seed alone decides the draws."""

import keras
import keras_hub
from keras import ops

from keras_gpt3.generation.decode_loop import decode
from keras_gpt3.generation.decode_loop import without_hidden_states
from keras_gpt3.generation.sampling_settings import SAMPLING_DEFAULTS
from keras_gpt3.generation.sampling_settings import check_sampling_options
from keras_gpt3.generation.sampling_steps import active_settings
from keras_gpt3.generation.sampling_steps import settings_steps


@keras.saving.register_keras_serializable(package="keras_gpt3")
class SeededSampler(keras_hub.samplers.Sampler):
    """A sampler that returns the same answer for the same seed.

    keras-hub's samplers draw from a generator that advances with each call.
    Here the draw at a position depends on seed and position alone: with a
    seed the same prompt has the same answer, live or from an exported model,
    alone or in a batch. Without one each row of each call draws with a seed of
    its own, which `keras.utils.set_random_seed` fixes.

    In vLLM's order, the biases, the repetition penalty, the frequency and the
    presence penalty are applied to the scores; then `choose_token` applies
    temperature, top-k, top-p and min-p, and draws. At temperature 0 it chooses
    the highest score after biases and penalties.

    Args:
        temperature: float. Divides the scores; 0 is greedy. Defaults to `1.0`.
        top_k: int. Number of tokens to draw among; 0 is all. Defaults to `0`.
        seed: int. Decides the draws. Defaults to `None`: other draws for each
            row and call.
        top_p: float. The tokens to draw among are the most probable ones that
            together reach this probability. Defaults to `1.0`, all.
        min_p: float. Tokens less probable than this fraction of the highest
            probability are not drawn. Defaults to `0.0`, all are.
        repetition_penalty: float. Divides the positive scores of tokens of
            prompt and answer, and multiplies negative ones. Defaults to `1.0`,
            none.
        presence_penalty: float. Subtracted from the scores of tokens that
            the answer has, from -2 to 2. Defaults to `0.0`.
        frequency_penalty: float. Subtracted for each time that the answer has
            a token, from -2 to 2. Defaults to `0.0`.
        logit_bias: dict of int to float. Token ids and what is added to their
            scores; -1e9 rules a token out. Defaults to `None`.

    Raises:
        ValueError: If a setting is out of its range; in `generate`, if
            `logit_bias` has an id outside the vocabulary.

    Example:

    ```python
    import keras_gpt3

    sampler = keras_gpt3.generation.SeededSampler(temperature=0.8, top_p=0.9)
    model = keras_gpt3.GPT3.from_preset("gpt3_small_en", num_layers=1)
    model.compile(sampler=sampler)
    ```
    """

    def __init__(
        self,
        temperature=1.0,
        top_k=0,
        seed=None,
        top_p=1.0,
        min_p=0.0,
        repetition_penalty=1.0,
        presence_penalty=0.0,
        frequency_penalty=0.0,
        logit_bias=None,
    ):
        options = check_sampling_options(
            {
                "temperature": temperature,
                "top_k": top_k,
                "seed": seed,
                "top_p": top_p,
                "min_p": min_p,
                "repetition_penalty": repetition_penalty,
                "presence_penalty": presence_penalty,
                "frequency_penalty": frequency_penalty,
                "logit_bias": logit_bias,
            }
        )
        super().__init__(options["temperature"])
        for name, value in options.items():
            setattr(self, name, value)
        if seed is None:
            # A variable: a compiled call draws anew as well.
            self.seed_generator = keras.random.SeedGenerator()

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
        prompt_lengths = ops.sum(ops.cast(mask, "int32"), axis=-1)
        settings = active_settings(self.get_config())
        if self.seed is None:
            settings["seed"] = keras.random.randint(
                ops.shape(prompt)[:1], 0, 2**31 - 1, seed=self.seed_generator
            )
        steps = settings_steps(
            settings, without_hidden_states(next), prompt_lengths
        )
        return decode(*steps, prompt, mask, cache, stop_token_ids or ())

    @classmethod
    def from_config(cls, config):
        logit_bias = config.get("logit_bias")
        if logit_bias:
            # JSON makes strings of the ids.
            logit_bias = {int(i): bias for i, bias in logit_bias.items()}
            config = config | {"logit_bias": logit_bias}
        return cls(**config)

    def get_config(self):
        return {name: getattr(self, name) for name in SAMPLING_DEFAULTS}
