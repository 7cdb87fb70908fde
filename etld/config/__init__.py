"""The configuration: one TOML file, checked as a whole before anything starts."""

from etld.config.load import load, locate, parse
from etld.config.model import Config
from etld.config.safety import refuse_unsafe, refuse_unsafe_files

__all__ = ["Config", "load", "locate", "parse", "refuse_unsafe", "refuse_unsafe_files"]
