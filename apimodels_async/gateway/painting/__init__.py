"""The painter of the local gateway: real pictures for demonstrations and tests, no model, no network."""

from .painter import paint

__all__ = ["paint"]
