"""Options that several commands have: one name, meaning and help each."""

from typing import Annotated

import typer


def options_with(texts):
    """Make a function that makes options, each with its help of a table."""

    def option(name, *spellings, **settings):
        return typer.Option(*spellings, help=texts[name], **settings)

    return option


_shared = options_with(
    {
        "model": "A preset's name, a model's folder, or hf://...",
        "dtype": "A Keras dtype policy, such as bfloat16. Default: the "
        "model's.",
        "quantize": "int8 or int4: store the matrices' weights in so many "
        "bits. Activations stay as they are.",
        "adapter": "A file of adapters, from finetune --lora-rank.",
        "tokenizer": "Whose tokenizer: a preset's name or the folder of a "
        "model.",
        "set": "A field's new value, such as recipe.clip_norm=0.5; may be "
        "repeated.",
        "verbose": "Show progress and the time left, or not, on standard "
        "error. Default: a bar on a terminal, and nothing elsewhere; "
        "--verbose writes lines there.",
    }
)

Model = Annotated[str, _shared("model")]
DType = Annotated[str | None, _shared("dtype")]
Quantize = Annotated[str | None, _shared("quantize")]
Adapter = Annotated[str | None, _shared("adapter")]
Tokenizer = Annotated[str, _shared("tokenizer", "--preset")]
Set = Annotated[list[str] | None, _shared("set", "--set")]
Verbose = Annotated[
    bool | None,
    _shared(
        "verbose",
        "--verbose/--quiet",
        callback=lambda value: "auto" if value is None else value,
    ),
]
