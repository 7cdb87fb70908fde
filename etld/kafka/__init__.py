"""Kafka: the only package that imports confluent_kafka.

`types` are etld's own, `ports` what a cluster is asked, `memory` a cluster without a broker.
"""

from etld.kafka.admin import Admin
from etld.kafka.errors import KafkaProblem, QueueFull
from etld.kafka.producer import Producer
from etld.kafka.receipt import Receipt
from etld.kafka.settings import client_settings

__all__ = ["Admin", "KafkaProblem", "Producer", "QueueFull", "Receipt", "client_settings"]
