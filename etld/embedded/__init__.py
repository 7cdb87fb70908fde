"""Servers that etld brings along: Apache Kafka (or Tansu) and PostgreSQL, run as its own workers."""

from etld.embedded.choice import choose

__all__ = ["choose"]
