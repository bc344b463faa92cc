"""A preset's folder, uploaded to a hub."""

import contextlib
import pathlib
import re

import huggingface_hub
import keras_hub

from keras_gpt3.argument_checks import echoed
from keras_gpt3.models.presets.model_card import CARD_FILE

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
    from keras_gpt3.models import upload_preset

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
