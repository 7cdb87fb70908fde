"""Superset's bundle: whole, the same each time, and without a password."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import pytest
import yaml

from etld.bi.address import DatabaseAddress
from etld.bi.superset import bundle
from support.bi_config import dashboards

ADDRESS = DatabaseAddress("superset", "db.example", 5432, "etld", (("sslmode", "verify-full"),))
SECRET = "p@ss:wörd/1"


def files(project: str = "etld", **more: Any) -> dict[str, dict[str, Any]]:
    """As Superset reads them."""
    given = bundle.files(dashboards(), ADDRESS, project, **more)
    return {path: yaml.load(text, yaml.CSafeLoader) for path, text in given.items()}


def test_everything_that_is_named_is_in_it() -> None:
    """Charts name datasets, dashboards charts and filters datasets, datasets the database: by ids that are there."""
    found = files()
    ids = {kind: {one["uuid"] for path, one in found.items() if path.startswith(kind)} for kind in KINDS}
    assert {one["database_uuid"] for path, one in found.items() if path.startswith("datasets")} == ids["databases"]
    for path, one in found.items():
        if path.startswith("charts"):
            assert one["dataset_uuid"] in ids["datasets"]
            assert json.loads(one["query_context"])["queries"]
        elif path.startswith("dashboards"):
            cells = [cell["meta"]["uuid"] for key, cell in one["position"].items() if key.startswith("CHART")]
            assert set(cells) <= ids["charts"]
            filters = one["metadata"]["native_filter_configuration"]
            targets = [target for given in filters for target in given["targets"] if target]
            assert {target["datasetUuid"] for target in targets} <= ids["datasets"]
    assert len(set.union(*ids.values())) == sum(map(len, ids.values()))


KINDS = ("databases", "datasets", "charts", "dashboards")


def test_the_same_configuration_gives_the_same_bytes() -> None:
    """So that a second import finds what the first one made; another project has other ids."""
    once, again = (bundle.zipped(bundle.files(dashboards(), ADDRESS, "etld")) for _ in range(2))
    assert once == again
    names = zipfile.ZipFile(io.BytesIO(once)).namelist()
    assert "etld/metadata.yaml" in names
    first, second = files(), files("etld staging")
    assert first[bundle.DATABASE_FILE]["uuid"] != second[bundle.DATABASE_FILE]["uuid"]
    assert first["dashboards/overview.yaml"]["slug"] == "etld-overview"
    assert second["dashboards/overview.yaml"]["slug"] == "etld-staging-overview"


@pytest.mark.parametrize("password", [None, SECRET])
def test_a_password_is_in_it_only_when_it_is_asked_for(password: str | None) -> None:
    """Else Superset's mask is, for which it takes the password of the import, or the one that it knows."""
    given = {} if password is None else {"password": password}
    uri = files(**given)[bundle.DATABASE_FILE]["sqlalchemy_uri"]
    shown = "XXXXXXXXXX" if password is None else "p%40ss%3Aw%C3%B6rd%2F1"
    assert uri == f"postgresql+psycopg2://superset:{shown}@db.example:5432/etld?sslmode=verify-full"


def test_numbers_show_the_change_where_superset_can() -> None:
    """By a kind of chart that has to be turned on there; else they are plain."""
    for change, kind in ((True, "pop_kpi"), (False, "big_number_total")):
        found = files(change=change)
        assert {one["viz_type"] for path, one in found.items() if "-number-" in path} == {kind}
