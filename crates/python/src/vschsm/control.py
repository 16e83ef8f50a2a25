"""The control of a running program: a JSON object a line, and one in answer."""

from __future__ import annotations

import json
import socket
from typing import Any

from vschsm.error import Error


def ask(path: str, **request: Any) -> dict[str, Any]:
    """Asks who listens at the socket `path` for something, and waits until it is done."""
    line = json.dumps(request) + "\n"
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stream:
            stream.connect(path)
            stream.sendall(line.encode())
            with stream.makefile("rb") as answers:
                answer = answers.readline()
    except OSError as error:
        raise Error(f"no server listens at {path}: {error.strerror}") from error
    if not answer:
        raise Error(f"the server at {path} has ended before it answered")
    fields: dict[str, Any] = json.loads(answer)
    if "error" in fields:
        raise Error(fields["error"])
    return fields
