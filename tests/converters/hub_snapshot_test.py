import json
import pathlib
import re

import pytest
from huggingface_hub import constants

from keras_gpt3.converters.hub_snapshot import HubHandle
from keras_gpt3.converters.hub_snapshot import fetch_preset
from keras_gpt3.converters.hub_snapshot import meant_handle
from keras_gpt3.converters.hub_snapshot import parse_handle
from tests.converters.hub_server import fill_cache
from tests.converters.hub_server import running_hub

# === Hub snapshot ===


CHECKPOINT = {"config.json": b'{"model_type": "gpt2"}', "vocab.json": b"{}"}
KERAS = {"config.json": b'{"registered_name": "GPT3"}', "task.json": b"{}"}


@pytest.fixture
def hub(tmp_path, monkeypatch):
    with running_hub(tmp_path / "cache", monkeypatch) as hub:
        yield hub


def index(*shards):
    weight_map = {f"tensor {i}": shard for i, shard in enumerate(shards)}
    return json.dumps({"weight_map": weight_map}).encode()


def fetched(hub, files, **options):
    """The names of the files that a repository's folder has in the end."""
    hub.publish("org/name", files)
    folder = pathlib.Path(fetch_preset("hf://org/name", **options))
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize(
    ("weights", "wanted"),
    [
        (
            {"model.safetensors": b"1", "pytorch_model.bin": b"2"},
            {"model.safetensors"},
        ),
        (
            {
                "model.safetensors.index.json": index("1.st", "2.st"),
                "1.st": b"1",
                "2.st": b"2",
                "pytorch_model.bin": b"3",
            },
            {"model.safetensors.index.json", "1.st", "2.st"},
        ),
        (
            {"pytorch_model.bin": b"1", "tf_model.h5": b"2", "README.md": b""},
            {"pytorch_model.bin"},
        ),
    ],
)
def test_the_first_known_weights_are_fetched_and_no_others(
    hub, weights, wanted
):
    assert fetched(hub, CHECKPOINT | weights) == set(CHECKPOINT) | wanted


def test_a_keras_preset_comes_with_its_assets_and_shards(hub):
    files = KERAS | {
        "assets/tokenizer/merges.txt": b"",
        "model.weights.json": index("model_00000.weights.h5"),
        "model_00000.weights.h5": b"1",
    }
    assert fetched(hub, files) == set(files)


def test_weights_can_be_left_where_they_are(hub):
    files = CHECKPOINT | {"model.safetensors": b"1"}
    assert fetched(hub, files, weights=False) == set(CHECKPOINT)


@pytest.mark.parametrize(
    ("files", "looked_for"),
    [
        (CHECKPOINT, "model.safetensors or .*pytorch_model.bin.index.json"),
        (KERAS, "model.weights.h5 or model.weights.json"),
    ],
)
def test_a_repository_without_weights_is_an_error(hub, files, looked_for):
    with pytest.raises(
        ValueError,
        match=f"^The repository must hold weights: {looked_for}. Received: "
        "preset='hf://org/name' with none of them. Pass load_weights=False for "
        "new ones.$",
    ):
        fetched(hub, files)


def test_a_shard_that_the_repository_lacks_is_named(hub):
    shards = {"model.safetensors.index.json": index("1.st")}
    message = (
        "Every shard that an index names must be there. Received: "
        "model.safetensors.index.json with '1.st', which "
        "preset='hf://org/name' lacks. Tell its owner."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        fetched(hub, CHECKPOINT | shards)


def test_an_index_that_points_elsewhere_is_refused(hub):
    shards = {"model.safetensors.index.json": index("../../x")}
    with pytest.raises(ValueError, match="A shard must lie beside its index"):
        fetched(hub, CHECKPOINT | shards)


def test_a_known_name_stands_for_its_repository(hub):
    handle = parse_handle("gpt2_base_en")
    assert handle.repository == "openai-community/gpt2"
    assert str(handle) == "gpt2_base_en (hf://openai-community/gpt2@main)"
    hub.publish(handle.repository, CHECKPOINT | {"model.safetensors": b"1"})
    folder = pathlib.Path(fetch_preset("gpt2_base_en"))
    assert (folder / "model.safetensors").read_bytes() == b"1"


def test_a_known_name_that_is_not_cached_says_what_to_download_and_whereto(
    hub, tmp_path, monkeypatch
):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    message = re.escape(
        "A file must be in the cache or be downloaded. Received: config.json of"
        " preset='gpt2_base_en (hf://openai-community/gpt2@main)' ("
    )
    remedy = re.escape(
        "). Load it once with a network, without HF_HUB_OFFLINE; it is kept in "
        f"{tmp_path / 'cache'}."
    )
    with pytest.raises(OSError, match=f"^{message}.*{remedy}$") as error:
        fetch_preset("gpt2_base_en")
    assert "\n" not in str(error.value)


def test_a_handle_of_another_form_is_an_error():
    with pytest.raises(ValueError, match="must have the form hf://org/name"):
        fetch_preset("hf://")


# === Without a network, from a cache that others filled ===

SHARDED = {
    "model.safetensors.index.json": index("1.st", "2.st"),
    "1.st": b"1",
    "2.st": b"2",
}
KERAS_SHARDED = {
    "model.weights.json": index(["1.weights.h5", "2.weights.h5"]),
    "1.weights.h5": b"1",
    "2.weights.h5": b"2",
}


def fetched_offline(hub, files, cached, monkeypatch, **options):
    """What `fetch_preset` makes of a cache with some of the files."""
    hub.publish("org/name", files)
    fill_cache(cached)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return fetched(hub, files, **options)


@pytest.mark.parametrize(
    "files",
    [
        CHECKPOINT | {"model.safetensors": b"1"},
        CHECKPOINT | {"pytorch_model.bin": b"1"},
        CHECKPOINT | SHARDED,
        KERAS | {"model.weights.h5": b"1"},
        KERAS | KERAS_SHARDED,
    ],
    ids=lambda files: [name for name in files if "model" in name][0],
)
def test_a_cache_with_whole_weights_serves(hub, files, monkeypatch, caplog):
    assert fetched_offline(hub, files, files, monkeypatch) == set(files)
    (record,) = caplog.records
    assert record.name == "keras_gpt3"
    assert "Received: preset='hf://org/name' without " in record.message
    assert "tokenizer.json" in record.message
    assert not any(f" {name}" in record.message for name in files)


@pytest.mark.parametrize(
    ("files", "lacks"),
    [
        (CHECKPOINT | {"model.safetensors": b"1"}, "model.safetensors"),
        (CHECKPOINT | SHARDED, "1.st"),
        (CHECKPOINT | SHARDED, "2.st"),
        (KERAS | {"model.weights.h5": b"1"}, "model.weights.h5"),
        (KERAS | KERAS_SHARDED, "2.weights.h5"),
    ],
)
def test_a_part_of_the_weights_is_no_model(
    hub, files, lacks, monkeypatch, caplog
):
    with pytest.raises(
        OSError, match=f"A file must be in the cache .* Received: {lacks} of"
    ) as error:
        fetched_offline(hub, files, files.keys() - {lacks}, monkeypatch)
    assert "\n" not in str(error.value)
    assert not caplog.records


@pytest.mark.parametrize("weights", [True, False])
def test_a_model_without_tokenizer_is_warned_of(
    hub, weights, monkeypatch, caplog
):
    files = CHECKPOINT | {"model.safetensors": b"1"}
    cached = ["config.json", "model.safetensors"]
    options = {"weights": weights}
    received = fetched_offline(hub, files, cached, monkeypatch, **options)
    assert received == set(cached)
    assert caplog.messages == [
        "Files that the cache lacks count as absent when the hub cannot be "
        "asked. Received: preset='hf://org/name' without tokenizer.json, "
        "tokenizer_config.json, vocab.json, merges.txt, "
        "special_tokens_map.json, added_tokens.json, generation_config.json; "
        "so it has no tokenizer and no preprocessor. Load it once with a "
        "network for all that there is."
    ]


def test_a_cache_that_this_package_filled_is_known_to_be_whole(
    hub, monkeypatch, caplog
):
    files = CHECKPOINT | {"model.safetensors": b"1"}
    fetched(hub, files)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert fetched(hub, files) == set(files)
    assert not caplog.records


def test_with_a_network_what_others_left_out_is_downloaded(hub, caplog):
    files = CHECKPOINT | SHARDED
    hub.publish("org/name", files)
    fill_cache(["config.json", "1.st"])
    assert fetched(hub, files) == set(files)
    assert not caplog.records


# === Hub handle ===


@pytest.mark.parametrize(
    ("text", "handle"),
    [
        ("hf://org/name", HubHandle("org/name", "main")),
        ("hf://gpt2", HubHandle("gpt2", "main")),
        ("hf://org/na-me.1@v1.0", HubHandle("org/na-me.1", "v1.0")),
        ("hf://org/name@refs/pr/3", HubHandle("org/name", "refs/pr/3")),
        ("hf://_org/na__me@a+b", HubHandle("_org/na__me", "a+b")),
    ],
)
def test_a_handle_names_a_repository_and_a_revision(text, handle):
    assert parse_handle(text) == handle


def test_a_handle_prints_as_it_is_written():
    assert str(parse_handle("hf://org/name")) == "hf://org/name@main"


@pytest.mark.parametrize(
    "text",
    [
        *("hf://", "hf://a/b/c", "org/name", "hf://a b", "hf://a/b@"),
        # Steps upwards, on disk or in an address.
        *("hf://../..", "hf://../x", "hf://a/..", "hf://./x", "hf://a/.b"),
        *("hf://a/b@../x", "hf://a/b@x/../y", "hf://a/b@/x", "hf://a/b@.x"),
    ],
)
def test_another_form_is_an_error(text):
    with pytest.raises(
        ValueError, match="the form hf://org/name .*Received: preset=.*Take"
    ):
        parse_handle(text)


@pytest.mark.parametrize(
    "text",
    [
        "org/name",
        "HF://org/name",
        "hf:/org/name",  # What pathlib makes of a handle.
        "https://huggingface.co/org/name",
        "http://www.huggingface.co/org/name/",
        "https://hf.co/org/name/tree/main",
        "huggingface.co/org/name",
    ],
)
def test_what_people_type_is_understood(text):
    assert meant_handle(text) == "hf://org/name"


@pytest.mark.parametrize(
    "text",
    ["name", "/org/name", "./name", "../org/name", "a/b/c", "s3://org/name"],
)
def test_what_may_be_a_folder_is_not_guessed_at(text):
    assert meant_handle(text) is None
