"""A sampler whose answers its seed decides."""

import keras
import keras_hub

from keras_gpt3.generation.decode_loop import decode
from keras_gpt3.generation.token_choice import choose_token


@keras.saving.register_keras_serializable(package="keras_gpt3")
class SeededSampler(keras_hub.samplers.Sampler):
    """Top-k sampling that gives the same answer for the same seed.

    keras-hub's samplers draw from a generator that moves on with each call.
    Here the draw for a position depends on seed and position alone: the same
    prompt gives the same answer, live or from an exported model, alone or in
    a batch.

    Args:
        temperature: float. Divides the scores; 0 is greedy. Defaults to `1.0`.
        top_k: int. Number of tokens to draw among; 0 is all. Defaults to `0`.
        seed: int. Defaults to `0`.

    Example:

    ```python
    import keras_gpt3

    sampler = keras_gpt3.generation.SeededSampler(temperature=0.8, top_k=40)
    ```
    """

    def __init__(self, temperature=1.0, top_k=0, seed=0):
        if temperature < 0:
            raise ValueError(
                "temperature must be at least 0. Received: temperature="
                f"{temperature}. Use 0 for greedy decoding."
            )
        if top_k < 0:
            raise ValueError(
                f"top_k must be at least 0. Received: top_k={top_k}. Use 0 to "
                "draw among all tokens."
            )
        super().__init__(temperature=temperature)
        self.top_k = top_k
        self.seed = seed

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

        def choose(logits, index):
            return choose_token(
                logits, index, self.temperature, self.top_k, self.seed
            )

        return decode(
            next_logits, choose, prompt, mask, cache, stop_token_ids or ()
        )

    def get_config(self):
        return super().get_config() | {"top_k": self.top_k, "seed": self.seed}
