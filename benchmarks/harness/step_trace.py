"""Records which operations ran when, with TensorFlow's profiler."""

import dataclasses
import pathlib
import re
import tempfile

import tensorflow as tf
from tensorflow.tsl.profiler.protobuf import xplane_pb2

_OPERATION = re.compile(r"[^:]+:\w+")


@dataclasses.dataclass(frozen=True)
class TracedOp:
    """One run of an operation, or of a piece of a function under XLA.

    Args:
        name: string. The operation's name in the graph, or the XLA module's.
        kind: string. The operation's type; `"XLA"` for a piece of a module.
        start: int. Picoseconds from an origin that all share.
        end: int. Picoseconds.
    """

    name: str
    kind: str
    start: int
    end: int


def traced_ops(function):
    """Runs a function under the profiler.

    Args:
        function: callable without arguments.

    Returns:
        A list of `TracedOp`.
    """
    with tempfile.TemporaryDirectory() as folder:
        options = tf.profiler.experimental.ProfilerOptions(
            host_tracer_level=2, python_tracer_level=0
        )
        tf.profiler.experimental.start(folder, options)
        try:
            function()
        finally:
            tf.profiler.experimental.stop()
        (path,) = pathlib.Path(folder).rglob("*.xplane.pb")
        space = xplane_pb2.XSpace.FromString(path.read_bytes())
    return [
        op
        for plane in space.planes
        for line in plane.lines
        for op in _ops_of_line(plane, line)
    ]


def _ops_of_line(plane, line):
    """The outermost operations of one thread."""
    last_end = -1
    for event in sorted(line.events, key=lambda event: event.offset_ps):
        name, kind = _name_and_kind(plane, event)
        start = 1000 * line.timestamp_ns + event.offset_ps
        if kind and start >= last_end:  # Else inside the last one.
            last_end = start + event.duration_ps
            yield TracedOp(name, kind, start, last_end)


def _name_and_kind(plane, event):
    """What an event is; `None` as kind where it is not an operation."""
    for stat in event.stats:
        if plane.stat_metadata[stat.metadata_id].name == "hlo_module":
            text = plane.stat_metadata[stat.ref_value].name
            return stat.str_value or text, "XLA"
    name = plane.event_metadata[event.metadata_id].name
    if _OPERATION.fullmatch(name):
        return tuple(name.rsplit(":", 1))
    return name, None
