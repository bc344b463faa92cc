"""A model's files from the Hugging Face hub, as a local folder."""

import dataclasses
import logging
import pathlib
import re

import huggingface_hub  # keras-hub loads it as well.

from keras_gpt3.argument_checks import echoed
from keras_gpt3.converters.sharded_index import CHECKPOINT_TOKENIZER
from keras_gpt3.converters.sharded_index import KERAS_TOKENIZER
from keras_gpt3.converters.sharded_index import read_config_json
from keras_gpt3.converters.sharded_index import shard_names
from keras_gpt3.converters.weight_files import LAYOUTS
from keras_gpt3.preset_loader import is_named_checkpoint
from keras_gpt3.preset_loader import load_named_checkpoint

_logger = logging.getLogger("keras_gpt3")

_CHECKPOINT_FILES = (*CHECKPOINT_TOKENIZER, "generation_config.json")
_KERAS_FILES = (
    *("metadata.json", "task.json", "task.weights.h5"),
    *KERAS_TOKENIZER,
)
_KERAS_WEIGHTS = ("model.weights.h5", "model.weights.json")
# Without any of them, a folder of either kind has no tokenizer.
_TOKENIZERS = ("tokenizer.json", "vocab.json", "merges.txt")


def fetch_preset(handle, weights=True):
    """Download a model from the hub, unless it is in the cache already.

    Only what is needed: the config, the tokenizer's files, and the weights in
    the first format there is of those that are read. Files that were
    downloaded before are not requested again. Without a network the cache
    alone serves, also one that another program filled: the weights must then
    be in it, and a warning names what else is not.
    """
    files = HubFiles(parse_handle(handle))
    is_keras = "registered_name" in read_config_json(files.folder)
    for name in _KERAS_FILES if is_keras else _CHECKPOINT_FILES:
        files.fetch(name)
    not_asked = list(files.not_asked)
    if weights:
        names = _KERAS_WEIGHTS if is_keras else [name for name, _ in LAYOUTS]
        _fetch_weights(files, names, handle)
    if not_asked:
        _warn_of_absent(not_asked, handle, files.folder)
    return str(files.folder)


def _warn_of_absent(names, handle, folder):
    """Say which files count as absent though the hub may have them."""
    absent = ", ".join(names)
    if not any((folder / name).exists() for name in _TOKENIZERS):
        absent += "; so it has no tokenizer and no preprocessor"
    _logger.warning(
        "Files that the cache lacks count as absent when the hub cannot be "
        "asked. Received: preset=%r without %s. Load it once with a network "
        "for all that there is.",
        handle,
        absent,
    )


def _fetch_weights(files, names, handle):
    """Fetch the first of some files that there is, and its shards."""
    for name in names:
        path = files.fetch(name)
        if path is None:
            continue
        if name.endswith(".json"):
            for shard in shard_names(path):
                if files.fetch(shard) is None:
                    files.check_asked(shard)
                    raise ValueError(
                        "Every shard that an index names must be there. "
                        f"Received: {name} with {echoed(shard)}, which "
                        f"preset={echoed(handle)} lacks. Tell its owner."
                    )
        return
    for name in names:
        files.check_asked(name)
    raise ValueError(
        f"The repository must hold weights: {' or '.join(names)}. Received: "
        f"preset={echoed(handle)} with none of them. Pass load_weights=False "
        "for new ones."
    )


class HubFiles:
    """Fetches files of a repository, all of the same commit.

    huggingface-hub does the work: it resumes a broken download, gives a
    file its name only when it is whole, and keeps it for the next time.

    The first file that is not in the cache decides where files come from. If
    the hub cannot be reached, the cache alone serves, as another program may
    have filled it: a file that it lacks counts as absent, and is not
    requested. Once the hub has answered, a failure is an error.
    """

    def __init__(self, handle):
        self._handle = handle
        self._has_answered = False
        self._why_not_asked = None
        self.not_asked = []
        path = self.fetch("config.json")
        self.check_asked("config.json")
        if path is None:
            raise ValueError(
                "A repository must hold a config.json. Received: preset="
                f"'{handle}' without one. Pass that of a model of this kind."
            )
        self.folder = path.parent
        # The snapshot's folder has the name of the commit.
        self._handle = dataclasses.replace(handle, revision=self.folder.name)

    def fetch(self, name):
        """Fetch a file."""
        errors = huggingface_hub.errors
        try:
            return self._fetch(name)
        except errors.LocalEntryNotFoundError as error:
            if self._has_answered:
                raise self._unreachable(name, error) from error
            self._why_not_asked = self._why_not_asked or error
            self.not_asked.append(name)
            return None
        except errors.EntryNotFoundError:
            self._has_answered = True
            return None
        except (
            errors.RepositoryNotFoundError,  # Also gated ones.
            errors.RevisionNotFoundError,
            errors.HFValidationError,
        ) as error:
            raise ValueError(self._refusal(error)) from error
        # During a download: of the HTTP library, whose name depends on the
        # version of huggingface-hub, of the disk, and of its Xet client.
        except (errors.HTTPError, OSError, RuntimeError, ValueError) as error:
            raise self._unreachable(name, error) from error

    def check_asked(self, name):
        """Raise if a file counts as absent because the hub was not asked."""
        if name in self.not_asked:
            error = self._why_not_asked
            raise self._unreachable(name, error) from error

    def _fetch(self, name):
        """The path of a file that is in the cache or on the hub."""
        at = {
            "repo_id": self._handle.repository,
            "filename": name,
            "revision": self._handle.revision,
        }
        known = huggingface_hub.try_to_load_from_cache(**at)
        # A path, None for what is not known, or a mark of what is absent. Of a
        # branch, what was absent may have come.
        absent = known is not None and not isinstance(known, str)
        if absent and name != "config.json":
            return None
        is_first = not self._has_answered and self._why_not_asked is None
        if is_first and not isinstance(known, str):
            self._ask_once(name)
        path = huggingface_hub.hf_hub_download(
            **at, local_files_only=self._why_not_asked is not None
        )
        if path != known:
            self._has_answered = True
        return pathlib.Path(path)

    def _ask_once(self, name):
        """Raise if there is no network.

        A download of what is not in the cache would be tried six times, for
        half a minute or more, with a line each time.
        """
        errors = huggingface_hub.errors
        try:
            url = huggingface_hub.hf_hub_url(
                self._handle.repository, name, revision=self._handle.revision
            )
            huggingface_hub.get_hf_file_metadata(url)
        except (errors.HfHubHTTPError, errors.OfflineModeIsEnabled):
            return  # The download says what it is.
        except (errors.HTTPError, OSError) as error:
            raise errors.LocalEntryNotFoundError("no network") from error

    def _refusal(self, error):
        """What to say of a repository that the hub does not give."""
        errors = huggingface_hub.errors
        if isinstance(error, errors.GatedRepoError):
            return (
                "The terms of a gated repository must be accepted. Received: "
                f"preset='{self._handle}'. Accept them on its page, and log in "
                "with hf auth login."
            )
        if isinstance(error, errors.RevisionNotFoundError):
            return (
                "The revision must be a branch, tag or commit of the "
                f"repository. Received: preset='{self._handle}'. Look for it "
                "on the repository's page."
            )
        return (
            "The repository must be there, and be yours to read. Received: "
            f"preset='{self._handle}'. Check the name; for a private one, log "
            "in with hf auth login."
        )

    def _unreachable(self, name, error):
        """The error for a file that is neither kept nor to be had."""
        cause = error.__cause__ or error
        reason = str(cause).strip().split("\n")[0].rstrip(".")
        # The address is of the first file that could not be requested.
        reason = re.sub(r"https?://\S*\w", "the hub", reason)
        return OSError(
            "A file must be in the cache or be downloaded. Received: "
            f"{name} of preset='{self._handle}' ({type(cause).__name__}: "
            f"{reason}). Load it once with a network, without HF_HUB_OFFLINE; "
            f"it is kept in {huggingface_hub.constants.HF_HUB_CACHE}."
        )


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
    """A repository on the hub, at some revision, and what we call it."""

    repository: str
    revision: str = "main"
    alias: str | None = None

    def __str__(self):
        handle = f"hf://{self.repository}@{self.revision}"
        return f"{self.alias} ({handle})" if self.alias else handle


def parse_handle(handle):
    """Read a handle such as `"hf://org/name@revision"`, or a known name."""
    if is_named_checkpoint(handle):
        known = load_named_checkpoint(handle)
        return HubHandle(known["repository"], alias=handle)
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
    """Guess the handle that a text, which is none, stands for."""
    match = _MEANT.fullmatch(text)
    return match and f"hf://{match.group(1)}"
