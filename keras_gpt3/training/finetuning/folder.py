"""The folder that a fine-tuning run leaves: whole, or not at all."""

import dataclasses
import json
import pathlib

import numpy as np

from keras_gpt3.atomic_write import atomic_folder
from keras_gpt3.training.run.log import drawn_points
from keras_gpt3.training.run.log import smoothed

PRESET, ADAPTER = "preset", "adapter.lora.h5"
HISTORY, CURVES = "history.json", "curves.png"


def check_can_be_written(model, recipe, adapter_only=False):
    """Raises where what is to be written will not be there after training."""
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


# The smoothed loss is a mean over this share of the steps.
_SMOOTHED_SHARE = 0.05


def plot_finetuning(history, path=None):
    """Draws losses and learning rate over the steps."""
    # Without pyplot: no window, no state that outlives the figure.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 6), layout="constrained")
    losses, rates = figure.subplots(2, sharex=True, height_ratios=(2, 1))
    steps = np.arange(1, len(history.loss) + 1)
    loss = np.array(history.loss, "float64")
    smooth = smoothed(loss, int(_SMOOTHED_SHARE * len(loss) / 2))
    _draw(losses, steps, loss, color="0.8")
    _draw(losses, steps, smooth, color="0.2", label="training, smoothed")
    _draw_validation(losses, history)
    losses.set_ylabel("Loss (nats per completion token)")
    # Above the panel: within it there is no place that no curve may cross.
    losses.legend(
        loc="lower left", bbox_to_anchor=(0, 1), ncols=3, frameon=False
    )
    _draw(rates, steps, np.array(history.learning_rate), color="0.2")
    rates.set_ylim(bottom=0)
    rates.set_ylabel("Learning rate")
    rates.set_xlabel("Steps")
    for axis in figure.axes:
        axis.grid(alpha=0.3)
    figure.align_ylabels(figure.axes)
    if path is not None:
        figure.savefig(path)
    return figure


def _draw_validation(axis, history):
    epochs = [e for e in history.epochs if "val_loss" in e]
    if not epochs:
        return
    axis.plot(
        [e["step"] for e in epochs],
        [e["val_loss"] for e in epochs],
        color="tab:blue",
        marker="o",
        markersize=4,
        label="validation",
    )
    best = history.epochs[history.best_epoch]
    axis.plot(
        [best["step"]],
        [best["val_loss"]],
        "o",
        color="tab:red",
        label="kept",
        zorder=3,
    )


def _draw(axis, x, y, **options):
    kept = drawn_points(y)
    axis.plot(x[kept], y[kept], **options)
