"""The folder that a fine-tuning run leaves: whole, or not at all."""

import dataclasses
import json
import pathlib

import numpy as np

from keras_gpt3.atomic_write import atomic_folder
from keras_gpt3.reporting.figures import Curve
from keras_gpt3.reporting.figures import Panel
from keras_gpt3.reporting.figures import noisy_curve
from keras_gpt3.reporting.figures import plot_panels

PRESET, ADAPTER = "preset", "adapter.lora.h5"
HISTORY, CURVES = "history.json", "curves.png"


def check_can_be_written(model, recipe, adapter_only=False):
    """Raise where what is to be written will not be there after training."""
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
    """Write a fine-tuned model, its history and its curves.

    The folder appears under its name when it is whole. It holds `preset` for
    `GPT3.from_preset`, `adapter.lora.h5` for
    `GPT3Backbone.load_lora_weights` if adapters were trained, `history.json`
    and `curves.png`. To write the preset, adapters are merged into the model.
    """
    check_can_be_written(model, recipe, adapter_only)
    record = {"recipe": dataclasses.asdict(recipe), **(settings or {})}
    record |= dataclasses.asdict(history)
    with atomic_folder(folder) as temporary:
        text = json.dumps(record, indent=2) + "\n"
        (temporary / HISTORY).write_text(text, "utf-8")
        plot_finetuning(history, temporary / CURVES)
        names = [HISTORY, CURVES, *_write_model(model, temporary, adapter_only)]
    return {name: pathlib.Path(folder) / name for name in names}


def _write_model(model, folder, adapter_only):
    """Write what was trained; return the names of what it wrote."""
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


def plot_finetuning(history, path=None):
    """Draw losses and learning rate over the steps."""
    steps = np.arange(1, len(history.loss) + 1)
    loss = noisy_curve(steps, np.array(history.loss), "training")
    rate = Curve(steps, np.array(history.learning_rate))
    panels = (
        Panel(
            "Loss (nats per completion token)",
            (*loss, *_validation_curves(history)),
            height=2,
        ),
        Panel("Learning rate", (rate,), from_zero=True),
    )
    return plot_panels(panels, "Steps", path=path)


def _validation_curves(history):
    epochs = [e for e in history.epochs if "val_loss" in e]
    if not epochs:
        return ()
    best = history.epochs[history.best_epoch]
    return tuple(
        Curve(
            np.array([e["step"] for e in some]),
            np.array([e["val_loss"] for e in some]),
            label,
            {"color": colour, "marker": "o", "markersize": 4},
        )
        for some, label, colour in (
            (epochs, "validation", "tab:blue"),
            ([best], "weights kept", "tab:red"),
        )
    )
