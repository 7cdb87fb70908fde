"""A producer of records whose headers have names that no client library for Python writes."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import confluent_kafka

_LIBRARY = next((Path(confluent_kafka.__file__).parents[1] / "confluent_kafka.libs").glob("librdkafka*"))
_PRODUCER = 0
#: Of rd_kafka_producev: what each of its arguments is.
_END, _TOPIC, _PARTITION, _VALUE, _KEY, _FLAGS, _HEADERS = 0, 1, 3, 4, 5, 7, 10
_COPY = 2


def produce(
    settings: Mapping[str, Any], topic: str, key: bytes, value: bytes, header: bytes, partition: int = 0
) -> None:
    """Write one record with a header of this name, in whatever bytes, by librdkafka itself; return when it is there."""
    library = ctypes.CDLL(str(_LIBRARY))
    for name in ("rd_kafka_conf_new", "rd_kafka_new", "rd_kafka_headers_new"):
        getattr(library, name).restype = ctypes.c_void_p
    told = ctypes.create_string_buffer(512)
    conf = ctypes.c_void_p(library.rd_kafka_conf_new())
    for setting, chosen in settings.items():
        failed = library.rd_kafka_conf_set(conf, setting.encode(), str(chosen).encode(), told, len(told))
        assert not failed, told.value
    producer = ctypes.c_void_p(library.rd_kafka_new(_PRODUCER, conf, told, len(told)))
    assert producer, told.value
    headers = ctypes.c_void_p(library.rd_kafka_headers_new(ctypes.c_size_t(1)))
    size = ctypes.c_ssize_t
    library.rd_kafka_header_add(headers, header, size(len(header)), b"value", size(5))
    failed = library.rd_kafka_producev(
        *(producer, _TOPIC, ctypes.c_char_p(topic.encode()), _PARTITION, ctypes.c_int32(partition)),
        *(_KEY, ctypes.c_char_p(key), ctypes.c_size_t(len(key))),
        *(_VALUE, ctypes.c_char_p(value), ctypes.c_size_t(len(value))),
        *(_FLAGS, ctypes.c_int(_COPY), _HEADERS, headers, _END),
    )
    assert not failed
    assert not library.rd_kafka_flush(producer, 30_000)
    library.rd_kafka_destroy(producer)
