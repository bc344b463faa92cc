import socket

import pytest

from keras_gpt3.serving.serve import listening_socket


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_port_0_is_a_free_one_of_this_machine(host):
    with listening_socket(host, 0) as listener:
        address, port = listener.getsockname()[:2]
        assert address in ("127.0.0.1", "::1")
        listener.listen()
        with socket.create_connection((host, port)):
            pass


def test_a_port_in_use_is_one_sentence():
    with listening_socket("127.0.0.1", 0) as listener:
        listener.listen()
        port = listener.getsockname()[1]
        message = (
            "^host and port must be an address of this machine that is free. "
            rf"Received: 127.0.0.1:{port} \(.*\). Pass another --port, or 0 "
            "for any.$"
        )
        with pytest.raises(OSError, match=message):
            listening_socket("127.0.0.1", port)


def test_no_address_is_one_sentence():
    with pytest.raises(OSError, match="^host and port must be an address"):
        listening_socket("not a host", 0)


@pytest.mark.parametrize("port", [99999, -1])
def test_what_is_no_port_is_one_sentence(port):
    message = (
        f"^port must be from 0 to 65535. Received: port={port}. Pass 0 for any "
        "that is free.$"
    )
    with pytest.raises(ValueError, match=message):
        listening_socket("127.0.0.1", port)
