import sys

import pytest
from huggingface_hub import constants

from keras_gpt3.converters.hub_files import HubFiles
from keras_gpt3.converters.hub_handle import HubHandle
from tests.converters.hub_server import ask
from tests.converters.hub_server import running_hub

FILES = {"config.json": b"{}", "big": bytes(range(256)) * 64}
HANDLE = HubHandle("org/name")


@pytest.fixture
def hub(tmp_path, monkeypatch):
    with running_hub(tmp_path / "cache", monkeypatch) as hub:
        hub.commit = hub.publish("org/name", FILES)
        yield hub


@pytest.fixture
def no_waiting(monkeypatch):
    """Failed requests are repeated without the pauses between them."""
    monkeypatch.setattr("time.sleep", lambda seconds: None)


def test_files_are_downloaded_once(hub):
    for _ in range(2):
        files = HubFiles(HANDLE)
        assert files.fetch("big").read_bytes() == FILES["big"]
        assert files.fetch("absent") is None
    assert files.folder.name == hub.commit
    downloads = hub.downloads()
    assert len(downloads) == len(set(downloads)) == 2
    asked = [path for _, path in hub.requests if path.endswith("absent")]
    assert len(asked) == 1


def test_all_files_are_of_the_commit_of_the_config(hub):
    files = HubFiles(HANDLE)
    hub.publish("org/name", FILES | {"big": b"newer"})
    assert files.fetch("big").read_bytes() == FILES["big"]
    assert HubFiles(HANDLE).fetch("big").read_bytes() == b"newer"


@pytest.mark.parametrize("by", ["tag", "commit"])
def test_a_revision_can_be_pinned(hub, by):
    commit = hub.publish("org/name", FILES | {"big": b"older"}, revision="v1")
    revision = {"tag": "v1", "commit": commit}[by]
    files = HubFiles(HubHandle("org/name", revision))
    assert files.fetch("big").read_bytes() == b"older"


def test_an_interrupted_download_goes_on_where_it_was(
    hub, no_waiting, monkeypatch
):
    files = HubFiles(HANDLE)
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 1000)
    hub.cut["big"] = 5000
    assert files.fetch("big").read_bytes() == FILES["big"]
    assert hub.ranges == [("big", 5000)]


def test_a_download_that_ends_early_leaves_no_file(hub, monkeypatch):
    files = HubFiles(HANDLE)

    def break_off(*args, **kwargs):
        raise ConnectionError("broken off\nat 5000")

    download = "huggingface_hub.file_download.http_get"
    with monkeypatch.context() as patch:
        patch.setattr(download, break_off)
        with pytest.raises(
            OSError, match=r"big of preset='hf://org/name.*broken off\). Load"
        ):
            files.fetch("big")
    assert not (files.folder / "big").exists()
    assert files.fetch("big").read_bytes() == FILES["big"]


# === Without a network ===


def offline(hub, tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)


def unreachable(hub, tmp_path, monkeypatch):
    ask("http://127.0.0.1:9", tmp_path / "cache", monkeypatch)


@pytest.mark.parametrize("cut_off", [offline, unreachable])
def test_without_a_network_the_cache_serves(
    hub, tmp_path, monkeypatch, no_waiting, cut_off
):
    files = HubFiles(HANDLE)
    files.fetch("absent")
    cut_off(hub, tmp_path, monkeypatch)
    files = HubFiles(HANDLE)
    assert files.folder.name == hub.commit
    assert files.fetch("absent") is None
    with pytest.raises(
        OSError, match="A file must be in the cache .* Received: big of preset="
    ) as error:
        files.fetch("big")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("cut_off", [offline, unreachable])
def test_without_a_network_a_new_repository_is_an_error(
    hub, tmp_path, monkeypatch, no_waiting, cut_off
):
    cut_off(hub, tmp_path, monkeypatch)
    with pytest.raises(
        OSError, match=r"config\.json of preset='hf://org/other@main' .*OFFLINE"
    ):
        HubFiles(HubHandle("org/other"))


# === Refusals ===


@pytest.mark.parametrize(
    ("handle", "message"),
    [
        (HubHandle("org/none"), "be there, and be yours .*'hf://org/none@main"),
        (HubHandle("org/--bad"), "be there, and be yours .*'hf://org/--bad@"),
        (HubHandle("org/name", "v9"), "must be a branch, .*'hf://org/name@v9'"),
        (HubHandle("org/gated"), "The terms of a gated .*'hf://org/gated@main"),
        (HubHandle("org/empty"), r"must hold a config\.json.*'hf://org/empty@"),
    ],
)
def test_what_cannot_be_had_is_named(hub, handle, message):
    hub.gated.add("org/gated")
    hub.publish("org/empty", {})
    with pytest.raises(ValueError, match=message) as error:
        HubFiles(handle)
    assert "\n" not in str(error.value)


def test_without_the_library_one_sentence_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(
        ImportError, match=r"the package huggingface-hub.*gpt3\[convert\]"
    ):
        HubFiles(HANDLE)
