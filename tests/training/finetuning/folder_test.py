import json
import re

import numpy as np
import pytest

from keras_gpt3 import GPT3
from keras_gpt3.training.finetuning.finetune import FinetuningHistory
from keras_gpt3.training.finetuning.folder import check_can_be_written
from keras_gpt3.training.finetuning.folder import plot_finetuning
from keras_gpt3.training.finetuning.folder import write_finetuned
from keras_gpt3.training.finetuning.recipe import FinetuningRecipe
from tests.models.lora.lora_test import fill
from tests.models.lora.lora_test import states
from tests.small_gpt3 import quantize
from tests.small_gpt3 import small_text_model

# === Finetuned folder ===


HISTORY = FinetuningHistory([2.0], [1e-3], [{"step": 1, "loss": 2.0}], 0)
LORA = FinetuningRecipe(lora_rank=2)


def adapted_model():
    model = small_text_model()
    model.backbone.enable_lora(2)
    fill(model.backbone)
    return model


def test_all_weights_are_written_as_a_preset(tmp_path):
    model = small_text_model()
    out = tmp_path / "made" / "out"
    written = write_finetuned(
        model, out, HISTORY, FinetuningRecipe(), settings={"model": "small"}
    )
    assert sorted(written) == ["curves.png", "history.json", "preset"]
    assert sorted(p.name for p in out.iterdir()) == sorted(written)
    assert all(path.exists() for path in written.values())
    loaded = GPT3.from_preset(str(out / "preset"))
    np.testing.assert_array_equal(
        states(loaded.backbone), states(model.backbone)
    )
    record = json.loads((out / "history.json").read_text())
    assert record["loss"] == [2.0]
    assert record["best_epoch"] == 0
    assert record["recipe"]["epochs"] == 3
    assert record["model"] == "small"


def test_adapters_are_written_beside_the_merged_model(tmp_path):
    model = adapted_model()
    before = states(model.backbone)
    written = write_finetuned(model, tmp_path / "out", HISTORY, LORA)
    assert {"adapter.lora.h5", "preset"} <= set(written)
    loaded = GPT3.from_preset(str(written["preset"]))
    np.testing.assert_allclose(states(loaded.backbone), before, atol=1e-5)


def test_adapters_may_be_written_alone_into_an_empty_folder(tmp_path):
    model = adapted_model()
    written = write_finetuned(model, tmp_path, HISTORY, LORA, adapter_only=True)
    assert "preset" not in written
    size = written["adapter.lora.h5"].stat().st_size
    assert size < 4 * model.count_params() / 2
    expected = states(model.backbone)
    fill(model.backbone, seed=1)
    model.backbone.load_lora_weights(written["adapter.lora.h5"])
    np.testing.assert_array_equal(states(model.backbone), expected)


def test_a_write_that_fails_leaves_nothing(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError("No space left on device")

    model = small_text_model()
    monkeypatch.setattr(type(model), "save_to_preset", fail)
    with pytest.raises(OSError, match="No space left"):
        write_finetuned(model, tmp_path / "out", HISTORY, FinetuningRecipe())
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_holds_something_stays(tmp_path):
    (tmp_path / "thesis.txt").write_text("")
    with pytest.raises(FileExistsError, match="^The folder must be empty or "):
        write_finetuned(None, tmp_path, HISTORY, FinetuningRecipe())
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_adapters_alone_need_adapters(tmp_path):
    message = (
        "adapter_only must come with a lora_rank of at least 1. Received: "
        "adapter_only=True, lora_rank=0. Without adapters, the whole model is "
        "what was trained."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        write_finetuned(
            None, tmp_path, HISTORY, FinetuningRecipe(), adapter_only=True
        )


def test_a_quantized_model_is_refused_before_it_is_trained():
    model = quantize(small_text_model(num_layers=1), mode="int8")
    message = (
        "A whole model must not be quantized to be written after training. "
        "Received: a model in int8. Write its adapters alone, with "
        "adapter_only=True or --adapter-only."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        check_can_be_written(model, LORA)
    check_can_be_written(model, LORA, adapter_only=True)


# === Finetuning plot ===


def history(validated):
    epochs = [{"step": 3, "loss": 2.5}, {"step": 6, "loss": 1.5}]
    if validated:
        epochs = [e | {"val_loss": e["loss"] + 0.1} for e in epochs]
    loss, rate = [3.0, 2.5, 2.0, 1.8, 1.5, 1.2], [1e-3] * 6
    return FinetuningHistory(loss, rate, epochs, best_epoch=1)


@pytest.mark.parametrize("validated", [True, False])
def test_both_losses_and_the_rate_are_drawn(validated, tmp_path):
    figure = plot_finetuning(history(validated), tmp_path / "a.png")
    losses, rates = figure.axes
    lines = {line.get_label(): line for line in losses.lines}
    assert ("validation" in lines) == ("weights kept" in lines) == validated
    if validated:
        np.testing.assert_allclose(
            lines["validation"].get_xydata(), [(3, 2.6), (6, 1.6)]
        )
        assert lines["weights kept"].get_xydata().tolist() == [[6, 1.6]]
    assert losses.lines[0].get_ydata().tolist() == history(True).loss
    assert rates.lines[0].get_ydata().tolist() == [1e-3] * 6
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_a_high_loss_fills_its_panel_and_no_legend_covers_it():
    high = history(True)
    high.loss = [loss + 9 for loss in high.loss]
    for epoch in high.epochs:
        epoch["val_loss"] += 9
    figure = plot_finetuning(high)
    figure.draw_without_rendering()
    losses = figure.axes[0]
    bottom, top = losses.get_ylim()
    assert 10 < bottom < top < 12.2
    legend = losses.get_legend().get_window_extent()
    assert legend.y0 >= losses.get_window_extent().y1
