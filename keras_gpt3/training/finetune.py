"""Fine-tunes a built model on prompts and completions. TensorFlow."""

import keras

from keras_gpt3.data.completion_dataset import completion_batches
from keras_gpt3.data.completion_dataset import completion_dataset
from keras_gpt3.training.finetuning_best_weights import BestWeights
from keras_gpt3.training.finetuning_checks import check_arguments
from keras_gpt3.training.finetuning_checks import check_finite
from keras_gpt3.training.finetuning_checks import check_trainable
from keras_gpt3.training.finetuning_history import FinetuningHistory
from keras_gpt3.training.finetuning_recipe import FinetuningRecipe
from keras_gpt3.training.finetuning_step_history import StepHistory


def finetune(model, examples, recipe=None, validation=None, verbose="auto"):
    """Trains a model on pairs, with the loss on the completions only.

    With validation pairs, the weights at the end are those of the epoch with
    the lowest validation loss, each pair by itself, else those of the last
    epoch. With `recipe.lora_rank` the model gets adapters, unless it has such,
    and only they are trained; `model.backbone.merge_lora()` adds them to the
    weights.

    Args:
        model: `GPT3`.
        examples: `keras_gpt3.data.CompletionExamples` to train on.
        recipe: `FinetuningRecipe`. Defaults to `None`, its defaults.
        validation: `CompletionExamples` that are not trained on. Defaults to
            `None`.
        verbose: as in `keras.Model.fit`. Defaults to `"auto"`, a bar for each
            epoch.

    Returns:
        A `FinetuningHistory` of all steps and epochs.

    Raises:
        TypeError: If the pairs are not encoded, or the recipe is none.
        ValueError: If the model has other adapters than the recipe asks for,
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
    steps = [len(_batches(examples, recipe, epoch)) for epoch in epochs]
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
        # In no other pair's company, as an answer will be.
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
    except MemoryError as error:
        if "Compile with" not in str(error):
            raise
        # The recipe says what the model is compiled with.
        message = str(error).replace("Compile with", "Pass a recipe with")
        raise MemoryError(message) from None


def _batches(examples, recipe, epoch):
    return completion_batches(
        examples, recipe.batch_size, recipe.layout, recipe.seed, epoch
    )
