"""The folder that a fine-tuning run leaves: whole, or not at all."""

import dataclasses
import json
import pathlib

from keras_gpt3.replaced_folder import replaced_folder
from keras_gpt3.training.finetuning_plot import plot_finetuning

PRESET, ADAPTER = "preset", "adapter.lora.h5"
HISTORY, CURVES = "history.json", "curves.png"


def check_can_be_written(model, recipe, adapter_only=False):
    """Raises where what is to be written will not be there after training.

    Args:
        model: `GPT3`, or `None` before it is loaded.
        recipe: `FinetuningRecipe`.
        adapter_only: bool. Whether only adapters are to be written. Defaults
            to `False`.

    Raises:
        ValueError: If adapters alone are wanted and the recipe trains none, or
            a whole model, into whose quantized weights none can be merged.

    Example:

    ```python
    from keras_gpt3.training.finetuned_folder import check_can_be_written
    from keras_gpt3.training.finetuning_recipe import FinetuningRecipe

    check_can_be_written(None, FinetuningRecipe(lora_rank=4), adapter_only=True)
    ```
    """
    if adapter_only and not recipe.lora_rank:
        raise ValueError(
            "adapter_only must come with a lora_rank of at least 1. Received: "
            "adapter_only=True, lora_rank=0. Without adapters, the whole "
            "model is what was trained."
        )
    if model is None or adapter_only:
        return
    mode = model.backbone.token_embedding.quantization_mode
    if mode is not None:
        raise ValueError(
            "A whole model must not be quantized to be written after "
            f"training. Received: a model in {mode}. Write its adapters alone, "
            "with adapter_only=True or --adapter-only."
        )


def write_finetuned(
    model, folder, history, recipe, adapter_only=False, settings=None
):
    """Writes a fine-tuned model, its history and its curves.

    The folder appears under its name when it is whole. It holds `preset` for
    `GPT3.from_preset`, `adapter.lora.h5` for
    `GPT3Backbone.load_lora_weights` if adapters were trained, `history.json`
    and `curves.png`. To write the preset, adapters are merged into the model.

    Args:
        model: `GPT3`, as `finetune` leaves it.
        folder: path. It does not exist, or is empty.
        history: `FinetuningHistory`.
        recipe: `FinetuningRecipe`.
        adapter_only: bool. Whether to leave out `preset` and leave adapters
            in place. Defaults to `False`.
        settings: dict. What else `history.json` is to tell of the run.
            Defaults to `None`, nothing.

    Returns:
        A dict from what was written to its `pathlib.Path`.

    Raises:
        FileExistsError: If something is there.
        ValueError: As `check_can_be_written`.

    Example:

    ```python
    import keras_gpt3
    from keras_gpt3.training.finetuned_folder import write_finetuned
    from keras_gpt3.training.finetuning_history import FinetuningHistory

    backbone = keras_gpt3.GPT3Backbone(
        vocabulary_size=100, num_layers=1, num_heads=2, hidden_dim=16,
        intermediate_dim=64, max_sequence_length=32,
    )
    model = keras_gpt3.GPT3(backbone)
    recipe = keras_gpt3.training.FinetuningRecipe(epochs=1)
    epoch = {"step": 1, "loss": 2.0}
    history = FinetuningHistory([2.0], [1e-5], [epoch], best_epoch=0)
    write_finetuned(model, "tuned", history, recipe)
    ```
    """
    check_can_be_written(model, recipe, adapter_only)
    record = {"recipe": dataclasses.asdict(recipe), **(settings or {})}
    record |= dataclasses.asdict(history)
    with replaced_folder(folder) as temporary:
        text = json.dumps(record, indent=2) + "\n"
        (temporary / HISTORY).write_text(text, "utf-8")
        plot_finetuning(history, temporary / CURVES)
        names = [HISTORY, CURVES, *_write_model(model, temporary, adapter_only)]
    return {name: pathlib.Path(folder) / name for name in names}


def _write_model(model, folder, adapter_only):
    """Writes what was trained; returns the names of what it wrote."""
    names = []
    if model.backbone.lora_settings is not None:
        names.append(ADAPTER)
        model.backbone.save_lora_weights(folder / ADAPTER)
    if adapter_only:
        return names
    if names:
        # Keras would merge too, but in the compute dtype.
        model.backbone.merge_lora()
    model.save_to_preset(str(folder / PRESET))
    return [*names, PRESET]
