"""The batch as a data frame: what may be stored, a user's transform, and the text that COPY reads."""

from etld.frames.ready import ready
from etld.frames.storable import unstorable
from etld.frames.transform import Transform, load_transform
from etld.sinks.postgres.copy_binary import to_binary

__all__ = ["Transform", "load_transform", "ready", "to_binary", "unstorable"]
