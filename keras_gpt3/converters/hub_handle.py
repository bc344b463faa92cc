"""Handles of the Hugging Face hub."""

import dataclasses
import re

from keras_gpt3.echoed_value import echoed

_NAME = r"\w(?:[\w.-]*\w)?"
# Nothing that a path on disk or an address would take for a step upwards.
_FORM = re.compile(
    rf"hf://(?!\S*\.\.)({_NAME}(?:/{_NAME})?)(?:@([^\s/.-]\S*))?", re.ASCII
)
# What people type who mean org/name on the hub.
_MEANT = re.compile(
    r"(?:hf:/*|(?:https?://)?(?:www\.)?(?:huggingface\.co|hf\.co)/)?"
    rf"({_NAME}/{_NAME})(?:/tree/main)?/?",
    re.ASCII | re.IGNORECASE,
)


@dataclasses.dataclass(frozen=True)
class HubHandle:
    """A repository on the hub, at some revision."""

    repository: str
    revision: str = "main"

    def __str__(self):
        return f"hf://{self.repository}@{self.revision}"


def parse_handle(handle):
    """Reads a handle such as `"hf://org/name@revision"`."""
    match = _FORM.fullmatch(handle)
    if not match:
        raise ValueError(
            "A handle of the hub must have the form hf://org/name or "
            f"hf://org/name@revision. Received: preset={echoed(handle)}. Take "
            "the name from the address of the model's page."
        )
    repository, revision = match.groups()
    return HubHandle(repository, revision or "main")


def meant_handle(text):
    """Guesses the handle that a text, which is none, stands for."""
    match = _MEANT.fullmatch(text)
    return match and f"hf://{match.group(1)}"
