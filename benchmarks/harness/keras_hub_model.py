"""keras-hub's GPT-2 at a size of GPT-3, with the paper's optimizer."""

import keras
import keras_hub


def keras_hub_backbone(
    policy,
    length,
    num_layers=12,
    vocabulary_size=50257,
    num_heads=12,
    hidden_dim=768,
):
    """Builds the backbone, by default at the size of GPT-3 Small.

    Args:
        policy: string. A Keras dtype policy.
        length: int. The context, in tokens.
        num_layers: int. Defaults to `12`.
        vocabulary_size: int. Defaults to `50257`.
        num_heads: int. Defaults to `12`.
        hidden_dim: int. Defaults to `768`.

    Returns:
        A `keras_hub.models.GPT2Backbone`.
    """
    return keras_hub.models.GPT2Backbone(
        vocabulary_size=vocabulary_size,
        num_layers=num_layers,
        num_heads=num_heads,
        hidden_dim=hidden_dim,
        intermediate_dim=4 * hidden_dim,
        dropout=0.0,
        max_sequence_length=length,
        dtype=policy,
    )


def compiled_keras_hub_model(backbone, learning_rate, jit_compile="auto"):
    """Compiles a model with the package's optimizer constants.

    Args:
        backbone: `keras_hub.models.GPT2Backbone`.
        learning_rate: float.
        jit_compile: bool. Defaults to `"auto"`, keras-hub's own default.

    Returns:
        A `keras_hub.models.GPT2CausalLM`.
    """
    model = keras_hub.models.GPT2CausalLM(backbone, preprocessor=None)
    model.compile(
        optimizer=keras.optimizers.AdamW(
            learning_rate,
            weight_decay=0.1,
            beta_2=0.95,
            epsilon=1e-8,
            global_clipnorm=1.0,
        ),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=jit_compile,
    )
    return model
