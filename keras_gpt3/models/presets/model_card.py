"""A preset's folder, written with the card that describes its model."""

import contextlib
import pathlib
import shutil

import keras

from keras_gpt3.atomic_write import atomic_folder
from keras_gpt3.converters.sharded_index import KERAS_FILES
from keras_gpt3.converters.sharded_index import is_checkpoint_folder


@contextlib.contextmanager
def preset_folder(preset_dir):
    """Yield a hidden folder that becomes the preset when the block ends.

    It holds the card that is there, for an edited one stays.
    """
    preset_dir = pathlib.Path(preset_dir)
    if is_checkpoint_folder(preset_dir):
        raise FileExistsError(
            "preset_dir must not hold a checkpoint in Hugging Face's layout. "
            f"Received: preset_dir='{preset_dir}', whose config.json would be "
            "replaced. Pass another folder."
        )
    with atomic_folder(preset_dir, _always, KERAS_FILES) as folder:
        card = preset_dir / CARD_FILE
        if card.exists():
            shutil.copyfile(card, folder / CARD_FILE)
        yield folder


def _always(folder):
    return True


# As in keras-hub.
CARD_FILE = "README.md"

# A card without this line is its author's own.
_MARK = "<!-- Written by save_to_preset. Drop this line to keep your edits. -->"


def model_card(model, title="A GPT-3 model", license=None, source=None):
    """Describe a model as its page on a hub should.

    GPT-3's weights were never published, and the card says so: what was
    trained, and on what, is for its author to say.
    """
    origin = (
        f"Its weights began as those of `{source}`."
        if source
        else "GPT-3's own weights were never published: these are others."
    )
    lines = [
        *_header(license, source),
        f"# {title}",
        "",
        "A model of GPT-3's architecture (Brown et al. 2020, "
        "https://arxiv.org/abs/2005.14165) for the Keras package `keras_gpt3`. "
        + origin,
        "",
        *_loading(model),
        "## Architecture",
        "",
        *_table(model),
        "",
        "What it learned from, how well it does and what it must not be used "
        "for is for its author to add.",
        "",
        _MARK,
        "",
    ]
    return "\n".join(lines)


def write_model_card(model, folder, **details):
    """Write a card into a folder, unless its author wrote one."""
    path = pathlib.Path(folder) / CARD_FILE
    # Another encoding is its author's affair.
    if path.exists() and _MARK not in path.read_text("utf-8", "replace"):
        return
    path.write_text(model_card(model, **details), "utf-8")


def _header(license, source):
    """What a hub sorts models by."""
    lines = ["library_name: keras-hub", "pipeline_tag: text-generation"]
    if license:
        lines.append(f"license: {license}")
    if source:
        lines.append(f"base_model: {source}")
    lines += ["tags:", "- keras", "- keras_gpt3", "- gpt3"]
    return ["---", *lines, "---", ""]


def _loading(model):
    """How to load it."""
    prompt = "model.generate({'token_ids': ..., 'padding_mask': ...})"
    if model.preprocessor is not None:
        prompt = 'model.generate("Once upon a time", max_length=64)'
    return [
        "## Use",
        "",
        "```python",
        "import keras_gpt3",
        "",
        '# Or "hf://" and the name of this repository.',
        'model = keras_gpt3.GPT3.from_preset("path/of/this/folder")',
        prompt,
        "```",
        "",
        "`keras_hub.models.CausalLM.from_preset` loads it too, once "
        "`keras_gpt3` is imported.",
        "",
    ]


def _table(model):
    """The backbone's arguments and its size."""
    config = model.backbone.get_config()
    rows = {
        name: value
        for name, value in config.items()
        if name not in ("name", "trainable", "dtype")
    }
    rows["dtype"] = keras.dtype_policies.get(config["dtype"]).name
    rows["parameters"] = f"{model.backbone.count_params():,}"
    return [
        "| argument | value |",
        "|---|---|",
        *(f"| {name} | {_cell(value)} |" for name, value in rows.items()),
    ]


def _cell(value):
    """A value as a table shows it."""
    is_list = isinstance(value, (list, tuple))
    return ", ".join(map(str, value)) if is_list else value
