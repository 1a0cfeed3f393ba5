"""A server that speaks HTTP/2 only, and does with each request what two functions say."""

import socket
from collections.abc import Callable

import h2.config
import h2.connection
import h2.events

from tests.support.early import Behaviour


class Http2Connection:
    """The server's side of one connection.

    Attributes:
        state: of the protocol.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self.state = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        self._gone = False

    def go_away(self, last: int) -> None:
        """Accept nothing more; requests after stream `last` were not processed."""
        self.state.close_connection(last_stream_id=last)
        self.flush()
        self._gone = True

    def flush(self) -> None:
        """Send what `state` has ready."""
        self._connection.sendall(self.state.data_to_send())

    def answer(self, stream: int, status: int, body: bytes, *, end: bool = True) -> None:
        """Answer a request."""
        self.state.send_headers(stream, [(":status", str(status)), ("server", "early")])
        self.state.send_data(stream, body, end_stream=end)
        self.flush()

    def run(self, begun: "Step", whole: "Step | None") -> None:
        """Serve until the connection ends; see `speaking_http2`."""
        self.state.initiate_connection()
        self.flush()
        while data := self._connection.recv(1 << 16):
            if self._gone:  # what has been under way is not looked at
                continue
            for event in self.state.receive_data(data):
                if isinstance(event, h2.events.RequestReceived):
                    begun(self, event.stream_id)
                elif isinstance(event, h2.events.StreamEnded) and whole is not None:
                    whole(self, event.stream_id)
                elif isinstance(event, h2.events.DataReceived) and whole is not None:
                    self.state.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            self.flush()


Step = Callable[[Http2Connection, int], None]
"""What is done with a connection and one of its streams."""


def speaking_http2(begun: Step, whole: Step | None = None) -> Behaviour:
    """What an `EarlyServer` does with a connection.

    Args:
        begun: called when the head of a request has arrived.
        whole: called when all of it has arrived; without it, no more than 64 KiB of a body are accepted.
    """
    return lambda connection: Http2Connection(connection).run(begun, whole)
