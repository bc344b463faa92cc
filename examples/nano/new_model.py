"""Makes the model that `run.yaml` trains: new weights, and a tokenizer.

    python examples/nano/new_model.py

Written to `runs/nano/new`. The tokenizer has the first 8,000 of GPT-2's 50,000
merges: so small a model would otherwise be an output layer in the main.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras

import keras_gpt3

FOLDER = "runs/nano/new"


def main():
    """Writes the model."""
    keras.utils.set_random_seed(0)
    tokenizer = keras_gpt3.GPT3Tokenizer.from_preset("gpt3_small_en")
    tokenizer = tokenizer.with_first_merges(8000)
    backbone = keras_gpt3.GPT3Backbone(
        vocabulary_size=tokenizer.vocabulary_size(),
        num_layers=6,
        num_heads=4,
        hidden_dim=256,
        intermediate_dim=1024,
        max_sequence_length=256,
        # Of a layer in two, as in the paper.
        attention_window=64,
    )
    preprocessor = keras_gpt3.GPT3Preprocessor(tokenizer, sequence_length=256)
    model = keras_gpt3.GPT3(backbone, preprocessor)
    model.save_to_preset(FOLDER)
    print(f"{model.count_params():,} parameters. Written to {FOLDER}")


if __name__ == "__main__":
    main()
