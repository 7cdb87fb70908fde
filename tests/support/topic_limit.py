"""A topic's max.message.bytes, changed as an operator does."""

from __future__ import annotations

from typing import Any

from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType


def set_limit(client: dict[str, Any], topic: str, size: int | None) -> None:
    """To so many bytes, by an admin client with these settings; None is the broker's own."""
    change = AlterConfigOpType.DELETE if size is None else AlterConfigOpType.SET
    entry = ConfigEntry("max.message.bytes", str(size or 0), incremental_operation=change)
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    admin = AdminClient(client)
    admin.incremental_alter_configs([resource])[resource].result(10)
