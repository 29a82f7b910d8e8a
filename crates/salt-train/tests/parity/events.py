"""Writes events.tfevents, the events that the test in src/tensorboard/record.rs writes too, with TensorBoard's
own messages and its own writer.

    python3 -m venv .venv
    .venv/bin/pip install tensorboard==2.21.0
    .venv/bin/python crates/salt-train/tests/parity/events.py
"""

from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

LONG = (
    "a tag of more than a hundred and twenty-seven bytes, so that its length and those of the messages "
    "around it take two bytes each"
)


def summary(**values):
    return Summary(value=[Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()])


events = [
    Event(wall_time=1.75e9, file_version="brain.Event:2"),
    Event(wall_time=1.75e9 + 0.5, step=301, session_log=SessionLog(status=SessionLog.START)),
    Event(wall_time=1.75e9 + 1.25, step=301, summary=summary(**{"train/loss": 0.3, "val/dice": 0.0})),
    Event(wall_time=1.75e9 + 2.0, step=1 << 40, summary=summary(**{LONG: -1e-3})),
    Event(wall_time=1.75e9 + 3.0, step=302, summary=summary()),
]
with open(Path(__file__).parent / "events.tfevents", "wb") as file:
    writer = RecordWriter(file)
    for event in events:
        writer.write(event.SerializeToString())
