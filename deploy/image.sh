#!/bin/sh
# image.sh [OPTION...]: build the image with docker, podman or buildah, and put its list of parts (SBOM) into dist/.
# OPTIONs go to the builder, such as --build-arg BASE=... BUILDER and IMAGE say with what and under which name.
set -eu
version=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' etld/__init__.py)
image=${IMAGE:-etld:$version}
builder=${BUILDER:-}
for one in docker podman buildah; do
  # A client without a server builds nothing.
  [ -n "$builder" ] || ! "$one" info >/dev/null 2>&1 || builder=$one
done
[ -n "$builder" ] || {
  echo "an image is built with docker, podman or buildah, and none of them works here" >&2
  exit 1
}
created=$(git log -1 --format=%cI 2>/dev/null || date --utc --iso-8601=seconds)
set -- --label "org.opencontainers.image.version=$version" --label "org.opencontainers.image.created=$created" "$@"
if revision=$(git rev-parse HEAD 2>/dev/null); then
  [ -z "$(git status --porcelain)" ] || revision=$revision-dirty
  set -- --label "org.opencontainers.image.revision=$revision" "$@"
fi
if source=$(git remote get-url origin 2>/dev/null); then
  # Without a user and a password.
  set -- --label "org.opencontainers.image.source=$(echo "$source" | sed 's|://[^/@]*@|://|')" "$@"
fi

sbom=dist/etld-$version-image.cdx.json
mkdir -p dist
case $builder in
*buildah)
  # The format of Docker has health checks, that of OCI has not.
  "$builder" build --format docker "$@" --tag "$image" .
  container=$("$builder" from "$image")
  trap '"$builder" rm "$container" >/dev/null' EXIT
  "$builder" run "$container" -- cat /usr/share/doc/etld/sbom.cdx.json >"$sbom"
  ;;
*)
  case $builder in *podman) set -- --format docker "$@" ;; esac
  "$builder" build "$@" --tag "$image" .
  "$builder" run --rm --network none "$image" cat /usr/share/doc/etld/sbom.cdx.json >"$sbom"
  ;;
esac
echo "$image, and its parts in $sbom"
