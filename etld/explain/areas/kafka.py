"""What may go wrong: Kafka."""

from __future__ import annotations

from etld.explain.entry import Area, Entry

AREA = Area(
    "K",
    "Kafka",
    Entry(
        "ETLD-K001",
        "Kafka does not answer",
        meaning=(
            "No broker of `kafka.bootstrap_servers` can be reached, or none answers in time: the cluster is down or "
            "restarting, a firewall or a name is in the way, or TLS or SASL settings do not fit. Ingest answers 503 "
            "and processors stand still meanwhile; nothing is lost, and all goes on by itself."
        ),
        remedy=(
            "Look whether the brokers run and can be reached from this host (`nc -vz HOST PORT`). The log has the "
            "client's own words for the reason. Compare `kafka.security_protocol`, certificates and passwords with "
            "the brokers'."
        ),
        words={"fault": ("kafka",)},
    ),
    Entry(
        "ETLD-K002",
        "Kafka does not do what was asked",
        meaning=(
            "The cluster answers, and refuses: most often the user of etld lacks a right (an ACL), a topic's settings"
            " break a policy of the cluster, or there are too few brokers for the replicas asked for."
        ),
        remedy=(
            "The message has the broker's reason. Grant the right: etld describes, creates, reads and writes its "
            "topics and joins the consumer groups `etld-*` (with `kafka.prefix` before them). Then `etld restart "
            "setup`."
        ),
    ),
    Entry(
        "ETLD-K003",
        "The Kafka client refuses its settings",
        meaning=(
            "librdkafka knows an option or a value in `[kafka]` or `[kafka.client]` not at all, or cannot read a file"
            " that it names. Trying again would not help, so the worker has stopped."
        ),
        remedy="Correct the key named in the message, then `etld reload` or `etld start`.",
    ),
    Entry(
        "ETLD-K004",
        "A topic is there and cannot be used",
        meaning=(
            "The topic is compacted, so that Kafka would drop events, or takes smaller records than "
            "`ingest.max_event` allows."
        ),
        remedy=(
            "Change the topic with `kafka-configs.sh`, as the message says, or name another topic in the configuration."
        ),
    ),
    Entry(
        "ETLD-K005",
        "A partition is halted",
        meaning=(
            "What Kafka has does not go on where the positions in PostgreSQL end, and going on regardless would "
            "lose or repeat events. Other partitions go on. The fault's text names the partition and the reason: "
            "the topic was made anew (ETLD-K006), records are gone (ETLD-K007), or it ends too early (ETLD-K008)."
        ),
        remedy=(
            "Find out what happened to the topic. `etld resume processor --from low TOPIC:PARTITION` then gives "
            "up what is missing and goes on."
        ),
        words={"fault": ("partitions",)},
    ),
    Entry(
        "ETLD-K006",
        "A topic was deleted and made anew",
        meaning=(
            "The topic has the same name and another identity, so its offsets begin again at 0 and the positions in "
            "PostgreSQL mean nothing there. What was in the old topic and not yet processed is gone."
        ),
        remedy=(
            "Find out who deleted the topic. `etld resume processor --from low TOPIC` reads the new one from its "
            "beginning and puts the rest of the old one on record as given up."
        ),
        words={"halt": ("TOPIC_RECREATED",)},
    ),
    Entry(
        "ETLD-K007",
        "Records were removed before they were read",
        meaning=(
            "The topic's retention has removed records that were not processed yet, because the processors stood "
            "still or were behind for longer than that."
        ),
        remedy=(
            "Raise the topic's retention (`retention.ms`, `retention.bytes`). `etld resume processor --from low "
            "TOPIC:PARTITION` goes on at the oldest record that is left; the range that is missing is counted as lost"
            " in `etld reconcile`."
        ),
        words={"halt": ("OFFSET_LOST",)},
    ),
    Entry(
        "ETLD-K008",
        "A partition ends before the position that was reached",
        meaning=(
            "The topic has fewer records than were processed from it. It was restored from an older copy, or a broker"
            " that was not in sync became leader and cut off what it did not have."
        ),
        remedy=(
            'Look at the brokers\' logs for "unclean leader election" or a restore. `etld resume processor --from low '
            "TOPIC:PARTITION` reads what there is; what is stored already is found by its id and not stored twice."
        ),
        words={"halt": ("OFFSET_BEYOND",)},
    ),
    Entry(
        "ETLD-K009",
        "Two members of a consumer group have the same name",
        meaning=(
            "Members are static: `node_id` and a number. A second daemon with the same `node_id` has taken the place "
            "of this one's, or this member's own earlier session had not ended yet."
        ),
        remedy="Give each daemon of a cluster a `node_id` of its own.",
    ),
    Entry(
        "ETLD-K010",
        "A daemon of another database reads the same topics",
        meaning=(
            "A member of one of etld's consumer groups belongs to a daemon with another PostgreSQL. The two would "
            "share the partitions, and each database would get a part of the events. This daemon waits a while for "
            "the other to go, then stops."
        ),
        remedy=(
            'Stop the other daemon, or give one of them a `[kafka] prefix` of its own, such as "stage-". After a '
            "database was restored elsewhere, point both at the same one."
        ),
        words={"fault": ("consumer-group",)},
    ),
    Entry(
        "ETLD-K011",
        "A topic takes smaller events than ingest lets in",
        meaning=(
            "`max.message.bytes` of a topic was lowered below `ingest.max_event`. Events between the two are answered"
            " with 413."
        ),
        remedy="Raise the topic's limit or lower `ingest.max_event`.",
        words={"fault": ("topic-limits",)},
    ),
    Entry(
        "ETLD-K012",
        "A topic does not exist",
        meaning="The topic was deleted, or its name is misspelt or lacks the `kafka.prefix`.",
        remedy=(
            "`etld config show` has the topics: `event_<type>`, unless `[event_types.<type>] topic` says "
            "otherwise. `etld restart setup` makes what is missing."
        ),
    ),
    Entry(
        "ETLD-K013",
        "The consumer has to join its group anew",
        meaning=(
            "The Kafka client can read no further with this session: the group went on without it, a position was "
            "changed by others, or the broker broke off. The worker joins again by itself and goes on at its position"
            " in PostgreSQL."
        ),
        remedy=(
            "Nothing, if it happens now and then. If it keeps coming, the message before it in the log tells why; a "
            "`kafka.max_poll_interval` that is too short for slow batches is one reason."
        ),
    ),
    Entry(
        "ETLD-K014",
        "The embedded Kafka cannot run here",
        meaning=(
            '`kafka.bootstrap_servers = "embedded"` needs Java 17 or newer, and once Maven and a way to a Maven '
            "repository to fetch it."
        ),
        remedy=(
            "Install a JRE and Maven (`apt install default-jre-headless maven`), name a Kafka of your own, or take "
            '`kafka.embedded_broker = "tansu"`, which needs neither and keeps events in memory only.'
        ),
    ),
    Entry(
        "ETLD-K015",
        "The data of the embedded Kafka are damaged",
        meaning=(
            "The directory `kafka/` below `state_dir` lacks a file without which the broker cannot know its cluster."
        ),
        remedy=(
            "Restore the directory from a copy. If its events are all processed (or are not needed), move it away: "
            "the daemon begins with an empty broker, and `etld resume processor --from low TOPIC` accepts that."
        ),
    ),
    Entry(
        "ETLD-K016",
        "The Kafka producer has to be made anew",
        meaning=(
            "The broker has refused the idempotent producer for good (for instance it was idle for longer than the "
            "cluster remembers). Ingest starts a new process, and clients repeat what was answered with 503."
        ),
        remedy=(
            "Nothing; if it keeps coming, look at `transactional.id.expiration.ms` and `producer.id.expiration.ms` of"
            " the cluster."
        ),
    ),
    Entry(
        "ETLD-K017",
        "The broker Tansu is not installed",
        meaning="`kafka.embedded_broker` asks for Tansu, and it comes with an extra that is not installed.",
        remedy='`pip install "etld[embedded]"`.',
    ),
)
