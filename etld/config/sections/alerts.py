"""Who is told of what is wrong, by webhook."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from etld.config.sections.base import Duration, Matching, OptionalFile, PositiveDuration, Section, quantity


class AlertSection(Section):
    """One webhook, and what it is told."""

    name: Annotated[str, Matching(r"[a-z0-9][a-z0-9_-]{0,39}", "up to 40 of a-z, 0-9, _ and -")] = Field(
        description="What it is called: in `etld alerts test NAME`, in faults and in metrics."
    )
    form: Literal["json", "slack"] = Field(
        "json", description="How a message is written: JSON for programs, or as Slack and its like take it."
    )
    url: str = Field("", description="Where messages are sent (POST); one that is a secret belongs into url_file.")
    url_file: OptionalFile = Field(None, description="Holds the URL instead: one line.")
    secret_file: OptionalFile = Field(
        None, description="Holds the secret that messages are signed with: one line; the header is etld-signature."
    )
    ca_file: OptionalFile = Field(None, description="The CA that signed the receiver's certificate (PEM).")
    faults: bool = Field(True, description="Tell of faults, when they begin and when they end?")
    parked: int = Field(0, ge=0, description="Tell when more dead letters than this are parked; 0 means never.")
    lag: Duration = quantity("0 s", "Tell when a worker is further behind than this; 0 s means never.")
    after: PositiveDuration = quantity("10 s", "What is over sooner than this is not told, unless it comes again.")
    fold: PositiveDuration = quantity("5 min", "The same thing is told to have begun once in so long; others count.")
