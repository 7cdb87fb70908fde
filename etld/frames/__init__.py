"""The batch as a data frame: what may be stored, a user's transform, and the text that COPY reads."""

from etld.frames.copybinary import to_binary
from etld.frames.ready import ready
from etld.frames.storable import unstorable
from etld.frames.transform import Transform, load_transform

__all__ = ["Transform", "load_transform", "ready", "to_binary", "unstorable"]
