"""The socket that a server listens on."""

import socket

_LAST_PORT = 2**16 - 1


def listening_socket(host, port):
    """Opens a socket."""
    if not 0 <= port <= _LAST_PORT:
        # The resolver of addresses would take what is left of 16 bits.
        raise ValueError(
            f"port must be from 0 to {_LAST_PORT}. Received: port={port}. Pass "
            "0 for any that is free."
        )
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        try:
            # A port is free again as soon as its server has gone.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
        except BaseException:
            listener.close()
            raise
    except OSError as error:
        raise OSError(
            "host and port must be an address of this machine that is free. "
            f"Received: {host}:{port} ({error}). Pass another --port, or 0 for "
            "any."
        ) from None
    return listener
