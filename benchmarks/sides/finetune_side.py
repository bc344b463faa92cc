"""One step of fine-tuning, of the package or of keras-hub's GPT-2."""

import numpy as np
import tensorflow as tf
from harness.dtype_policies import POLICIES
from harness.keras_step import TrainingStep
from harness.keras_step import bare_bytes
from harness.side_server import serve

VOCABULARY = 50257


class FinetuningStep(TrainingStep):
    """A `TrainingStep` on a batch whose first tokens have no weight.

    Args:
        model: as in `TrainingStep`.
        batch_size: int.
        length: int. Tokens in a sequence.
        share: float. Of the tokens, the last ones, which have weight 1.
        weighted: bool. Whether there are weights at all. Defaults to `True`.
    """

    def __init__(self, model, batch_size, length, share, weighted=True):
        super().__init__(model, batch_size, length, VOCABULARY)
        ids = np.random.default_rng(0).integers(
            0, VOCABULARY, (batch_size, length + 1), "int32"
        )
        inputs = {
            "token_ids": ids[:, :-1],
            "padding_mask": np.ones((batch_size, length), "bool"),
        }
        weights = np.zeros((batch_size, length), "float32")
        weights[:, -round(share * length) :] = 1.0
        batch = (inputs, ids[:, 1:]) + ((weights,) if weighted else ())
        self._iterator = iter(tf.data.Dataset.from_tensors(batch).repeat())


def build(
    side,
    dtype="float32",
    batch_size=1,
    length=1024,
    num_layers=12,
    share=0.2,
    lora_rank=0,
    weighted=True,
):
    """Builds and compiles a model at the size of GPT-3 Small.

    Args:
        side: string. `"keras_gpt3"` or `"keras_hub"`.
        dtype: string. `"float32"` or `"bfloat16"`. Defaults to `"float32"`.
        batch_size: int. Defaults to `1`.
        length: int. Tokens in a sequence. Defaults to `1024`.
        num_layers: int. Defaults to `12`.
        share: float. Of the tokens that have a weight. Defaults to `0.2`.
        lora_rank: int. `0` trains all weights. Defaults to `0`.
        weighted: bool. `False` gives every token the weight 1. Defaults to
            `True`.

    Returns:
        A pair of the step, a `FinetuningStep`, and a dict of facts.
    """
    bare = bare_bytes()
    make = {"keras_gpt3": _own_model, "keras_hub": _keras_hub_model}[side]
    model = make(POLICIES[dtype], length, num_layers, lora_rank)
    step = FinetuningStep(model, batch_size, length, share, weighted)
    trained = sum(int(np.prod(v.shape)) for v in model.trainable_variables)
    return step, {
        "bare_bytes": bare,
        "parameters": model.count_params(),
        "trained_parameters": trained,
    }


def _own_model(policy, length, num_layers, lora_rank):
    import keras_gpt3

    model = keras_gpt3.GPT3.from_preset(
        "gpt3_small_en",
        preprocessor=None,
        dtype=policy,
        max_sequence_length=length,
        num_layers=num_layers,
        # As GPT-2 attends, and keras-hub's model.
        attention_pattern=("dense",),
    )
    if lora_rank:
        model.backbone.enable_lora(lora_rank)
    model.compile(optimizer=keras_gpt3.training.AdamW(2e-5))
    return model


def _keras_hub_model(policy, length, num_layers, lora_rank):
    from harness.keras_hub_model import compiled_keras_hub_model
    from harness.keras_hub_model import keras_hub_backbone

    backbone = keras_hub_backbone(policy, length, num_layers, VOCABULARY)
    if lora_rank:
        backbone.enable_lora(lora_rank)
    return compiled_keras_hub_model(backbone, 2e-5)


if __name__ == "__main__":
    serve(build, "keras-gpt3", "tensorflow", "keras", "keras-hub")
