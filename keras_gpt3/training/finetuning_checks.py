"""What a fine-tuning run needs of its model, before and while it goes."""

import logging
import math

from keras import ops

from keras_gpt3.backend_check import require_backend
from keras_gpt3.data.completion_examples import CompletionExamples
from keras_gpt3.echoed_value import echoed
from keras_gpt3.training.finetuning_recipe import FinetuningRecipe

_logger = logging.getLogger("keras_gpt3")


def check_arguments(examples, recipe, validation=None):
    """Raises unless the arguments of `finetune` are of its types."""
    encoded = {"examples": examples}
    if validation is not None:
        encoded["validation"] = validation
    for name, value in encoded.items():
        if not isinstance(value, CompletionExamples):
            raise TypeError(
                f"{name} must be CompletionExamples. Received: {name}="
                f"{echoed(value)}, a {type(value).__name__}. Pass keras_gpt3."
                "data.CompletionExamples(pairs, model.preprocessor)."
            )
    if not isinstance(recipe, FinetuningRecipe):
        raise TypeError(
            "recipe must be a FinetuningRecipe. Received: recipe="
            f"{echoed(recipe)}, a {type(recipe).__name__}. Pass keras_gpt3."
            "training.FinetuningRecipe(epochs=3) for instance."
        )


def check_trainable(model, recipe):
    """Raises if a model cannot be trained as a recipe says."""
    require_backend("tensorflow", "Fine-tuning", "Use model.fit there.")
    backbone = model.backbone
    _check_adapters(backbone.lora_settings, recipe)
    if not model.trainable_variables and not recipe.lora_rank:
        raise ValueError(
            "A model must have weights to train. Received: 0 of them. Set "
            "model.trainable = True."
        )
    if not recipe.lora_rank:
        _check_stored_type(backbone)


def check_finite(model, record, epoch):
    """Raises if a loss of an epoch, or a weight after it, is not finite."""
    wrong = [
        f"{name}={record[name]}"
        for name in ("loss", "val_loss")
        if not math.isfinite(record.get(name, 0.0))
    ]
    # A loss is that before the step: the last step shows in the weights alone.
    wrong += [
        variable.path
        for variable in model.trainable_variables
        if not bool(ops.all(ops.isfinite(ops.convert_to_tensor(variable))))
    ]
    if wrong:
        raise ValueError(
            "Losses and weights must stay finite. Received: "
            f"{wrong[0]} in epoch {epoch + 1}. Lower the learning rate."
        )


def _check_adapters(found, recipe):
    """Raises if a model's adapters are not those that a recipe trains."""
    if found is None or found["rank"] == recipe.lora_rank:
        return
    raise ValueError(
        "lora_rank must be that of the model's adapters. Received: lora_rank="
        f"{recipe.lora_rank}, a model with rank={found['rank']}. Pass the same "
        "rank to go on with them, or call merge_lora first."
    )


def _check_stored_type(backbone):
    """Raises, or warns, where steps are lost in the rounding of weights."""
    policy = backbone.dtype_policy
    mode = backbone.token_embedding.quantization_mode
    if mode is not None:
        raise ValueError(
            "Weights must be floating-point numbers to be trained. Received: "
            f"a model in {mode}. Train adapters with lora_rank, or load the "
            "model as it was before quantize."
        )
    if policy.variable_dtype == "float16":
        raise ValueError(
            "Weights must not be float16 to be trained: their range is too "
            f"small. Received: dtype={policy.name}. Use mixed_bfloat16 or "
            "mixed_float16, whose weights are float32."
        )
    if policy.variable_dtype == "bfloat16":
        _logger.warning(
            "Weights in bfloat16 lose steps smaller than 1/256 of themselves, "
            "most of those at small learning rates. mixed_bfloat16 computes "
            "as fast and keeps them in float32."
        )
