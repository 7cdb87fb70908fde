"""The worker `setup`: migrations, topics, schemas, and the file that ingest starts from."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from etld.config.names import DEAD_LETTER_TOPIC, PARKED_TOPIC
from etld.erasure.key import ErasureKeyProblem
from etld.errors import EtldError
from etld.kafka.admin import Admin
from etld.kafka.errors import KafkaProblem, SettingsRefused
from etld.kafka.settings import client_settings
from etld.postgres import node_lease
from etld.postgres.errors import DatabaseProblem, classify
from etld.postgres.node_lease import NodeIdTaken
from etld.schemas import registered, registration
from etld.schemas.registration import SchemasRefused
from etld.schemas.registry import RegistryUnavailable, open_registry
from etld.setup import database, restored, topics
from etld.setup.company import refuse_strangers
from etld.sinks.postgres import event_views
from etld.stream.strangers import StrangerInGroup
from etld.util.backoff import Backoff
from etld.util.text import one_line

if TYPE_CHECKING:
    from etld.worker import Worker

log = logging.getLogger("etld.setup")

_FOR_A_PERSON = (
    SchemasRefused, topics.UnusableTopic, DatabaseProblem, NodeIdTaken, SettingsRefused, StrangerInGroup,
    ErasureKeyProblem,
)  # fmt: skip
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 5.0


def run(worker: Worker) -> None:
    """Set up, again and again while a server is away; ends for good on what only a person can mend."""
    backoff = Backoff(_FIRST_PAUSE, _LONGEST_PAUSE)
    while not worker.stopping:
        try:
            set_up(worker)
        except _FOR_A_PERSON as error:
            worker.fatal(str(error), error.code)
        except Exception as error:
            server = _server_away(error)
            if server is None:
                raise
            pause = backoff.next()
            problem = one_line(error) or type(error).__name__
            log.warning("%s; trying again in %.1f s", problem, pause)
            worker.fault(server, problem)
            worker.wait(pause)
        else:
            for server in ("kafka", "postgres", "schema_registry"):
                worker.fault(server, None)
            worker.ready()
            return


def set_up(worker: Worker) -> None:
    """Everything once; what is there already is checked. Several daemons may do it at the same time."""
    config, addresses = worker.config, worker.addresses
    if addresses.postgres is None:
        raise EtldError("set-up needs PostgreSQL, and was given no address of it", code="ETLD-P006")
    loaded = registration.load(config)
    with database.open_migrated(worker, addresses.postgres) as conn:
        worker.beat()
        admin = Admin(client_settings(config, addresses))
        cluster_id, node = admin.cluster_id(), node_lease.Node.of(config)
        node_lease.take(conn, cluster_id, node, worker.wait)
        refuse_strangers(worker, admin, conn, cluster_id, node)
        topics.ensure(admin, config, letters_read=topics.letters_read(admin, config, conn))
        worker.beat()
        schemas = registration.register(open_registry(config, addresses, conn), list(loaded))
        restored.erase_again(worker, cluster_id)
        for problem in event_views.follow(conn, [(kind.name, kind.schema.tree) for kind in loaded]):
            log.error("%s", problem)
        database.let_read(conn, config.postgres.reader)
    own_topics = {DEAD_LETTER_TOPIC: config.kafka.dead_letter_topic, PARKED_TOPIC: config.kafka.parked_topic}
    registered.write(config.schemas_path, cluster_id, schemas, own_topics)


def _server_away(error: Exception) -> str | None:
    """Which server is away, None when the error is about something else."""
    if isinstance(error, RegistryUnavailable):
        return "schema_registry"
    if isinstance(error, KafkaProblem):
        return "kafka"
    if isinstance(error, EtldError):
        return None
    return "postgres" if classify(error) == "retry" else None
