"""When a connection that says nothing is asked whether it lives, and when it counts as gone."""

from ordergate.access.websocket import Socket

PING_AFTER_SECONDS = 8.0
SILENT_AFTER_SECONDS = 20.0


class Silence:
    """Of one connection. now: monotonic seconds, here and below."""

    def __init__(self, now: float) -> None:
        self._pinged_at = now

    def is_too_long(self, socket: Socket, now: float) -> bool:
        """Pings where nothing came for a while; true where even pongs stay away and the connection must be dropped."""
        silent = now - socket.heard_at
        if silent >= SILENT_AFTER_SECONDS:
            return True
        if silent >= PING_AFTER_SECONDS and now - self._pinged_at >= PING_AFTER_SECONDS:
            self._pinged_at = now
            socket.ping()
        return False
