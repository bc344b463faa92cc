import pytest

from keras_gpt3.converters.hub_snapshot import HubHandle
from keras_gpt3.converters.hub_snapshot import meant_handle
from keras_gpt3.converters.hub_snapshot import parse_handle


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
