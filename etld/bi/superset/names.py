"""What Superset knows things by: ids that stay, so that a second import finds what the first one made."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID, uuid5

from etld.bi.as_text import plain

_NAMESPACE = UUID("5f1c3f0e-7b0a-5f0d-9a53-6c1de7a6c0de")


@dataclass(frozen=True, slots=True)
class BundleNames:
    """The names of one bundle. `project` tells those of two daemons in one Superset apart."""

    project: str

    def uuid(self, kind: str, key: str) -> str:
        """The id of a thing."""
        return str(uuid5(_NAMESPACE, f"{self.project}\n{kind}\n{key}"))

    def slug(self, key: str) -> str:
        """The last part of a dashboard's address."""
        return f"{plain(self.project)}-{plain(key)}"
