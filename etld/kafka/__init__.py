"""Kafka: the only package that imports confluent_kafka."""

from etld.kafka.admin import Admin
from etld.kafka.errors import KafkaProblem, QueueFull
from etld.kafka.producer import Producer
from etld.kafka.settings import client_settings

__all__ = ["Admin", "KafkaProblem", "Producer", "QueueFull", "client_settings"]
