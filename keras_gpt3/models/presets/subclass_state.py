"""What a user's subclass of a model has saved, beside what the model has."""

import pathlib

from keras_hub.src.utils.preset_utils import TASK_CONFIG_FILE
from keras_hub.src.utils.preset_utils import TASK_WEIGHTS_FILE
from keras_hub.src.utils.preset_utils import check_file_exists
from keras_hub.src.utils.preset_utils import get_file
from keras_hub.src.utils.preset_utils import load_json

from keras_gpt3.argument_checks import echoed
from keras_gpt3.models.presets.preset_files import check_arrays
from keras_gpt3.models.presets.preset_resolution import SAVED


def make_subclass(cls, preset, arguments, load_weights):
    """Make a model of its parts, arguments and layers of its own as saved.

    keras-hub's loader does, but reads the backbone anew, and unchecked.
    """
    is_saved = preset.format == SAVED
    if not (is_saved and check_file_exists(preset, TASK_CONFIG_FILE)):
        return cls(**arguments)
    saved = load_json(preset, TASK_CONFIG_FILE)  # Checked with the preset.
    if saved["class_name"] != cls.__name__:  # Whose arguments are not these.
        return cls(**arguments)
    own = saved["config"]
    # The caller knows which special ids still have a row.
    for name in ("name", "special_token_ids"):
        own.pop(name, None)
    model = cls.from_config(own | arguments)
    if load_weights is False:
        return model
    if check_file_exists(preset, TASK_WEIGHTS_FILE):
        path = pathlib.Path(get_file(preset, TASK_WEIGHTS_FILE))
        check_arrays(path.parent, path.name)
        model.load_task_weights(path)
    elif len(model.weights) > len(model.backbone.weights):
        raise FileNotFoundError(
            "A preset of a subclass with weights of its own must hold them. "
            f"Received: preset={echoed(str(preset))}, without "
            f"{TASK_WEIGHTS_FILE}. Copy the whole folder that save_to_preset "
            "wrote, or pass load_weights=False."
        )
    return model
