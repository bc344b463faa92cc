import pytest

from keras_gpt3.planning import Links


@pytest.mark.parametrize(
    ("span", "devices", "expected"),
    # Within a machine; across machines; a part of it that is not aligned; all
    # devices in one machine.
    [(8, 64, 3e11), (2, 64, 3e11), (16, 64, 25e9), (64, 64, 25e9)]
    + [(6, 66, 25e9), (6, 6, 3e11), (8, 8, 3e11)],
)
def test_an_axis_is_as_fast_as_its_slowest_link(span, devices, expected):
    assert Links().bandwidth(span, devices) == expected


@pytest.mark.parametrize(
    ("name", "usual"),
    [("node_bandwidth", "3e\\+11"), ("network_bandwidth", "2.5e\\+10")],
)
@pytest.mark.parametrize("value", [0, -1])
def test_a_speed_that_is_not_above_0_raises(name, usual, value):
    message = (
        f"^{name} must be above 0. Received: {name}={value}. Leave it out to "
        f"use {usual} bytes a second.$"
    )
    with pytest.raises(ValueError, match=message):
        Links(**{name: value})


@pytest.mark.parametrize("value", [0, -1, 7.5])
def test_what_is_no_number_of_devices_raises(value):
    message = (
        "^node_devices must be an integer of at least 1. Received: "
        f"node_devices={value}. Pass 1 or more.$"
    )
    with pytest.raises(ValueError, match=message):
        Links(node_devices=value)


@pytest.mark.parametrize("value", [-0.1, 1.1])
def test_an_overlap_that_is_no_share_raises(value):
    message = f"^overlap must be from 0 to 1. Received: overlap={value}. Use 0"
    with pytest.raises(ValueError, match=message):
        Links(overlap=value)
