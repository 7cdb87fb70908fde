"""What may go wrong: events over HTTP."""

from __future__ import annotations

from etld.explain.entry import Area, Entry

AREA = Area(
    "H",
    "Events over HTTP",
    Entry(
        "ETLD-H001",
        "The body is not JSON",
        meaning=(
            "The body, or a line of an NDJSON batch, cannot be read as JSON, holds a key twice or nests too deeply. "
            "The message tells the place."
        ),
        remedy=(
            "Send UTF-8 JSON with `Content-Type: application/json`; a batch of lines with `application/x-ndjson`. "
            "Check that the client does not send form data or a body cut short."
        ),
        words={"http": ("not_json",)},
    ),
    Entry(
        "ETLD-H002",
        "An event is not an object",
        meaning="Where an event is expected there is a list, a text, a number or null.",
        remedy='`/v1/track` takes one object. A list of events goes to `/v1/batch` as `{"batch": [...]}`.',
        words={"http": ("not_an_object",)},
    ),
    Entry(
        "ETLD-H003",
        "The body is not a batch",
        meaning=(
            '`/v1/batch` takes `{"batch": [...]}`, NDJSON, or a JSON array of CloudEvents with their content type.'
        ),
        remedy="Put the events into such a body, or send a single one to `/v1/track`.",
        words={"http": ("not_a_batch",)},
    ),
    Entry(
        "ETLD-H004",
        "The bytes are not a request of HTTP/1.1",
        meaning=(
            "The request line or a header breaks the protocol or a limit, a header that may come once comes twice, or"
            " the connection ended in the midst of the body."
        ),
        remedy=(
            "Look at what stands between client and etld: a proxy that speaks HTTP/2 to its backend, or a client that"
            " writes its own headers. The connection is closed after the answer."
        ),
        words={"http": ("bad_http",)},
    ),
    Entry(
        "ETLD-H005",
        "The port speaks HTTPS only",
        meaning="`ingest.tls_cert_file` is set, and the client spoke plain HTTP.",
        remedy="Use an address that begins with `https://`.",
        words={"http": ("https_only",)},
    ),
    Entry(
        "ETLD-H006",
        "There is no such path",
        meaning=(
            "Events go to `/track`, `/v1/track`, `/v1/batch` and the paths of Segment's libraries; probes are at "
            "`/healthz`, `/readyz`, `/metrics` and `/openapi.json`."
        ),
        remedy="Correct the path; the message names the nearest one. A proxy in front may have to strip a prefix.",
        words={"http": ("no_such_path",)},
    ),
    Entry(
        "ETLD-H007",
        "The path takes another method",
        meaning=(
            "Events are sent with POST, probes read with GET. A redirect in front (from http to https, say) often "
            "turns a POST into a GET."
        ),
        remedy="Use the method in the header Allow; send to the final address instead of one that redirects.",
        words={"http": ("wrong_method",)},
    ),
    Entry(
        "ETLD-H008",
        "The request took too long to come",
        meaning=(
            "Headers or body did not arrive within `ingest.header_timeout` or `ingest.body_timeout`, because the "
            "client stalls or the line is very slow."
        ),
        remedy="Send it again, in smaller batches. An event_id or Idempotency-Key makes that safe.",
        words={"http": ("timeout",)},
    ),
    Entry(
        "ETLD-H009",
        "The Expect header cannot be met",
        meaning="Only `Expect: 100-continue` is known.",
        remedy="Leave the header out.",
        words={"http": ("expectation_failed",)},
    ),
    Entry(
        "ETLD-H010",
        "The body is too large",
        meaning="The body, as sent or once decompressed, is over `ingest.max_body`.",
        remedy="Split the batch, or raise `ingest.max_body`.",
        words={"http": ("body_too_large",)},
    ),
    Entry(
        "ETLD-H011",
        "An event is too large",
        meaning=(
            "The event, as JSON or as a Kafka record, is over `ingest.max_event` or over what its topic takes. Sent "
            "again it would be refused again."
        ),
        remedy=(
            "Leave out what is large (pictures, documents), or raise `ingest.max_event` together with "
            "`max.message.bytes` of the topics."
        ),
        words={"http": ("event_too_large",)},
    ),
    Entry(
        "ETLD-H012",
        "A batch holds too many events",
        meaning="The batch has more events than `ingest.max_batch`.",
        remedy="Split it.",
        words={"http": ("batch_too_large",)},
    ),
    Entry(
        "ETLD-H013",
        "The Content-Encoding is not known",
        meaning="Bodies may be compressed once with one of the codings that the message lists.",
        remedy="Use `gzip`, or send the body as it is.",
        words={"http": ("unsupported_coding",)},
    ),
    Entry(
        "ETLD-H014",
        "The compressed body is damaged",
        meaning="The body is not in the coding that its header names, breaks off, or has something behind its end.",
        remedy="Check that nothing on the way decompresses the body and leaves the header, or compresses twice.",
        words={"http": ("bad_coding",)},
    ),
    Entry(
        "ETLD-H015",
        "The Content-Type is not one of CloudEvents",
        meaning="The headers say that this is a CloudEvent, and its content type is none that is taken.",
        remedy=(
            "Send `application/cloudevents+json`, `application/cloudevents-batch+json`, or `application/json` in "
            "binary mode."
        ),
        words={"http": ("unsupported_media_type",)},
    ),
    Entry(
        "ETLD-H016",
        "The CloudEvent is not valid",
        meaning=(
            "It lacks an attribute that every CloudEvent has (specversion, id, source, type), has a time that is no "
            "RFC 3339, or holds data twice."
        ),
        remedy="Mend what the message names; see the CloudEvents specification 1.0.",
        words={"http": ("not_a_cloudevent",)},
    ),
    Entry(
        "ETLD-H017",
        "The acknowledgement asked for is not known",
        meaning="`X-Etld-Ack` says how durable an event has to be before the answer: all, leader or enqueued.",
        remedy="Use one of these, or leave the header out.",
        words={"http": ("bad_ack",)},
    ),
    Entry(
        "ETLD-H018",
        "The Idempotency-Key cannot be used",
        meaning=("It is empty, or longer than the message says."),
        remedy=("Send a shorter key, such as a UUID, and the same one when the request is repeated."),
        words={"http": ("bad_idempotency_key",)},
    ),
    Entry(
        "ETLD-H019",
        "A write key is needed",
        meaning="`ingest.keys_file` is set, and the request shows no key.",
        remedy=(
            "Send it as a Bearer token, as the user of HTTP Basic, or as Segment's `writeKey`; docs/ingest.md has"
            " all ways. `etld keys new NAME` makes one."
        ),
        words={"http": ("no_key",)},
    ),
    Entry(
        "ETLD-H020",
        "The write key is not known",
        meaning="No key of `ingest.keys_file` fits, or the one that does has expired.",
        remedy="Look for a cut or an old key in the client. After a change of the file `etld reload` takes it up.",
        words={"http": ("wrong_key",)},
    ),
    Entry(
        "ETLD-H021",
        "This client may not read the metrics",
        meaning=(
            "`[ingest] metrics` leaves `/metrics` to clients on etld's own machine, and this one is another or came "
            "through a proxy."
        ),
        remedy='Scrape from the machine itself, or set `[ingest] metrics` to "key" or "open".',
        words={"http": ("not_for_this_client",)},
    ),
    Entry(
        "ETLD-H022",
        "Events of this type may not be sent",
        meaning=(
            "The write key is for other event types, or the event type is one that clients may not send at all "
            "(`accept = false`)."
        ),
        remedy="Use a key that lists the type, or change the key's entry or the event type's table.",
        words={"http": ("type_not_allowed",)},
    ),
    Entry(
        "ETLD-H023",
        "Too many events a second",
        meaning="The client's address or key is over its limit of events a second.",
        remedy=(
            "Wait as long as Retry-After says and send again; send fewer, or raise the limit in `[ingest]` or in the "
            "key's entry."
        ),
        words={"http": ("too_many_events",)},
    ),
    Entry(
        "ETLD-H024",
        "Too many connections are open",
        meaning=("A process of ingest holds `ingest.max_connections` of them."),
        remedy=("Let clients keep connections and reuse them, raise the limit, or `etld scale ingest N`."),
        words={"http": ("too_many_connections",)},
    ),
    Entry(
        "ETLD-H025",
        "Too many requests of one client are being read",
        meaning="One client sends so many requests on its connections at once that others would have to wait.",
        remedy="Wait for answers before sending more, or put more events into one batch.",
        words={"http": ("busy",)},
    ),
    Entry(
        "ETLD-H026",
        "An event violates its schema",
        meaning=(
            "A field is missing, is unknown or has another type than the schema of its event type says, and "
            '`ingest.invalid = "reject"` keeps nothing. `errors` names each path with what was expected.'
        ),
        remedy=(
            'Mend the producer. With `ingest.invalid = "dead_letter"` such events are kept and can be repaired by '
            "rules."
        ),
        words={"http": ("invalid_event",)},
    ),
    Entry(
        "ETLD-H027",
        "Kafka cannot take events now",
        meaning=(
            "Kafka is away or slower than events come, so the queue of the producer is full. Nothing of the request "
            "is acknowledged."
        ),
        remedy=(
            "Send it again after Retry-After with the same ids; nothing is stored twice. On the side of etld see "
            "ETLD-K001."
        ),
        words={"http": ("unavailable",)},
    ),
    Entry(
        "ETLD-H028",
        "A part of a batch was not stored as it is",
        meaning=(
            "Some events of the batch were refused or kept as dead letters, and the others are stored. `results` has "
            "one entry an event, in their order."
        ),
        remedy="Read `results`; send again only those that can be mended. Refused ones would be refused again.",
        words={
            "http": (
                "partly_refused",
                "partial",
            )
        },
    ),
    Entry(
        "ETLD-H029",
        "Ingest would not accept an event now",
        meaning=(
            "The probe `/readyz` says no: Kafka is away, schemas are not there yet, or the worker is stopping. The "
            "message tells which."
        ),
        remedy="Let the load balancer send to other hosts meanwhile; see `etld health`.",
        words={"http": ("not_ready",)},
    ),
    Entry(
        "ETLD-H030",
        "There are no metrics at the moment",
        meaning="`/metrics` asks the supervisor, which did not answer: it is restarting or very busy.",
        remedy="Scrape again. If it stays, look at `etld status`.",
        words={"http": ("no_metrics",)},
    ),
    Entry(
        "ETLD-H031",
        "A request could not be handled",
        meaning=(
            "A mistake in etld itself. The traceback is in the log of the ingest worker, and nothing of the request "
            "was acknowledged."
        ),
        remedy="Send it again; if it comes again for the same request, report it with the traceback.",
        words={"http": ("internal",)},
    ),
    Entry(
        "ETLD-H032",
        "An event was kept as a dead letter",
        meaning=(
            'The event violates its schema, and `ingest.invalid = "dead_letter"` keeps it until a rule or a person '
            "repairs it. It is safe, so it must not be sent again."
        ),
        remedy="Mend the producer. `etld dlq list` shows the letters, and docs/corrector.md how they are repaired.",
        words={"http": ("dead_lettered",)},
    ),
    Entry(
        "ETLD-H033",
        "The certificate of ingest ends",
        meaning=("The certificate in `ingest.tls_cert_file` ends soon, or has ended, so that clients refuse it."),
        remedy=("Put a new one and its key in their places, then `etld reload`."),
        words={"fault": ("certificate",)},
    ),
)
