"""The part of a tokenizer.json that puts a start token before texts."""

from keras_gpt3.converters.tokenizer_json_object import foreign


def read_start_token(path, processor):
    """Reads which token, if any, a post-processor puts before a text."""
    if processor is None:
        return None
    kind = processor.get("type") if isinstance(processor, dict) else processor
    if kind == "ByteLevel":  # Moves offsets only.
        return None
    if kind == "Sequence" and isinstance(processor.get("processors"), list):
        parts = [read_start_token(path, p) for p in processor["processors"]]
        starts = [start for start in parts if start is not None]
        if len(starts) < 2:
            return starts[0] if starts else None
    if kind == "TemplateProcessing":
        return _read_template(path, processor)
    raise foreign(path, "post_processor", processor)


def _read_template(path, processor):
    """Reads the token before the text of a template, which may be all."""
    try:
        *starts, text = processor["single"]
        names = [start["SpecialToken"]["id"] for start in starts]
        parts = [processor["special_tokens"][name] for name in names]
        start = [(*part["tokens"], *part["ids"]) for part in parts]
        is_known = (
            text["Sequence"]["id"] == "A"
            and len(start) < 2
            and all(len(token_and_id) == 2 for token_and_id in start)
        )
    except (KeyError, TypeError, ValueError):
        is_known = False
    if not is_known:
        raise foreign(path, "post_processor.single", processor.get("single"))
    return start[0] if start else None


def post_processor(byte_level, start_token=None, start_id=None):
    """Describes what puts a start token before each text."""
    if start_token is None:
        return byte_level
    parts = [
        part
        for type_id, text in enumerate("AB")
        for part in (
            {"SpecialToken": {"id": start_token, "type_id": type_id}},
            {"Sequence": {"id": text, "type_id": type_id}},
        )
    ]
    token = {"id": start_token, "ids": [start_id], "tokens": [start_token]}
    return {
        "type": "TemplateProcessing",
        "single": parts[:2],
        "pair": parts,
        "special_tokens": {start_token: token},
    }
