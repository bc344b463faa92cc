import errno

import huggingface_hub
import pytest
from huggingface_hub import constants
from huggingface_hub import errors

from keras_gpt3.converters.hub_snapshot import HubFiles
from keras_gpt3.converters.hub_snapshot import HubHandle
from tests.converters.hub_server import ask
from tests.converters.hub_server import fill_cache
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


@pytest.mark.parametrize(
    ("raised", "reason"),
    [
        (errors.HTTPError("no\nroute"), "HTTPError: no"),
        (OSError(errno.ENOSPC, "No space left"), "OSError: .* No space left"),
        (RuntimeError("CAS service error"), "RuntimeError: CAS service error"),
        (ValueError("The file is too large"), "ValueError: The file is too"),
    ],
)
def test_whatever_ends_a_download_is_told_in_one_line(
    hub, monkeypatch, raised, reason
):
    def fail(*args, **kwargs):
        raise raised

    files = HubFiles(HANDLE)
    monkeypatch.setattr("huggingface_hub.file_download.http_get", fail)
    with pytest.raises(OSError, match=rf"big of .* \({reason}.*\)\.") as error:
        files.fetch("big")
    assert "\n" not in str(error.value)
    assert files.not_asked == []


def test_a_mistake_in_a_program_is_not_taken_for_a_lack_of_network(
    hub, monkeypatch
):
    def fail(*args, **kwargs):
        raise NameError("name 'x' is not defined")

    monkeypatch.setattr("huggingface_hub.file_download.http_get", fail)
    with pytest.raises(NameError):
        HubFiles(HANDLE)


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
    assert files.not_asked == []


@pytest.mark.parametrize("cut_off", [offline, unreachable])
@pytest.mark.parametrize("by", ["branch", "commit"])
def test_without_a_network_a_file_that_is_not_cached_counts_as_absent(
    hub, tmp_path, monkeypatch, no_waiting, cut_off, by
):
    fill_cache(["config.json"])
    cut_off(hub, tmp_path, monkeypatch)
    revision = {"branch": "main", "commit": hub.commit}[by]
    files = HubFiles(HubHandle("org/name", revision))
    assert files.fetch("big") is files.fetch("absent") is None
    assert files.not_asked == ["big", "absent"]
    files.check_asked("config.json")
    for name in files.not_asked:
        with pytest.raises(
            OSError, match=f"A file must be in the cache .* Received: {name} of"
        ) as error:
            files.check_asked(name)
        assert "\n" not in str(error.value)
        assert "http" not in str(error.value)


def test_what_cannot_be_reached_once_is_not_asked_again(
    hub, tmp_path, monkeypatch, no_waiting
):
    asked = []
    download = huggingface_hub.hf_hub_download

    def record(filename, local_files_only, **at):
        asked.append((filename, local_files_only))
        return download(
            filename=filename, local_files_only=local_files_only, **at
        )

    fill_cache(["config.json"])
    unreachable(hub, tmp_path, monkeypatch)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", record)
    files = HubFiles(HANDLE)
    files.fetch("big")
    ask("http://127.0.0.1:8", tmp_path / "cache", monkeypatch)
    files.fetch("absent")
    # The big file was sought on the hub alone.
    assert asked == [("config.json", False), ("absent", True)]
    assert files.not_asked == ["big", "absent"]


def test_no_network_is_noticed_at_once_and_logged_once(
    tmp_path, monkeypatch, caplog
):
    def wait(seconds):
        raise AssertionError("Nobody waits for a network.")

    monkeypatch.setattr("time.sleep", wait)
    ask("http://127.0.0.1:9", tmp_path / "cache", monkeypatch)
    with pytest.raises(OSError, match=r"config\.json of .* \(ConnectError: "):
        HubFiles(HANDLE)
    assert caplog.messages == []


def test_a_hub_that_is_busy_is_asked_again(hub, no_waiting):
    hub.busy = 2
    assert HubFiles(HANDLE).folder.name == hub.commit
    assert hub.busy == 0


@pytest.mark.parametrize("answer", ["config.json", "other", "absent"])
def test_a_failure_after_an_answer_is_an_error(
    hub, tmp_path, monkeypatch, no_waiting, answer
):
    hub.publish("org/name", FILES | {"other": b""})
    if answer != "config.json":
        fill_cache(["config.json"])
    files = HubFiles(HANDLE)
    files.fetch(answer)
    unreachable(hub, tmp_path, monkeypatch)
    with pytest.raises(OSError, match="Received: big of preset="):
        files.fetch("big")
    assert files.not_asked == []


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
