# etld alone, for servers that run elsewhere; docker-compose.yml shows it with all of them.
FROM python:3.12-slim

RUN useradd --system --home-dir /var/lib/etld --create-home etld
WORKDIR /src
COPY pyproject.toml deploy/requirements.txt README.md LICENSE ./
RUN pip install --no-cache-dir --no-deps --require-hashes -r requirements.txt
COPY etld etld
RUN pip install --no-cache-dir --no-deps --no-build-isolation .
COPY config/etld.toml /etc/etld/etld.toml
COPY schemas /etc/etld/schemas

ENV ETLD_CONFIG=/etc/etld/etld.toml \
    ETLD_STATE_DIR=/var/lib/etld \
    MPLCONFIGDIR=/var/lib/etld/matplotlib
USER etld
WORKDIR /var/lib/etld
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD ["etld", "health"]
CMD ["etld", "start", "--foreground"]
