"""The JSON Schema of the file, for editors: a description and an example for every key."""

from __future__ import annotations

from typing import Any

from etld.config.model import Config
from etld.config.sections.base import FileSchema

#: Beside a configuration, and in its first line (`#:schema`), where editors look for it.
NAME = "etld.schema.json"

#: For keys whose default shows nothing, by table and key.
EXAMPLES: dict[str, Any] = {
    "etld.node_id": "etld-1",
    "etld.event_types": {"refund": {"event_names": ["refund_requested", "refund_paid"]}},
    "etld.summaries": {
        "refund": {
            "event_types": ["refund"],
            "group_by": {"event_name": "event_name"},
            "measures": {"refunds": "count", "amount": {"sum": "event_details.amount"}},
        }
    },
    "etld.alerts": [{"name": "on-call", "url": "https://hooks.example/etld"}],
    "Alert.name": "on-call",
    "Alert.url": "https://hooks.example/etld",
    "Alert.url_file": "/run/credentials/etld.service/alert-url",
    "Alert.secret_file": "/run/credentials/etld.service/alert-secret",
    "Alert.ca_file": "/etc/etld/company-ca.pem",
    "Chart.name": "refund_summary",
    "Chart.title": "Refunds",
    "Chart.last": "7 d",
    "Chart.panels": [{"kind": "bar", "title": "Refunds by event", "by": "event_name", "value": "refunds"}],
    "Chart.numbers": [{"title": "Refunds", "value": "refunds"}],
    "Charts.file_mode": "0644",
    "Charts.directory_mode": "0755",
    "CloudEvent.event_type": "order",
    "CloudEvent.event_name": "order_placed",
    "Console.users_file": "/etc/etld/users.toml",
    "Console.tokens_file": "/etc/etld/tokens.toml",
    "Console.trusted_user_header": "X-Forwarded-User",
    "Console.trusted_proxies": ["10.0.0.10"],
    "Console.trusted_roles": {"alice": "admin", "*": "viewer"},
    "Console.tls_cert_file": "/etc/etld/tls/fullchain.pem",
    "Console.tls_key_file": "/etc/etld/tls/key.pem",
    "Corrector.rules_dir": "rules",
    "Corrector.rules": [{"name": "cast", "steps": [{"cast": "*"}]}],
    "EventType.schema": "schemas/refund.avsc",
    "EventType.topic": "event_refund",
    "EventType.event_names": ["refund_requested", "refund_paid"],
    "EventType.transform": "shop.transforms:prices_in_euro",
    "EventType.sample": {"added_to_cart": 0.1},
    "Ingest.tls_cert_file": "/etc/etld/tls/fullchain.pem",
    "Ingest.tls_key_file": "/run/credentials/etld.service/tls-key",
    "Ingest.cors_origins": ["https://shop.example"],
    "Ingest.trusted_proxies": ["10.0.0.10"],
    "Ingest.keys_file": "/etc/etld/keys.toml",
    "Ingest.segment_map": {"user_details.user_id": "userId"},
    "Ingest.cloudevents": {"example.order.placed": {"event_type": "order", "event_name": "order_placed"}},
    "Kafka.prefix": "stage-",
    "Lake.properties": {"uri": "https://catalog.example", "s3.endpoint": "https://s3.example"},
    "Lake.credentials_file": "/run/credentials/etld.service/lake",
    "Lake.warehouse": "s3://bucket/path",
    "Kafka.sasl_username": "etld",
    "Kafka.sasl_password_file": "/run/credentials/etld.service/kafka-password",
    "Kafka.ssl_ca_file": "/etc/etld/kafka-ca.pem",
    "Kafka.ssl_cert_file": "/etc/etld/kafka.pem",
    "Kafka.ssl_key_file": "/etc/etld/kafka.key",
    "Kafka.ssl_key_password_file": "/run/credentials/etld.service/kafka-key-password",
    "Kafka.oauth_client_id": "etld",
    "Kafka.oauth_client_secret_file": "/run/credentials/etld.service/kafka-oauth-secret",
    "Kafka.oauth_token_url": "https://login.example/oauth2/token",
    "Kafka.oauth_scope": "kafka",
    "Kafka.client": {"client.rack": "eu-central-1a"},
    "Measure.sum": "event_details.amount",
    "Measure.avg": "event_details.amount",
    "Measure.min": "event_details.amount",
    "Measure.max": "event_details.amount",
    "Number.title": "Paid",
    "Number.value": "refunds",
    "Number.where": {"event_name": ["refund_paid"]},
    "Number.unit": "USD",
    "Panel.title": "Refunds by event",
    "Panel.by": "event_name",
    "Panel.value": "refunds",
    "Panel.unit": "USD",
    "Panel.labels": {"refund_paid": "paid"},
    "Postgres.password_file": "/run/credentials/etld.service/postgres-password",
    "Postgres.migration_dsn": "postgresql://etld_owner@db.example/etld",
    "Postgres.migration_password_file": "/run/credentials/etld.service/postgres-owner-password",
    "Postgres.direct_dsn": "postgresql://etld@db-1.example/etld",
    "Python.path": ["/opt/shop/python"],
    "Rule.name": "decimal comma",
    "Rule.match": {"event_type": "purchase"},
    "Rule.steps": [{"regex_replace": {"field": "event_details.price", "pattern": ",", "replace": "."}}, {"cast": "*"}],
    "Rule.hook": "shop.repairs:add_item",
    "SchemaRegistry.username": "etld",
    "SchemaRegistry.password_file": "/run/credentials/etld.service/registry-password",
    "SchemaRegistry.ca_file": "/etc/etld/registry-ca.pem",
    "SchemaRegistry.cert_file": "/etc/etld/registry.pem",
    "SchemaRegistry.key_file": "/etc/etld/registry.key",
    "Storage.erasure_key_file": "/etc/etld/erasure.key",
    "Summary.event_types": ["refund"],
    "Summary.filter": {"event_name": ["refund_paid"]},
    "Summary.group_by": {"event_name": "event_name"},
    "Summary.measures": {"refunds": "count", "amount": {"sum": "event_details.amount"}},
    "Summary.chart": {
        "name": "refund_summary",
        "title": "Refunds",
        "panels": [{"kind": "bar", "title": "Refunds by event", "by": "event_name", "value": "refunds"}],
    },
}


def json_schema() -> dict[str, Any]:
    """The schema, in the words of the file."""
    schema = Config.model_json_schema(by_alias=True, schema_generator=FileSchema)
    schema = {"$schema": FileSchema.schema_dialect, **schema, "title": "etld"}
    tables = {"etld": schema, **schema["$defs"]}
    for name, table in tables.items():
        for key, described in table.get("properties", {}).items():
            _explain(described, EXAMPLES.get(f"{name}.{key}"), schema["$defs"])
    return schema


def _explain(described: dict[str, Any], example: Any, tables: dict[str, Any]) -> None:
    """A table is described by its own words; a default that is not empty, or a choice, is an example."""
    reference = described.get("$ref")
    if reference is not None:
        described.setdefault("description", tables[reference.rpartition("/")[2]].get("description", ""))
        return
    known = [described.get("default"), *described.get("enum", ()), described.get("const")]
    useful = [one for one in known if one not in (None, "", [], {})]
    if example is not None or useful:
        described["examples"] = [useful[0] if example is None else example]
