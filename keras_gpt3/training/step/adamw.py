"""AdamW as the paper sets it."""

import re

import keras

# Conventionally not decayed: layer norms (gamma, beta) and biases. Of the names
# that TensorFlow gives, "scope/bias/replica_1:0", only that part counts.
_NOT_DECAYED = re.compile(r"(.*/)?(bias|gamma|beta)(/replica_\d+)?(:\d+)?")


@keras.saving.register_keras_serializable(package="keras_gpt3")
class AdamW(keras.optimizers.AdamW):
    """`keras.optimizers.AdamW` with the constants of Appendix B.

    "Adam with beta_1 = 0.9, beta_2 = 0.95, and epsilon = 1e-8, we clip the
    global norm of the gradient at 1.0", "weight decay of 0.1". The decay is
    decoupled and leaves layer norms and biases alone; as it is part of the
    class, it survives serialization. Under a distribution strategy `GPT3`
    averages the gradients first and clips after. Epsilon stands outside the
    bias correction, as in all of Keras.

    Args:
        learning_rate: float or `LearningRateSchedule`. Usually a `TokenClock`.
            Defaults to `6e-4`.
        weight_decay: float. Defaults to `0.1`.
        beta_1: float. Defaults to `0.9`.
        beta_2: float. Defaults to `0.95`.
        epsilon: float. Defaults to `1e-8`.
        global_clipnorm: float. Defaults to `1.0`.
        **kwargs: Keyword arguments of `keras.optimizers.AdamW`.

    Example:

    ```python
    import keras_gpt3

    optimizer = keras_gpt3.training.AdamW(learning_rate=6e-4)
    ```
    """

    def __init__(
        self,
        learning_rate=6e-4,
        weight_decay=0.1,
        beta_1=0.9,
        beta_2=0.95,
        epsilon=1e-8,
        global_clipnorm=1.0,
        **kwargs,
    ):
        super().__init__(
            learning_rate=learning_rate,
            weight_decay=weight_decay,
            beta_1=beta_1,
            beta_2=beta_2,
            epsilon=epsilon,
            global_clipnorm=global_clipnorm,
            **kwargs,
        )

    def _use_weight_decay(self, variable):
        if _NOT_DECAYED.fullmatch(variable.name):
            return False
        return super()._use_weight_decay(variable)
