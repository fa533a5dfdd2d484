"""What a guard decided, kept on disk: one folder, one writer, any number of readers."""

from llmood.events.description import Described, describe, read_descriptions, write_description
from llmood.events.event import SCHEMA, Event, events_of, table_of
from llmood.events.reading import read_events
from llmood.events.store import EventStore

__all__ = [
    "SCHEMA",
    "Described",
    "Event",
    "EventStore",
    "describe",
    "events_of",
    "read_descriptions",
    "read_events",
    "table_of",
    "write_description",
]
