"""What a folder in Hugging Face's layout says of texts."""

from keras_gpt3.converters.checkpoint_families import family_of
from keras_gpt3.converters.checkpoint_folder import read_config_json
from keras_gpt3.converters.tokenizer_files import read_tokenizer


def read_checkpoint_tokenizer(folder):
    """Reads the tokenizer of a checkpoint that must have one.

    Args:
        folder: path. In Hugging Face's layout.

    Returns:
        A `TokenizerFiles`.

    Raises:
        ValueError: If there is none, or one that works in another way.

    Example:

    ```python
    import pathlib

    from keras_gpt3 import preset_loader
    from keras_gpt3.models.checkpoint_tokenizer import (
        read_checkpoint_tokenizer,
    )

    vocabulary, merges = preset_loader.vocabulary_paths()
    folder = pathlib.Path("gpt2")
    folder.mkdir()
    (folder / "vocab.json").write_text(pathlib.Path(vocabulary).read_text())
    (folder / "merges.txt").write_text(pathlib.Path(merges).read_text())
    read_checkpoint_tokenizer(folder).end_token  # "<|endoftext|>"
    ```
    """
    files = read_tokenizer(folder)
    if files is None:
        raise ValueError(
            "A checkpoint must have a tokenizer.json, or a vocab.json and a "
            f"merges.txt. Received: preset={str(folder)!r}, which has none of "
            "them. Pass preprocessor=None to GPT3.from_preset to work on token "
            "ids."
        )
    return files


def checkpoint_context(folder):
    """Reads how many tokens a checkpoint's model takes.

    Args:
        folder: path. In Hugging Face's layout.

    Returns:
        An int.

    Raises:
        ValueError: If the config is of another family, or one that the
            backbone cannot follow.

    Example:

    ```python
    import json
    import pathlib

    from keras_gpt3.models.checkpoint_tokenizer import checkpoint_context

    config = {"model_type": "gpt2", "n_ctx": 1024, "n_positions": 1024}
    config |= {"vocab_size": 50257, "n_embd": 768, "n_layer": 12, "n_head": 12}
    pathlib.Path("config.json").write_text(json.dumps(config))
    checkpoint_context(".")  # 1024
    ```
    """
    config = read_config_json(folder)
    arguments = family_of(config).backbone_arguments(config)
    return arguments["max_sequence_length"]
