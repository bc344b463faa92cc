"""A preset's folder: written with its card, and uploaded."""

import contextlib
import pathlib
import re
import shutil

import huggingface_hub
import keras
import keras_hub

from keras_gpt3.argument_checks import echoed
from keras_gpt3.atomic_write import atomic_folder
from keras_gpt3.converters.sharded_index import KERAS_FILES
from keras_gpt3.converters.sharded_index import is_checkpoint_folder


@contextlib.contextmanager
def preset_folder(preset_dir):
    """Gives a hidden folder that becomes the preset when the block ends.

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


_FORMS = {
    "hf://": "hf://org/name",
    "kaggle://": "kaggle://name/model/framework/variation",
}


def upload_preset(uri, preset):
    """Upload a folder that `save_to_preset` wrote.

    As `keras_hub.upload_preset`, except that the page of a new repository on
    Hugging Face's hub is the folder's own `README.md`, which keras-hub would
    replace by one of its own.

    Args:
        uri: string. `"hf://org/name"`, or
            `"kaggle://name/model/framework/variation"`.
        preset: string or path. The folder.

    Raises:
        ImportError: If kagglehub is not installed.
        OSError: If the hub cannot be reached, or refuses the upload.
        ValueError: If `uri` has another form, or `preset` is not a folder
            with a saved model and its weights.

    Example:

    ```python
    from keras_gpt3.models.presets.preset_saving import upload_preset

    def share(model):
        model.save_to_preset("my_model")
        upload_preset("hf://me/my_model", "my_model")
    ```
    """
    _check_uri(uri)
    folder = pathlib.Path(preset)
    has_weights = any(folder.glob("*.weights.h5"))
    if not (folder / "config.json").exists() or not has_weights:
        raise ValueError(
            "preset must be a folder with a config.json and weights. Received: "
            f"preset={echoed(str(preset))}. Pass a folder that save_to_preset "
            "wrote."
        )
    card = folder / CARD_FILE
    with _errors_in_one_line(uri):
        if uri.startswith("hf://") and card.exists():
            _upload_card(uri.removeprefix("hf://"), card)
        keras_hub.upload_preset(uri, str(folder))


def _check_uri(uri):
    """Raise unless a hub could take it for a name."""
    if not isinstance(uri, str) or not uri.startswith(tuple(_FORMS)):
        raise ValueError(
            "uri must begin with 'hf://' or 'kaggle://'. Received: "
            f"uri={echoed(uri)}. Pass 'hf://' and a name on Hugging Face's hub."
        )
    form = _FORMS["kaggle://"]
    if uri.startswith("kaggle://") and not re.fullmatch(
        r"kaggle:/(/[\w.-]+){4}", uri
    ):
        raise ValueError(
            f"A uri of Kaggle's hub must have the form {form}. Received: "
            f"uri={echoed(uri)}. Pass all four parts."
        )


@contextlib.contextmanager
def _errors_in_one_line(uri):
    """Turn the errors of the hubs' libraries into one of our own."""
    try:
        yield
    except _errors_of_hubs() as error:
        if isinstance(error, FileNotFoundError):
            raise  # Of a file here.
        reason = (str(error).strip() or "no reason").splitlines()[0]
        raise OSError(
            "The hub must be reached, and take the upload. Received: "
            f"uri={echoed(uri)} ({type(error).__name__}: "
            f"{reason.rstrip('.'):.200}). Look at the network, unset "
            "HF_HUB_OFFLINE, and log in."
        ) from error


def _errors_of_hubs():
    """What an upload raises, by the libraries that are installed."""
    # OSError without a network, and of kagglehub's HTTP library.
    found = [OSError, huggingface_hub.errors.HTTPError]
    with contextlib.suppress(ImportError):
        from kagglehub import exceptions

        found += [exceptions.BackendError, exceptions.UnauthenticatedError]
    return tuple(found)


def _upload_card(handle, card):
    """Make the card the first file of a repository that has none.

    keras-hub writes its own over the folder's, and deletes it afterwards,
    unless the repository has a card already.
    """
    try:
        repository = huggingface_hub.create_repo(handle, exist_ok=True).repo_id
    except huggingface_hub.errors.HFValidationError as error:
        raise ValueError(
            "uri must be 'hf://' and a repository's name. Received: "
            f"uri={echoed('hf://' + handle)} ({error}). Pass hf://org/name."
        ) from error
    if not huggingface_hub.file_exists(repository, card.name):
        huggingface_hub.upload_file(
            path_or_fileobj=str(card),
            path_in_repo=card.name,
            repo_id=repository,
        )
