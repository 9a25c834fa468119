#!/usr/bin/env python3
"""access.py matrix URL: tries each right against each request and compares with the rules as they
are written in disco-serve(8).  The table holds web_1 (of service web), db_1 (db) and x_1 (web).

access.py quiet URL: a WebSocket hears nothing of what it may not see, not even by a message of nothing.

access.py malformed URL: sends requests that are wrong, each in its own way, and wants of each an
answer in 400..599 with {"error":"words"} and that nothing of it is stored.

access.py tokens: prints the token file that they use."""
import fnmatch
import hashlib
import http.client
import json
import re
import socket
import sys
import time

TOKENS = {
    "root": ["admin"],
    "all": ["read:*", "publish:*", "call:*"],
    "reader": ["read:web*"],
    "one": ["read:db_1"],
    "writer": ["publish:web_*"],
    "both": ["publish:db_9", "read:x_?", "read:d*"],
    "caller": ["call:addr*", "read:web"],
    "nothing": ["read:zzz"],
}
ROWS = {"web_1": "web", "db_1": "db", "x_1": "web"}


def secret(name):
    return "secret-of-" + name


def tokens():
    for name, rights in TOKENS.items():
        print(name, hashlib.sha256(secret(name).encode()).hexdigest(), *rights)


def has(name, right, *values):
    rights = TOKENS.get(name, [])
    return "admin" in rights or any(
        r.startswith(right + ":") and fnmatch.fnmatchcase(v, r[len(right) + 1 :])
        for r in rights
        for v in values
    )


def reads_some(name):
    return any(r == "admin" or r.startswith("read:") for r in TOKENS[name])


def sees(name):
    return {p for p, s in ROWS.items() if has(name, "read", p, s)}


class Server:
    def __init__(self, url):
        self.host, port = url.split("://")[1].rsplit(":", 1)
        self.port = int(port)

    def ask(self, who, method, path, body=None, **headers):
        c = http.client.HTTPConnection(self.host, self.port, timeout=20)
        if who is not None:
            headers["Authorization"] = "Bearer " + (secret(who) if who in TOKENS else who)
        c.request(method, path, body, headers)
        answer = c.getresponse()
        return c, answer

    def get(self, who, method, path, body=None, **headers):
        c, answer = self.ask(who, method, path, body, **headers)
        text = answer.read().decode()
        c.close()
        if answer.status >= 400 and method != "HEAD":
            words = json.loads(text)["error"]
            assert words, (who, method, path)
            for row in ROWS:
                assert row in path or row not in words, (who, path, words)
        if answer.status == 401:
            assert "Basic" in answer.getheader("WWW-Authenticate", ""), path
        return answer, text


tried = 0


def expect(what, got, wanted):
    global tried
    tried += 1
    if got != wanted:
        sys.exit(f"{what}: {got}, not {wanted}")


def names(text):
    return {row["process"] for row in json.loads(text)} & set(ROWS)


def stream_names(server, who):
    c, answer = server.ask(who, "GET", "/v1/events?since=0")
    found, lines = set(), 0
    while not (line := answer.readline()).startswith(b"event: sync"):
        if m := re.match(rb'data: .*"process":"([^"]*)"', line):
            found.add(m[1].decode())
    c.close()
    return found & set(ROWS)


class Socket:
    """A WebSocket by hand, for it is short."""

    def __init__(self, server, who, text):
        self.s = socket.create_connection((server.host, server.port), timeout=20)
        self.s.sendall(
            b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
            + (f"Authorization: Bearer {secret(who)}\r\n\r\n".encode())
        )
        self.f = self.s.makefile("rb")
        self.status = int(self.f.readline().split()[1])
        while self.f.readline() != b"\r\n":
            pass
        self.s.sendall(bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text)

    def next(self):
        head = self.f.read(2)
        size = head[1]
        if size == 126:
            size = int.from_bytes(self.f.read(2), "big")
        elif size == 127:
            size = int.from_bytes(self.f.read(8), "big")
        return json.loads(self.f.read(size))

    def until(self, *types):
        while (message := self.next())["type"] not in types:
            pass
        return message


def socket_rows(server, who):
    """The rows that a WebSocket is given."""
    s = Socket(server, who, b'{"subscribe":{}}')
    message = s.until("rows", "error")
    s.s.close()
    if message["type"] == "error":
        return s.status, message["error"]
    if not has(who, "read", "anything at all"):
        shown = len(message["rows"])
        assert message["total"] == shown == sum(message["counts"].values()), message
        assert all(r["id"] <= shown for r in message["rows"]), message
    return s.status, {r["process"] for r in message["rows"]} & set(ROWS)


def quiet(url):
    """What others do makes no message; the first that comes is of the change that it may see."""
    server = Server(url)
    s = Socket(server, "reader", b'{"subscribe":{},"every":60,"beats":false}')
    while not s.until("rows")["last"]:
        pass

    def post(process, service, reason):
        body = json.dumps({"process": process, "service": service, "state": "warning", "reason": reason})
        answer, _ = server.get("root", "POST", "/v1/heartbeat", body)
        assert answer.status == 204, answer.status
        for _ in range(500):
            _, text = server.get("root", "GET", f"/v1/process/{process}")
            if json.loads(text).get("reason") == reason:
                return
            time.sleep(0.01)
        sys.exit(f"{process} never said {reason}")

    # Longer than changes are held back to be told together.
    begun = time.monotonic()
    while time.monotonic() - begun < 1:
        post("other_9", "other", f"hidden at {time.monotonic()}")
    post("web_9", "web", "seen")
    message = s.until("delta")
    assert [r["process"] for r in message.get("rows", [])] == ["web_9"], message

    # Nor that the master judges nobody, for so many are silent at once.
    # (That is a warning period after the master's start, for so long it judges nobody anyway.)
    root = Socket(server, "root", b'{"subscribe":{}}')
    for i in range(12):
        answer, _ = server.get("root", "POST", "/v1/heartbeat", json.dumps(
            {"process": f"other_{i % 6}", "service": "other", "warnAfter": "2s", "errorAfter": "1h"}))
        assert answer.status == 204, answer.status
        time.sleep(0.1)
    while not root.until("master")["pausedUntil"]:
        pass
    post("web_9", "web", "seen again")
    seen = False
    while not seen:
        message = s.next()
        assert message["type"] != "master", message
        seen = any(row["reason"] == "seen again" for row in message.get("rows", []))
    print("quiet")


def matrix(url):
    server = Server(url)
    for who in [None, "no-token-of-theirs", *TOKENS]:
        known = who in TOKENS

        def status(method, path, wanted, body=None, **headers):
            if not known and path != "/healthz":
                wanted = 401
            answer, text = server.get(who, method, path, body, **headers)
            expect(f"{who} {method} {path}", answer.status, wanted)
            return answer, text

        status("GET", "/healthz", 200)
        status("GET", "/", 200)
        status("GET", "/nothing-there", 404)
        status("GET", "/v1/nothing-there", 404)
        status("PUT", "/v1/table", 405)
        reads = known and reads_some(who)
        _, text = status("GET", "/v1/table", 200 if reads else 403)
        if reads:
            expect(f"{who} table", names(text), sees(who))
        status("HEAD", "/v1/table", 200 if reads else 403)
        status("GET", "/v1/table?process=db_1", 200 if reads else 403)
        for process in [*ROWS, "none_1"]:
            found = reads and process in sees(who)
            status("GET", f"/v1/process/{process}", 200 if found else 404 if reads else 403)
        _, text = status("GET", "/metrics?process=*", 200 if reads else 403)
        if reads:
            up = set(re.findall(r'disco_process_up{process="([^"]*)"', text)) & set(ROWS)
            expect(f"{who} metrics", up, sees(who))
            services = set(re.findall(r'disco_service_processes{service="([^"]*)"', text))
            expect(f"{who} services", services & {"web", "db"}, {ROWS[p] for p in sees(who)})
            if not has(who, "read", "anything at all"):
                active = int(re.search(r'disco_processes{state="active"} (\d+)', text)[1])
                assert active >= len(sees(who)), (who, active)
                assert active <= len(re.findall(r'disco_process_up{', text)), (who, active)
                assert "disco_heartbeats_total" not in text
        if reads:
            expect(f"{who} events", stream_names(server, who), sees(who))
        else:
            status("GET", "/v1/events", 403)
        if known:
            got = socket_rows(server, who)
            expect(f"{who} socket", got, (101, sees(who) if reads else "this token may read nothing"))
        status("GET", "/v1/proc", 200)
        for proc, query in [("addresses", "?service=web"), ("by-service", ""), ("none", "")]:
            may = known and has(who, "call", proc)
            wanted = 403 if not may else 404 if proc == "none" else 200
            _, text = status("GET", f"/v1/proc/{proc}{query}", wanted)
            if may and proc == "addresses":
                expect(f"{who} addresses", set(text.split()), {f"{p}:1" for p in sees(who) if ROWS[p] == "web"})
            if may and proc == "by-service":
                shown = {s["service"]: s["total"] for s in json.loads(text)}
                expect(f"{who} by-service", "db" in shown, "db_1" in sees(who))
        if known:
            _, text = server.get(who, "GET", "/v1/proc")
            shown = {p["name"] for p in json.loads(text)} & {"addresses", "by-service"}
            expect(f"{who} procs", shown, {p for p in ["addresses", "by-service"] if has(who, "call", p)})
        for process in ["web_9", "db_9"]:
            may = known and has(who, "publish", process)
            status("POST", "/v1/heartbeat", 204 if may else 403, f"process={process}")
            status("POST", "/v1/heartbeat", 204 if may else 403, json.dumps({"process": process}))
            status("DELETE", f"/v1/process/{process}", 204 if may else 403)
            status("DELETE", f"/v1/process/{process}_none", 404 if may and has(who, "publish", process + "_none") else 403)
            if may:
                c, answer = server.ask(who, "POST", "/v1/hold", f"process={process}")
                expect(f"{who} hold {process}", answer.status, 200)
                expect(f"{who} held", answer.readline(), f"# held {process}\n".encode())
                c.close()
            else:
                status("POST", "/v1/hold", 403, f"process={process}")
    print(tried, "as they should be")


GOOD = b"GET /v1/table HTTP/1.1\r\nHost: localhost\r\n\r\n"


def wrong_requests():
    """A great many: each differs from a good request in one thing."""
    host = b"Host: localhost\r\n"
    # Each control byte, and each that is no token, where it may not be.
    for c in [*range(0, 33), 127]:
        b = bytes([c])
        if b not in b" ":
            yield b"GE" + b + b"T / HTTP/1.1\r\n" + host + b"\r\n"
            yield b"GET /" + b + b" HTTP/1.1\r\n" + host + b"\r\n"
        if b not in b"\t ":
            yield b"GET / HTTP/1.1\r\n" + host + b"X: a" + b + b"b\r\n\r\n"
        yield b"GET / HTTP/1.1\r\n" + host + b"X" + b + b"y: a\r\n\r\n"
    for c in b'"(),/;<=>?@[\\]{}':
        yield b"GET / HTTP/1.1\r\n" + host + b"X" + bytes([c]) + b"y: a\r\n\r\n"
    for method in [b"get", b"Get", b"", b"GET:", b"\x16\x03\x01", b"A" * 21, b"1"]:
        yield method + b" / HTTP/1.1\r\n" + host + b"\r\n"
    for version in [b"HTTP/2.0", b"HTTP/1.2", b"HTTP/0.9", b"HTTP/1.", b"http/1.1", b"HTTP/11", b"HTTP/1.1x", b"", b" HTTP/1.1"]:
        yield b"GET / " + version + b"\r\n" + host + b"\r\n"
    yield b"GET /\r\n" + host + b"\r\n"
    yield b"GET / HTTP/1.1\n" + host + b"\r\n"
    yield b"GET / HTTP/1.1\r\nHost: localhost\n\r\n"
    yield b"GET / HTTP/1.1\r\nHost: localhost\r\r\n\r\n"
    yield b"GET / HTTP/1.1\r\n" + host + b"X: a\r\n b\r\n\r\n"
    yield b"GET / HTTP/1.1\r\n " + host + b"\r\n"
    yield b"GET / HTTP/1.1\r\n" + host + b"no colon\r\n\r\n"
    yield b"GET / HTTP/1.1\r\n" + host + b": no name\r\n\r\n"
    yield b"GET / HTTP/1.1\r\n\r\n"
    yield b"GET / HTTP/1.0\r\n\r\n"
    yield b"GET / HTTP/1.1\r\n" + host + host + b"\r\n"
    for name in [b"", b"evil.example", b"localhost.evil.example", b"localhost@evil.example", b"a b", b"127.0.0.1.evil.example", b"[::1", b"[evil]", b"::evil", b"localhost:x", b"localhost:1:2", b"localhost:99999", b"[::1]x"]:
        yield b"GET / HTTP/1.1\r\nHost: " + name + b"\r\n\r\n"
    post = b"POST /v1/heartbeat HTTP/1.1\r\n" + host
    for length in [b"x", b"\t9", b"-1", b"+9", b"0x9", b"9 9", b"9,9", b"", b"9.0", b"1e1", b"99999999999999999999", b"9" + b" " * 22 + b",8", b"4194305", b"8388609", b"999999999999"]:
        yield post + b"Content-Length: " + length + b"\r\n\r\nprocess=q"
    yield post + b"Content-Length: 9\r\nContent-Length: 9\r\n\r\nprocess=q"
    yield post + b"Content-Length: 9\r\nContent-Length: 8\r\n\r\nprocess=q"
    yield post + b"Content-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    yield post + b"Transfer-Encoding: chunked\r\nContent-Length: 9\r\n\r\n0\r\n\r\n"
    for encoding in [b"gzip", b"gzip, chunked", b"chunked, chunked", b"identity", b"xchunked", b"chunked;q=1", b"\tchunked", b"chunked" + b" " * 16 + b", x", b""]:
        yield post + b"Transfer-Encoding: " + encoding + b"\r\n\r\n9\r\nprocess=q\r\n0\r\n\r\n"
    yield post + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    chunked = post + b"Transfer-Encoding: chunked\r\n\r\n"
    for chunks in [b"0x9\r\nprocess=q\r\n0\r\n\r\n", b"+9\r\nprocess=q\r\n0\r\n\r\n", b" 9\r\nprocess=q\r\n0\r\n\r\n", b"9 ;x\r\nprocess=q\r\n0\r\n\r\n", b"9;x=y\r\nprocess=q\r\n0\r\n\r\n", b"9\nprocess=q\r\n0\r\n\r\n", b"9\r\nprocess=q\n0\r\n\r\n", b"9\r\nprocess=qq\r\n0\r\n\r\n", b"000000009\r\nprocess=q\r\n0\r\n\r\n", b"\r\n", b"9\r\nprocess=q\r\n0\r\nX: y\r\n\r\n", b"-1\r\n", b"ffffffff\r\n" + b"a" * 9000000]:
        yield chunked + chunks
    yield chunked.replace(b"1.1", b"1.0") + b"9\r\nprocess=q\r\n0\r\n\r\n"
    for method in [b"HEAD", b"TRACE", b"FOO", b"PROPFIND", b"CONNECT"]:
        yield method + b" / HTTP/1.1\r\n" + host + b"Content-Length: 9\r\n\r\nprocess=q"
        yield method + b" / HTTP/1.1\r\n" + host + b"Transfer-Encoding: chunked\r\n\r\n9\r\nprocess=q\r\n0\r\n\r\n"
    yield b"GET /" + b"a" * 8192 + b" HTTP/1.1\r\n" + host + b"\r\n"
    yield b"GET / HTTP/1.1\r\n" + host + b"X: " + b"a" * 16384 + b"\r\n\r\n"
    yield b"GET / HTTP/1.1\r\n" + host + b"X: a\r\n" * 100 + b"\r\n"
    yield b"CONNECT localhost:1 HTTP/1.1\r\n" + host + b"\r\n"
    yield b"OPTIONS * HTTP/1.1\r\n" + host + b"\r\n"
    yield b"TRACE / HTTP/1.1\r\n" + host + b"\r\n"
    yield b"GET http://evil.example/v1/table HTTP/1.1\r\n" + host + b"\r\n"
    # What is well-formed and says nothing that we know.
    for path in [b"/v1/table?nonsense=1", b"/v1/table?state=alive", b"/v1/table?index=x", b"/v1/table?index=-1", b"/v1/table?wait=5s", b"/v1/table?index=1&wait=forever", b"/v1/table?process=%00", b"/v1/table?%zz=1&process=%g", b"/v1/table?process", b"/v1/events?since=x", b"/v1/events?beats=maybe", b"/v1/process/", b"/v1/process/a%2fb", b"/v1/process/..%2f..%2fetc%2fpasswd", b"/v1/process/%00", b"/v1/", b"/v1/none", b"/../etc/passwd", b"/%2e%2e/etc/passwd", b"//etc/passwd", b"/%", b"/metrics?x=1", b"/metrics?process=" + b"?" * 65, b"/healthz?x=1"]:
        yield b"GET " + path + b" HTTP/1.1\r\n" + host + b"\r\n"
    for body in [b"", b"process=", b"process=a%2fb", b"process=q&process=r", b"process=.q", b"process=" + b"q" * 129, b"process=q&service=" + b"s" * 256, b"process=q&warnAfter=x", b"process=q&warnAfter=9&errorAfter=3", b"process=q&state=alive", b"process=q&pid=x", b"process=q&reason=%0a", b"process=q&reason=%ff", b"q", b"{", b"[]", b"null", b'"q"', b"{}", b'{"process":"q","every":"soon"}', b'{"process":"q\\u0000"}', b'{"process":"q\0r"}', b"process=q\0&pid=x", b'{"process":"q","process":"../r"}', b'{"process":"q","pid":"x"}', b'{"process":"q","reason":"' + b"a" * 17000 + b'"}', b"[" * 2000]:
        yield post + b"Content-Length: %d\r\n\r\n" % len(body) + body
    for key, version in [(b"", b"13"), (b"short", b"13"), (b"A" * 24, b"13"), (b"AAAAAAAAAAAAAAAAAAAAAA==", b"8"), (b"AAAAAAAAAAAAAAAAAAAAAA==", b"")]:
        yield b"GET /ws HTTP/1.1\r\n" + host + b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: " + version + b"\r\nSec-WebSocket-Key: " + key + b"\r\n\r\n"


def answer_of(server, request):
    with socket.create_connection((server.host, server.port), timeout=5) as s:
        answer = b""
        try:
            s.sendall(request)
        except (BrokenPipeError, ConnectionResetError):
            pass
        try:
            while not re.match(rb'HTTP/1\.[01] \d{3} .*\r\n\r\n.', answer, re.S):
                part = s.recv(65536)
                if not part:
                    break
                answer += part
        except (ConnectionResetError, TimeoutError):
            pass
    return answer


def malformed(url):
    server = Server(url)
    count = 0
    bad = []
    for request in wrong_requests():
        count += 1
        answer = answer_of(server, request)
        m = re.match(rb"HTTP/1\.[01] ([45]\d\d) .*?\r\n\r\n(.*)", answer, re.S)
        try:
            good = m is not None and json.loads(m[2])["error"] != ""
        except (ValueError, KeyError):
            good = False
        if not good:
            bad.append((request[:100], answer[:200]))
    for request, answer in bad:
        print(request, "->", answer, file=sys.stderr)
    assert not bad, f"{len(bad)} of {count}"
    answer = answer_of(server, GOOD)
    assert answer.startswith(b"HTTP/1.1 200 "), answer
    assert b'"process":"q' not in answer and b'"process":"r' not in answer, answer
    print(count, "refused in words")


if __name__ == "__main__":
    {"tokens": tokens, "matrix": matrix, "quiet": quiet, "malformed": malformed}[sys.argv[1]](*sys.argv[2:])
