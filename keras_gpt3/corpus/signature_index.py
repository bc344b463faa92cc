"""The signatures of a finished build, which new documents are compared with."""

import dataclasses
import json
import pathlib

from keras_gpt3.corpus.dedup_plan import PlannedPart
from keras_gpt3.corpus.stage import FORMAT
from keras_gpt3.corpus.stage import SETTINGS_NAME
from keras_gpt3.corpus.stage import STAGE_NAME

# In a folder of stage dedup.
SIGNATURES_FOLDER = ".signatures"
DROPS_FOLDER = ".drops"


@dataclasses.dataclass(frozen=True)
class SignatureIndex:
    """What a stage `dedup` keeps, so that later builds need not read
    its texts.
    """

    files: tuple
    folder: str
    digest: str

    @classmethod
    def open(cls, folder, settings):
        """Opens the index of a finished stage."""
        folder = pathlib.Path(folder)
        signed = folder / SIGNATURES_FOLDER
        try:
            stage = json.loads((folder / STAGE_NAME).read_bytes())
            found = json.loads((signed / SETTINGS_NAME).read_bytes())
            digest, form = stage["digest"], found.get("format")
            found = found["settings"]
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise FileNotFoundError(
                "An index must be the folder of a finished stage dedup. "
                f"Received: index='{folder}' ({error}). Run dedup there, or "
                "correct the path."
            ) from error
        settings, found = (
            settings | {"format": FORMAT},
            found | {"format": form},
        )
        if found != settings:
            raise ValueError(
                "An index must have the settings of the build. Received: "
                f"{found} in '{folder}', {settings} here. Make either anew "
                "with the settings of the other."
            )
        # All that were signed: one that is gone raises where it is read.
        paths = [
            path.with_suffix(".npz")
            for path in sorted(signed.glob("*/part-*.json"))
        ]
        files = tuple((path.parent.name, str(path)) for path in paths)
        return cls(files, str(folder), digest)

    def planned_parts(self, namespaces):
        """Its parts, to be compared with the documents of some sources."""
        return [
            PlannedPart(path, source, namespaces, self._drops(source, path))
            for source, path in self.files
        ]

    def _drops(self, source, path):
        name = pathlib.Path(path).stem + ".json"
        return str(pathlib.Path(self.folder, DROPS_FOLDER, source, name))
