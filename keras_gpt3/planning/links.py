"""What is assumed of the links between devices."""

import dataclasses

from keras_gpt3.echoed_value import echoed
from keras_gpt3.integer_argument import check_integer


@dataclasses.dataclass(frozen=True)
class Links:
    """The speed of the links of a cluster, as seen by one device.

    The defaults are those of machines with eight A100 and a network card of
    200 Gbit/s for each.

    Args:
        node_devices: int. Devices of a machine. Defaults to `8`.
        node_bandwidth: float. Bytes a second that a device sends to others of
            its machine. Defaults to `300e9`.
        network_bandwidth: float. The same to devices of other machines.
            Defaults to `25e9`.
        overlap: float. The share of the time of the products, during which the
            data axis may communicate at no cost. What goes over the model
            axis or between stages is waited for. Defaults to `0.5`.

    Raises:
        ValueError: If a speed is not above 0, `node_devices` no integer of at
            least 1, or `overlap` not from 0 to 1.

    Example:

    ```python
    from keras_gpt3.planning.links import Links

    Links(network_bandwidth=50e9).bandwidth(span=16, devices=64)  # 50e9
    ```
    """

    node_devices: int = 8
    node_bandwidth: float = 300e9
    network_bandwidth: float = 25e9
    overlap: float = 0.5

    def __post_init__(self):
        check_integer("node_devices", self.node_devices, minimum=1)
        for name in ("node_bandwidth", "network_bandwidth"):
            if not getattr(self, name) > 0:
                raise ValueError(
                    f"{name} must be above 0. Received: {name}="
                    f"{echoed(getattr(self, name))}. Leave it out to use "
                    f"{getattr(Links, name):g} bytes a second."
                )
        if not 0 <= self.overlap <= 1:
            raise ValueError(
                "overlap must be from 0 to 1. Received: overlap="
                f"{echoed(self.overlap)}. Use 0 to wait for all communication."
            )

    def bandwidth(self, span, devices):
        """Bytes a second along an axis of a mesh.

        Args:
            span: int. Consecutive devices among which those that communicate
                lie.
            devices: int. All devices of the mesh.

        Returns:
            A float, the speed of the slowest link on the way.
        """
        aligned = self.node_devices % span == 0
        if aligned or devices <= self.node_devices:
            return self.node_bandwidth
        return self.network_bandwidth
