-- The daemons that run, by cluster and node_id: a second one of the same name is refused before it joins a consumer group.
CREATE TABLE etld.daemon (
    cluster_id text        NOT NULL,
    node_id    text        NOT NULL,
    -- Of one state directory on one boot of one machine: who comes back after a crash is no stranger.
    identity   text        NOT NULL,
    place      text        NOT NULL,
    beat_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (cluster_id, node_id)
);
