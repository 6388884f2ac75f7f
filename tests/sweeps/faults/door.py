"""A door before a server on this machine: it can be shut, and holds back what it is told to."""

import contextlib
import re
import socket
import threading
from collections.abc import Iterator


class Door:
    """Passes TCP connections on to a server, and knows who asks for what.

    Parameters
    ----------
    behind : int
        The server's port.
    """

    def __init__(self, behind: int) -> None:
        self.behind = behind
        self.listener = _listening(0)
        self.port: int = self.listener.getsockname()[1]
        self.connections: set[socket.socket] = set()
        self.wanted: bytes | None = None
        self.held, self.released = threading.Event(), threading.Event()
        self.who = 0
        threading.Thread(target=self._accept, daemon=True).start()

    @contextlib.contextmanager
    def holding(self, request: bytes) -> Iterator[threading.Event]:
        """Hold back the first request that begins as the pattern `request` says.

        Gives the event that it has come; `who` is then the port that it came from.
        """
        self.held.clear()
        self.released.clear()
        self.wanted = request
        try:
            yield self.held
        finally:
            self.wanted = None
            self.released.set()

    def shut(self) -> None:
        """Break all connections and refuse new ones."""
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for connection in list(self.connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def open(self) -> None:
        """Take connections again, at the same port."""
        self.listener = _listening(self.port)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        listener = self.listener
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self.behind))
            except OSError:
                client.close()
                continue
            self.connections |= {client, server}
            if listener.fileno() < 0:  # shut meanwhile
                client.close()
                server.close()
                return
            for source, sink in ((client, server), (server, client)):
                source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self._pass, args=(source, sink), daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while content := source.recv(1 << 16):
                if self.wanted and re.match(self.wanted, content) and not self.held.is_set():
                    self.who = source.getpeername()[1]
                    self.held.set()
                    self.released.wait()
                sink.sendall(content)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self.connections.discard(source)
        source.close()


def _listening(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(128)
    return listener
