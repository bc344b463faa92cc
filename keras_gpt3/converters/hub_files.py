"""The files of one repository of the hub, downloaded once and kept."""

import pathlib

from keras_gpt3.converters.hub_handle import HubHandle


class HubFiles:
    """Fetches files of a repository, all of the same commit.

    huggingface-hub does the work: it goes on where a connection broke, gives a
    file its name only when it is whole, and keeps it for the next time.

    Args:
        handle: `HubHandle`. The commit is that of its `config.json`, which is
            fetched at once.

    Attributes:
        folder: path. Where the files of that commit are.

    Raises:
        ImportError: If huggingface-hub is not installed.
        OSError: If a file is not in the cache and cannot be downloaded.
        ValueError: If there is no such repository, revision, or no
            `config.json` in it.
    """

    def __init__(self, handle):
        self._handle = handle
        path = self.fetch("config.json")
        if path is None:
            raise ValueError(
                "A repository must hold a config.json. Received: preset="
                f"'{handle}' without one. Pass that of a model of this kind."
            )
        self.folder = path.parent
        # The snapshot's folder has the name of the commit.
        self._handle = HubHandle(handle.repository, self.folder.name)

    def fetch(self, name):
        """Fetches a file.

        Args:
            name: string. Its path in the repository.

        Returns:
            The `pathlib.Path` of it, or `None` if the repository has no such
            file.
        """
        huggingface_hub, errors = _import_hub()
        at = {
            "repo_id": self._handle.repository,
            "filename": name,
            "revision": self._handle.revision,
        }
        try:
            known = huggingface_hub.try_to_load_from_cache(**at)
            absent = known is huggingface_hub._CACHED_NO_EXIST
            # Of a branch, what was absent may have come.
            if absent and name != "config.json":
                return None
            return pathlib.Path(huggingface_hub.hf_hub_download(**at))
        except errors.LocalEntryNotFoundError as error:
            raise self._unreachable(name, error) from error
        except errors.EntryNotFoundError:
            return None
        except (
            errors.RepositoryNotFoundError,  # Gated ones, too.
            errors.RevisionNotFoundError,
            ValueError,
        ) as error:
            raise ValueError(self._refusal(error, errors)) from error
        # What is raised amid a download is a matter of the HTTP library,
        # which differs among the versions of huggingface-hub.
        except Exception as error:
            raise self._unreachable(name, error) from error

    def _refusal(self, error, errors):
        """What to say of a repository that the hub does not give."""
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
        reason = str(error.__cause__ or error).strip().split("\n")[0]
        return OSError(
            "A file must be in the cache or be downloaded. Received: "
            f"{name} of preset='{self._handle}' ({type(error).__name__}: "
            f"{reason}). Load it once with a network, without HF_HUB_OFFLINE."
        )


def _import_hub():
    """The package huggingface-hub, and its errors."""
    try:
        import huggingface_hub
        from huggingface_hub import errors
    except ImportError as error:
        raise ImportError(
            "Loading from the hub must find the package huggingface-hub. "
            f"Received: {error}. Install it with pip install "
            "'keras-gpt3[convert]'."
        ) from error
    return huggingface_hub, errors
