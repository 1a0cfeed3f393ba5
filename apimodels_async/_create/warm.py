"""What every client needs and no import of this package brings. It is imported in a thread, before the first call.

Together it takes as long as a dozen queries, and each part of it would be loaded on the event loop otherwise.
"""

from apimodels_async._wire import converter
from apimodels_async.pacing import adaptive

__all__: list[str] = []

converter.prepare()
adaptive.prepare()
