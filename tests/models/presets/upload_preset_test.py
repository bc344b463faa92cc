import pathlib
import types

import huggingface_hub
import kagglehub
import pytest
from huggingface_hub import errors
from huggingface_hub.errors import HFValidationError

from keras_gpt3.models.presets.model_card import write_model_card
from keras_gpt3.models.presets.upload_preset import upload_preset
from tests.small_gpt3 import small_text_model

URI = "hf://me/tiny"


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("preset")
    model = small_text_model()
    model.save_to_preset(str(folder))
    write_model_card(model, folder, title="Our own card")
    return folder


@pytest.fixture
def hub(monkeypatch):
    """A hub of one repository: a dict of file name to content."""
    files = {}

    def create_repo(repo_id, exist_ok):
        assert exist_ok
        if " " in repo_id:
            raise HFValidationError("no spaces")
        return types.SimpleNamespace(repo_id=repo_id)

    def upload_file(path_or_fileobj, path_in_repo, repo_id):
        with open(path_or_fileobj, encoding="utf-8") as file:
            files[path_in_repo] = file.read()

    def upload_folder(repo_id, folder_path):
        for path in pathlib.Path(folder_path).rglob("*"):
            if path.is_file():
                name = path.relative_to(folder_path).as_posix()
                is_text = path.suffix in (".md", ".json")
                files[name] = path.read_text("utf-8") if is_text else None

    def file_exists(repo_id, filename):
        return filename in files

    for function in (create_repo, upload_file, upload_folder, file_exists):
        monkeypatch.setattr(huggingface_hub, function.__name__, function)
    return files


def test_the_page_of_a_new_repository_is_the_folder_s_card(saved, hub):
    card = (saved / "README.md").read_text("utf-8")
    upload_preset(URI, saved)
    assert hub["README.md"] == card
    assert {"config.json", "model.weights.h5", "task.json"} <= set(hub)
    assert "assets/tokenizer/vocabulary.json" in hub
    # keras-hub would have put its own in its place, and then deleted it.
    assert (saved / "README.md").read_text("utf-8") == card


def test_a_folder_without_a_card_gets_keras_hub_s(hub, tmp_path):
    small_text_model().save_to_preset(str(tmp_path))
    (tmp_path / "README.md").unlink(missing_ok=True)
    upload_preset(URI, tmp_path)
    assert "generated automatically" in hub["README.md"]


def test_kaggle_gets_the_folder_as_it_is(saved, monkeypatch):
    uploads = []
    monkeypatch.setattr(
        kagglehub, "model_upload", lambda *arguments: uploads.append(arguments)
    )
    upload_preset("kaggle://me/tiny/keras/tiny_en", saved)
    assert uploads == [("me/tiny/keras/tiny_en", str(saved))]


@pytest.mark.parametrize("uri", ["me/tiny", "https://me/tiny", "", 5, None])
def test_another_scheme_raises(uri, saved):
    with pytest.raises(
        ValueError, match=r"uri must begin with 'hf://' or 'kaggle://'\. Rec"
    ):
        upload_preset(uri, saved)


def test_a_bad_name_raises_one_line(saved, hub):
    with pytest.raises(
        ValueError, match=r"and a repository's name\. .*no spaces"
    ):
        upload_preset("hf://me/a b", saved)
    assert not hub


@pytest.mark.parametrize("missing", ["config.json", "model.weights.h5"])
def test_half_a_preset_is_not_uploaded(missing, hub, tmp_path):
    for name in {"config.json", "model.weights.h5"} - {missing}:
        (tmp_path / name).write_text("{}")
    with pytest.raises(
        ValueError, match=r"must be a folder with a config\.json and weights\."
    ):
        upload_preset(URI, tmp_path)
    assert not hub


@pytest.mark.parametrize("uri", ["kaggle://x", "kaggle://a/b/c", "kaggle://"])
def test_a_uri_of_kaggle_has_four_parts(uri, saved):
    with pytest.raises(
        ValueError, match="the form kaggle://name/model/framework/variation. R"
    ):
        upload_preset(uri, saved)


def raises(error):
    def function(*arguments, **named):
        raise error

    return function


@pytest.mark.parametrize(
    "error",
    [
        errors.HTTPError("no route\nto the host"),
        errors.OfflineModeIsEnabled("no route: offline mode"),
        ConnectionError("no route"),
    ],
)
def test_without_a_network_there_is_one_line(error, saved, hub, monkeypatch):
    monkeypatch.setattr(huggingface_hub, "create_repo", raises(error))
    message = (
        rf"Received: uri='hf://me/tiny' \({type(error).__name__}: no route"
    )
    with pytest.raises(OSError, match=message) as raised:
        upload_preset(URI, saved)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "error", [OSError("no route"), kagglehub.exceptions.BackendError("no")]
)
def test_without_kaggle_there_is_one_line(error, saved, monkeypatch):
    monkeypatch.setattr(kagglehub, "model_upload", raises(error))
    with pytest.raises(OSError, match="The hub must be reached, .*Error: no"):
        upload_preset("kaggle://me/tiny/keras/tiny_en", saved)


def test_a_file_that_vanished_is_not_taken_for_the_network(
    saved, hub, monkeypatch
):
    error = FileNotFoundError("config.json is missing")
    monkeypatch.setattr(huggingface_hub, "upload_folder", raises(error))
    with pytest.raises(FileNotFoundError, match=r"config\.json is missing"):
        upload_preset(URI, saved)
