"""Writes the model that was trained as the preset gpt3_nano_en.

    python examples/nano/write_preset.py

In bfloat16, which halves its 28 MB, to `presets/gpt3_nano_en`. The model card
there is written by hand, and stays.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras_gpt3

TRAINED = "runs/nano/run/preset"
FOLDER = "presets/gpt3_nano_en"


def main():
    """Writes the preset, and shows what it says."""
    model = keras_gpt3.GPT3.from_preset(TRAINED, dtype="bfloat16")
    model.save_to_preset(FOLDER)
    print(f"Written to {FOLDER}")


if __name__ == "__main__":
    main()
