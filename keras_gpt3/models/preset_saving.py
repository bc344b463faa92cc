"""The folder that a model is saved to: whole, with its author's files."""

import contextlib
import pathlib
import shutil

from keras_gpt3.converters.checkpoint_folder import is_checkpoint_folder
from keras_gpt3.converters.model_files import KERAS_FILES
from keras_gpt3.models.model_card import CARD_FILE
from keras_gpt3.replaced_folder import replaced_folder


@contextlib.contextmanager
def preset_folder(preset_dir):
    """Gives a hidden folder that becomes the preset when the block ends.

    It holds the card that is there, for an edited one stays.
    """
    preset_dir = pathlib.Path(preset_dir)
    if is_checkpoint_folder(preset_dir):
        raise FileExistsError(
            "preset_dir must not hold a checkpoint in Hugging Face's layout. "
            f"Received: preset_dir='{preset_dir}', whose config.json would be "
            "replaced. Pass another folder."
        )
    with replaced_folder(preset_dir, _always, KERAS_FILES) as folder:
        card = preset_dir / CARD_FILE
        if card.exists():
            shutil.copyfile(card, folder / CARD_FILE)
        yield folder


def _always(folder):
    return True
