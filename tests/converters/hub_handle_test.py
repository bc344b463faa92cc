import pytest

from keras_gpt3.converters.hub_handle import HubHandle
from keras_gpt3.converters.hub_handle import parse_handle


@pytest.mark.parametrize(
    ("text", "handle"),
    [
        ("hf://org/name", HubHandle("org/name", "main")),
        ("hf://gpt2", HubHandle("gpt2", "main")),
        ("hf://org/na-me.1@v1.0", HubHandle("org/na-me.1", "v1.0")),
        ("hf://org/name@refs/pr/3", HubHandle("org/name", "refs/pr/3")),
    ],
)
def test_a_handle_names_a_repository_and_a_revision(text, handle):
    assert parse_handle(text) == handle


def test_a_handle_prints_as_it_is_written():
    assert str(parse_handle("hf://org/name")) == "hf://org/name@main"


@pytest.mark.parametrize(
    "text", ["hf://", "hf://a/b/c", "org/name", "hf://a b", "hf://a/b@"]
)
def test_another_form_is_an_error(text):
    with pytest.raises(
        ValueError, match="the form hf://org/name .*Received: preset=.*Take"
    ):
        parse_handle(text)
