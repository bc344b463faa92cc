"""Writes GPT-2's encoding as Hugging Face's tokenizer.json has it."""

from keras_gpt3.converters.tokenizer_post_processor import post_processor

_BYTE_LEVEL = {
    "type": "ByteLevel",
    "add_prefix_space": False,
    "trim_offsets": True,
    "use_regex": True,
}


def tokenizer_json(files):
    """Describes a tokenizer as tokenizer.json does."""
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip"), False)
    flags |= {"normalized": False, "special": True}
    ids = files.vocabulary
    start = files.start_token if files.add_start_token else None
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {"id": ids[token], "content": token, **flags}
            for token in sorted(files.special_tokens, key=ids.__getitem__)
        ],
        "normalizer": None,
        "pre_tokenizer": _BYTE_LEVEL,
        "post_processor": post_processor(
            _BYTE_LEVEL | {"trim_offsets": False}, start, ids.get(start)
        ),
        # Whatever it says, decoding drops no space.
        "decoder": _BYTE_LEVEL | {"add_prefix_space": True},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": "",
            "end_of_word_suffix": "",
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": dict(sorted(ids.items(), key=lambda item: item[1])),
            "merges": [merge.split(" ") for merge in files.merges],
        },
    }
