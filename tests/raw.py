#!/usr/bin/env python3
"""raw.py URL: sends what stdin holds, byte for byte (\\r, \\n, \\0, \\xNN written so; other newlines
are dropped), half-closes nothing, and prints the first line of the answer, or "closed"."""
import re
import socket
import sys

host, port = sys.argv[1].removeprefix("http://").rsplit(":", 1)
text = sys.stdin.read().replace("\n", "")
data = re.sub(
    r"\\(x[0-9a-f]{2}|[rn0])",
    lambda m: {"r": "\r", "n": "\n", "0": "\0"}.get(m[1]) or chr(int(m[1][1:], 16)),
    text,
).encode("latin-1")
with socket.create_connection((host, int(port)), timeout=20) as s:
    s.sendall(data)
    answer = b""
    try:
        while b"\n" not in answer:
            part = s.recv(4096)
            if not part:
                break
            answer += part
    except ConnectionResetError:
        pass
print(answer.split(b"\r\n")[0].decode("latin-1") if answer else "closed")
