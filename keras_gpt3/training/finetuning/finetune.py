"""Fine-tunes a built model on prompts and completions. TensorFlow."""

import dataclasses
import logging
import math

import keras
import numpy as np
from keras import ops

from keras_gpt3.argument_checks import echoed
from keras_gpt3.backend_check import require_backend
from keras_gpt3.data.completion_dataset import completion_batches
from keras_gpt3.data.completion_dataset import completion_dataset
from keras_gpt3.data.completion_pairs import CompletionExamples
from keras_gpt3.planning.preflight import StepMemoryError
from keras_gpt3.training.finetuning.recipe import FinetuningRecipe
from keras_gpt3.training.step.loss_scaling import check_weights

_logger = logging.getLogger("keras_gpt3")


def finetune(model, examples, recipe=None, validation=None, verbose="auto"):
    """Train a model on pairs, with the loss on the completions only.

    With validation pairs, the weights at the end are those of the epoch with
    the lowest validation loss, each pair by itself, else those of the last
    epoch. With `recipe.lora_rank` the model gets adapters, unless it has such,
    and only they are trained; `model.backbone.merge_lora()` adds them to the
    weights.

    Args:
        model: `GPT3`.
        examples: `keras_gpt3.data.CompletionExamples`. What to train on.
        recipe: `FinetuningRecipe`. Defaults to `None`, its defaults.
        validation: `CompletionExamples` that are not trained on. Defaults to
            `None`.
        verbose: string or int. `0` shows nothing, `1` a bar and `2` a line for
            each epoch. Defaults to `"auto"`, a bar.

    Returns:
        A `FinetuningHistory` of all steps and epochs.

    Raises:
        TypeError: If the pairs are not encoded, or the recipe is none.
        ValueError: If the model has other adapters than the recipe requires,
            nothing to train or weights that cannot be trained, a layer is
            unknown, or a loss or a weight is not finite after an epoch.
        MemoryError: If all weights are trained and a step of packed rows needs
            more memory than there is.
        NotImplementedError: If Keras runs on another backend than TensorFlow.

    Example:

    ```python
    import keras_gpt3

    model = keras_gpt3.GPT3.from_preset(
        "gpt3_small_en", num_layers=1, hidden_dim=48, intermediate_dim=96,
        max_sequence_length=32,
    )
    examples = keras_gpt3.data.CompletionExamples(
        [("Two and two is", " four")], model.preprocessor
    )
    recipe = keras_gpt3.training.FinetuningRecipe(epochs=1, batch_size=1)
    history = keras_gpt3.training.finetune(
        model, examples, recipe, verbose=0
    )
    history.loss  # The loss of the only step.
    ```
    """
    recipe = recipe or FinetuningRecipe()
    check_arguments(examples, recipe, validation)
    check_trainable(model, recipe)
    epochs = range(recipe.epochs)
    rows = examples, recipe.batch_size, recipe.layout, recipe.seed
    steps = [len(completion_batches(*rows, epoch)) for epoch in epochs]
    _prepare(model, recipe, sum(steps))
    history, best = FinetuningHistory(), BestWeights(model)
    for epoch in epochs:
        _run_epoch(model, examples, recipe, validation, epoch, history, verbose)
        record = history.epochs[-1]
        check_finite(model, record, epoch)
        best.consider(epoch, record.get("val_loss"))
    history.best_epoch = best.restore()
    return history


class _OneEpoch(keras.callbacks.Callback):
    """Ends `fit` after one epoch, which it has named as one of all."""

    def on_epoch_end(self, epoch, logs=None):
        self.model.stop_training = True


def _prepare(model, recipe, num_steps):
    # Adapters and optimizer live where the model does.
    with model.distribute_strategy.scope():
        if recipe.lora_rank and model.backbone.lora_settings is None:
            model.backbone.enable_lora(
                recipe.lora_rank, recipe.lora_layers, recipe.lora_alpha
            )
        model.compile(
            optimizer=recipe.optimizer(num_steps),
            sampler=model.sampler,
            micro_batch_size=recipe.micro_batch_size,
            rematerialization=recipe.rematerialization,
        )


def _run_epoch(model, examples, recipe, validation, epoch, history, verbose):
    """One epoch is one call of `fit`: each has its own order of the pairs."""
    validated = None
    if validation is not None:
        # Each in a row of its own, as an answer will be.
        validated = completion_dataset(
            validation, recipe.batch_size, "padded", shuffle=False
        )
    callbacks = [
        StepHistory(history),
        keras.callbacks.TerminateOnNaN(),
        _OneEpoch(),
    ]
    try:
        model.fit(
            completion_dataset(
                examples, recipe.batch_size, recipe.layout, recipe.seed, epoch
            ),
            validation_data=validated,
            initial_epoch=epoch,
            epochs=recipe.epochs,
            callbacks=callbacks,
            verbose=verbose,
        )
    except StepMemoryError as error:
        # The recipe says what the model is compiled with.
        raise error.with_remedy(
            lambda choice: f"Pass a recipe with {choice.arguments}."
        ) from None


class BestWeights:
    """Keeps the trainable weights of the epoch with the lowest loss."""

    def __init__(self, model):
        self._variables = model.trainable_variables
        self._epoch, self._loss, self._values = None, None, None

    def consider(self, epoch, loss):
        """Keep the weights of now, if there is no better loss."""
        if loss is None or self._loss is None or loss < self._loss:
            self._epoch, self._loss = epoch, loss
            if loss is not None:
                # In the memory of the host.
                self._values = [np.array(v) for v in self._variables]

    def restore(self):
        """Bring back what was kept."""
        if self._values is not None:
            for variable, value in zip(
                self._variables, self._values, strict=True
            ):
                variable.assign(value)
        return self._epoch


@dataclasses.dataclass
class FinetuningHistory:
    """Losses and learning rates of a run, as plain numbers."""

    loss: list = dataclasses.field(default_factory=list)
    learning_rate: list = dataclasses.field(default_factory=list)
    epochs: list = dataclasses.field(default_factory=list)
    best_epoch: int | None = None


class StepHistory(keras.callbacks.Callback):
    """Records each step and epoch of `fit`."""

    def __init__(self, history):
        super().__init__()
        self._history = history

    def on_epoch_begin(self, epoch, logs=None):
        self._total, self._weight = 0.0, 0.0

    def on_train_batch_end(self, batch, logs=None):
        # Keras logs the mean over the epoch so far.
        tracker = self.model.loss_tracker
        # Replicas that each counted all of it: the factor cancels.
        total, weight = (
            float(keras.ops.convert_to_numpy(keras.ops.add(x, 0.0)))
            for x in (tracker.total, tracker.count)
        )
        step = (total - self._total) / max(weight - self._weight, 1e-9)
        self._total, self._weight = total, weight
        self._history.loss.append(step)
        self._history.learning_rate.append(float(logs["learning_rate"]))

    def on_epoch_end(self, epoch, logs=None):
        record = {"step": len(self._history.loss)}
        record |= {name: float(value) for name, value in (logs or {}).items()}
        self._history.epochs.append(record)


def check_arguments(examples, recipe, validation=None):
    """Raise unless the arguments of `finetune` are of its types."""
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
    """Raise if a model cannot be trained as a recipe says."""
    require_backend("tensorflow", "Fine-tuning", "Under JAX use model.fit.")
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
    """Raise if a loss of an epoch, or a weight after it, is not finite."""
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
    """Raise if a model's adapters are not those that a recipe trains."""
    if found is None or found["rank"] == recipe.lora_rank:
        return
    raise ValueError(
        "lora_rank must be that of the model's adapters. Received: lora_rank="
        f"{recipe.lora_rank}, a model with rank={found['rank']}. Pass the same "
        "rank to train them on, or call merge_lora first."
    )


def _check_stored_type(backbone):
    """Raise, or warn, where steps are lost in the rounding of weights."""
    policy = backbone.dtype_policy
    layers = backbone._flatten_layers(include_self=False)
    modes = [getattr(layer, "quantization_mode", None) for layer in layers]
    # Modes gptq and awq leave the embeddings as they are.
    mode = next(filter(None, modes), None)
    if mode is not None:
        raise ValueError(
            "Weights must be floating-point numbers to be trained. Received: "
            f"a model in {mode}. Train adapters with lora_rank, or load the "
            "model as it was before quantize."
        )
    check_weights(backbone.trainable_variables)
    if policy.variable_dtype == "bfloat16":
        _logger.warning(
            "Weights in bfloat16 lose steps smaller than 1/256 of themselves, "
            "most of those at small learning rates. mixed_bfloat16 computes "
            "as fast and keeps them in float32."
        )
