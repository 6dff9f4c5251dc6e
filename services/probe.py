"""`python -m services.probe`: the health check of a container, without curl or a shell. Exit code 0: well; 1: not, with one line that says why.

Without an argument it asks this process's /ready at ORDERGATE_HEALTH_PORT; with a port it only asks whether somebody listens there. It imports as
little as it can, for it runs every few seconds beside each service.
"""

import os
import socket
import sys

SECONDS = 2.0
ANSWER_BYTES_MAX = 65_536


def look(port: int, *, speaks_http: bool) -> str | None:
    """What is wrong, None if nothing."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=SECONDS) as connection:
            if not speaks_http:
                return None
            connection.sendall(b"GET /ready HTTP/1.1\r\nHost: localhost\r\n\r\n")
            return _judge(_read(connection))
    except OSError as error:
        return f"port {port}: {error}"


def _read(connection: socket.socket) -> bytes:
    answer = b""
    while len(answer) < ANSWER_BYTES_MAX and (part := connection.recv(4_096)):
        answer += part
    return answer


def _judge(answer: bytes) -> str | None:
    head, _, body = answer.partition(b"\r\n\r\n")
    status = head.partition(b"\r\n")[0].split(b" ")
    return None if status[1:2] == [b"200"] else (body or head or b"no answer").decode(errors="replace")


def main(arguments: list[str]) -> int:
    port = arguments[0] if arguments else os.environ.get("ORDERGATE_HEALTH_PORT", "")
    if not port.isdecimal():
        sys.stderr.write("usage: python -m services.probe [PORT], or ORDERGATE_HEALTH_PORT in the environment\n")
        return 1
    problem = look(int(port), speaks_http=not arguments)
    if problem is not None:
        sys.stderr.write(f"{problem}\n")
    return 0 if problem is None else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
