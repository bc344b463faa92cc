"""GPT-2's printable alphabet: one character for each of the 256 bytes.

Vocabulary files spell tokens in it, so that a token which is no whole UTF-8
character, or a space, can stand in a JSON string: " the" is spelled "Ġthe".
"""


def _byte_symbols():
    """Printing Latin-1 stands for itself, other bytes for U+0100 and up."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = [byte for byte in range(256) if byte not in printable]
    symbols = {byte: chr(byte) for byte in printable}
    symbols |= {byte: chr(256 + i) for i, byte in enumerate(others)}
    return tuple(symbols[byte] for byte in range(256))


BYTE_SYMBOLS = _byte_symbols()
_SYMBOL_BYTES = {symbol: byte for byte, symbol in enumerate(BYTE_SYMBOLS)}


def symbols_to_bytes(token):
    """Turns a token's spelling into the bytes that it stands for."""
    return bytes([_SYMBOL_BYTES[symbol] for symbol in token])
