"""The configuration: one TOML file, checked as a whole before anything starts."""

from etld.config.load import load, locate, parse, refuse_unsafe
from etld.config.model import Config

__all__ = ["Config", "load", "locate", "parse", "refuse_unsafe"]
