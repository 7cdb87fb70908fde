"""The batch as a data frame: what may be stored, and a user's transform."""

from etld.frames.accepted import ACCEPTED_AT, accepted
from etld.frames.ready import encoded, ready
from etld.frames.storable import unstorable
from etld.frames.transform import Transform, load_transform

__all__ = ["ACCEPTED_AT", "Transform", "accepted", "encoded", "load_transform", "ready", "unstorable"]
