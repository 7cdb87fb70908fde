# etld alone, for servers that run elsewhere; docker-compose.yml shows it with all of them. `make image` builds it.
# The base only builds. What runs is made from nothing (deploy/rootfs.py): Python and its libraries from Debian's
# packages, a shell, and the environment of etld.
ARG BASE=debian:trixie-20261005-slim@sha256:a29215f6a35e51e22adffa17f89e9d2ef06214e64a2bad10d765c46aea49f11f
FROM ${BASE} AS build
RUN apt-get update && apt-get install --yes --no-install-recommends \
    binutils busybox ca-certificates libstdc++6 netbase python3 python3-venv tzdata
WORKDIR /src
COPY deploy/uv.txt deploy/sbom.txt deploy/
RUN python3 -m venv /uv && /uv/bin/pip install --no-cache-dir --no-deps --require-hashes -r deploy/uv.txt \
    && /uv/bin/uv venv /sbom \
    && /uv/bin/uv pip install --no-cache --python /sbom --no-deps --require-hashes -r deploy/sbom.txt
COPY pyproject.toml README.md LICENSE ./
COPY deploy/requirements.txt deploy/environment.py deploy/rootfs.py deploy/
COPY etld etld
RUN PATH=/uv/bin:$PATH UV_NO_CACHE=1 python3 deploy/environment.py /opt/etld deploy/requirements.txt . \
    && /sbom/bin/cyclonedx-py environment --output-reproducible --output-file /sbom.json /opt/etld/bin/python \
    && python3 deploy/rootfs.py /rootfs /sbom.json

FROM scratch
COPY --from=build /rootfs /
COPY config/etld.toml /etc/etld/etld.toml
COPY schemas /etc/etld/schemas
LABEL org.opencontainers.image.title="etld" \
      org.opencontainers.image.description="Events over HTTP, through Kafka, into PostgreSQL, exactly once" \
      org.opencontainers.image.licenses="Apache-2.0"

# Nothing but the state directory is written to, so that the root file system may be read-only.
ENV PATH=/usr/bin \
    ETLD_CONFIG=/etc/etld/etld.toml \
    ETLD_STATE_DIR=/var/lib/etld \
    ETLD_CHARTS__DIR=/var/lib/etld/event_summary_charts \
    MPLCONFIGDIR=/var/lib/etld/matplotlib \
    PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
WORKDIR /var/lib/etld
VOLUME /var/lib/etld
EXPOSE 8080 8090
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD ["etld", "health"]
CMD ["etld", "start", "--foreground"]
