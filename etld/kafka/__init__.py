"""Kafka: the only package that imports confluent_kafka.

`types` are etld's own, `ports` what a cluster is asked, `memory` a cluster without a broker.
"""

from etld.kafka.admin import Admin
from etld.kafka.errors import KafkaProblem, QueueFull
from etld.kafka.producer import Producer
from etld.kafka.receipt import Oversized, Receipt
from etld.kafka.settings import client_settings

__all__ = ["Admin", "KafkaProblem", "Oversized", "Producer", "QueueFull", "Receipt", "client_settings"]
