"""A client that was made before gevent replaced the modules: its first call is refused, and does not hang."""

from told import refusal, tell

from apimodels_async import ImagesClient

client = ImagesClient()

from gevent import monkey  # noqa: E402

monkey.patch_all()
message = refusal(client.balance)
assert "gevent" in message, message
tell([], refused=1)
