"""The exchanges of one client that are under way, so that closing it can end them before their connections go."""

from types import TracebackType

import anyio


class InFlight:
    """Exchanges, each in a cancel scope of its own.

    Attributes:
        closing: whether they are being cancelled; nothing new should begin.
    """

    def __init__(self) -> None:
        self._scopes: set[anyio.CancelScope] = set()
        self._none_left: anyio.Event | None = None
        self.closing: bool = False

    def exchange(self, bound: float | None) -> "_Exchange":
        """Do one exchange inside; what runs longer than `bound` seconds, or into the closing, is left quietly."""
        return _Exchange(self, anyio.move_on_after(bound))

    def begin(self, scope: anyio.CancelScope) -> None:
        """One more. One that begins into the closing, because it waited for something meanwhile, ends at once."""
        self._scopes.add(scope)
        if self.closing:
            scope.cancel()

    def end(self, scope: anyio.CancelScope) -> None:
        """One less."""
        self._scopes.discard(scope)
        if self._none_left is not None and not self._scopes:
            self._none_left.set()

    async def aclose(self, grace: float) -> None:
        """Cancel every exchange, and wait until all have ended, `grace` seconds at most."""
        self.closing = True
        if not self._scopes:
            return
        self._none_left = self._none_left or anyio.Event()
        for scope in list(self._scopes):
            scope.cancel()
        with anyio.move_on_after(grace, shield=True):
            await self._none_left.wait()


class _Exchange:
    """A context manager; `contextlib`'s would cost twice as much, and this is done for every query."""

    __slots__ = ("_all", "_scope")

    def __init__(self, all_of_them: InFlight, scope: anyio.CancelScope) -> None:
        self._all = all_of_them
        self._scope = scope

    def __enter__(self) -> None:
        self._scope.__enter__()
        self._all.begin(self._scope)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        self._all.end(self._scope)
        return bool(self._scope.__exit__(kind, error, traceback))
