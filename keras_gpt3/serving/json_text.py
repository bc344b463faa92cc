"""Values of a JSON as text, written so that other threads go on."""

import json


def json_text(value):
    """Writes a value, list by list.

    Python's own writer is not interrupted: on millions of numbers it would
    keep the thread that talks HTTP waiting for seconds.
    """
    if isinstance(value, dict):
        parts = [
            f"{json.dumps(key, ensure_ascii=False)}: {json_text(part)}"
            for key, part in value.items()
        ]
        return f"{{{', '.join(parts)}}}"
    if isinstance(value, list) and value and isinstance(value[0], (list, dict)):
        return f"[{', '.join(map(json_text, value))}]"
    return json.dumps(value, ensure_ascii=False)
