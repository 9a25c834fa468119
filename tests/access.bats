#!/usr/bin/env bats
# Who may do what at disco-serve, and what is kept from whom.
load helper

secret_file() {
	TOKENS=$BATS_TEST_TMPDIR/tokens
	(umask 077 && cat >"$TOKENS")
}

# The file of access.py, and its rows.
guarded() {
	secret_file < <(python3 "$BATS_TEST_DIRNAME/access.py" tokens)
	start_master -w "${WARN:-30s}"
	disco-hb -s web -a web_1:1 web_1
	disco-hb -s db -a db_1:1 db_1
	disco-hb -s web -a x_1:1 x_1
	wait_for 5 is_state x_1 active
	start_serve --tokens "$TOKENS" "$@"
}

# get WHO PATH [OPTIONS OF CURL]
get() {
	local who=$1 path=$2
	shift 2
	curl -sS --max-time 20 -H "Authorization: Bearer secret-of-$who" "$@" "$URL$path"
}

status() {
	get "$@" -o /dev/null -w '%{http_code}'
}

seq_of() {
	get "$1" /v1/table -o /dev/null -D - | tr -d '\r' | sed -n 's/^X-Disco-Seq: //p'
}

# many N NAME LENGTH: heartbeats with so long a reason.
many() {
	python3 -c 'import sys
for i in range(int(sys.argv[1])):
    print("{\"process\":\"%s%d\",\"reason\":\"%s\"}" % (sys.argv[2], i + 1, "a" * int(sys.argv[3])))' "$@"
}

sees() {
	[ "$(get "$1" "/v1/process/$2" | jq -r "$3")" = "$4" ]
}

@test "each right against each request" {
	guarded
	python3 "$BATS_TEST_DIRNAME/access.py" matrix "$URL"
}

@test "requests that are wrong are refused in words, and nothing of them is stored" {
	start_master
	start_serve
	python3 "$BATS_TEST_DIRNAME/access.py" malformed "$URL"
	[ "$(ls "$DISCO_SPOOL/hb")" = "disco-serve@$(uname -n):${URL##*:}" ]
}

@test "a token file that is wrong is said, with its line" {
	start_master
	local hash file=$BATS_TEST_TMPDIR/t
	hash=$(printf x | sha256sum | cut -d' ' -f1)
	wrong() {
		local words=$1
		(umask 077 && cat >"$file")
		run -2 --separate-stderr disco-serve --listen 127.0.0.1:0 --tokens "$file"
		[[ $stderr == *"$words"* ]]
	}
	wrong "t:1: write NAME SHA256HEX RIGHT" <<<"a"
	wrong "t:2: not a SHA-256" <<<$'# first\na 1234 admin'
	wrong "t:1: a right is publish:GLOB" <<<"a $hash write:*"
	wrong "t:1: a right without a pattern" <<<"a $hash read:"
	wrong "t:3: this name stands in a line above" <<<"a $hash admin"$'\n\n'"a $hash read:b"
	wrong "t:1: " <<<".a $hash admin"
	wrong "t:1: a comma in a pattern" <<<"a $hash publish:b,read:c"
	wrong "no token in it" <<<"# none"
	: | (umask 022 && cat >"$file" && chmod 644 "$file")
	run -2 --separate-stderr disco-serve --listen 127.0.0.1:0 --tokens "$file"
	[[ $stderr == *"others may read or change it"* ]]
	run -3 --separate-stderr disco-serve --listen 127.0.0.1:0 --tokens "$file.none"
	[[ $stderr == *"No such file"* ]]
	run -2 --separate-stderr disco-serve --listen 0.0.0.0:0
	[[ $stderr == *"see --tokens"* ]]
	run -2 disco-serve --cert none --client-ca none
	run -2 disco-serve --key none
}

@test "a token is taken as Bearer and as the password of Basic, and nowhere else" {
	guarded
	[ "$(status root /)" = 200 ]
	local bare=(curl -sS -o /dev/null -w '%{http_code}')
	[ "$("${bare[@]}" "$URL/")" = 401 ]
	[ "$("${bare[@]}" -u anybody:secret-of-root "$URL/")" = 200 ]
	[ "$("${bare[@]}" -u secret-of-root: "$URL/")" = 401 ]
	[ "$("${bare[@]}" "$URL/?token=secret-of-root")" = 401 ]
	[ "$("${bare[@]}" -H 'Authorization: bearer secret-of-root' "$URL/")" = 200 ]
	[ "$("${bare[@]}" -H 'Authorization: Bearer secret-of-roo' "$URL/")" = 401 ]
	[ "$("${bare[@]}" -H 'Authorization: Bearer' "$URL/")" = 401 ]
	[ "$("${bare[@]}" -H 'Authorization: Basic ====' "$URL/")" = 401 ]
	[ "$("${bare[@]}" -H "Authorization: Bearer $(head -c 9000 /dev/zero | tr '\0' a)" "$URL/")" = 401 ]
	curl -sS -D - -o /dev/null "$URL/" | grep -qi '^WWW-Authenticate: Basic'
	[ "$("${bare[@]}" "$URL/healthz")" = 200 ]
	run ! grep -r -e secret-of- "$BATS_TEST_TMPDIR"/*.log "$BATS_TEST_TMPDIR"/*.out
	grep -q '^disco-serve: refused 127.0.0.1: 401 not a token of this server (/)$' "$SERVE_LOG"
}

@test "who sent a row is the token's name" {
	guarded
	[ "$(status writer /v1/heartbeat -d process=web_7 -d user=somebody -d token=root)" = 204 ]
	wait_for 5 sees root web_7 .user writer
	# Who leaves for it does not become it.
	[ "$(status root /v1/process/web_7 -X DELETE)" = 204 ]
	wait_for 5 sees root web_7 '.user + .state' writerinactive
}

@test "a line that one token has sent says nothing of another's" {
	secret_file <<<"one $(printf secret-of-one | sha256sum | cut -d' ' -f1) publish:f_*
two $(printf secret-of-two | sha256sum | cut -d' ' -f1) publish:f_*
three $(printf secret-of-three | sha256sum | cut -d' ' -f1) publish:g_*"
	start_master
	start_serve --tokens "$TOKENS"
	beat() {
		status "$1" /v1/heartbeat --data-binary '{"process":"f_1","address":"h:1"}'
	}
	for _ in 1 2 3 4; do [ "$(beat one)" = 204 ]; done
	grep -qx token=one "$DISCO_SPOOL/hb/f_1"
	[ "$(beat three)" = 403 ]
	grep -qx token=one "$DISCO_SPOOL/hb/f_1"
	for who in two one two one one one one; do
		[ "$(beat "$who")" = 204 ]
		grep -qx "token=$who" "$DISCO_SPOOL/hb/f_1"
	done
	sed -i '/^one /s/f_/g_/' "$TOKENS"
	kill -HUP "$SERVE"
	refused() { [ "$(beat one)" = 403 ]; }
	wait_for 5 refused
	touch -d @0 "$DISCO_SPOOL/hb/f_1"
	[ "$(beat one)" = 403 ]
	[ "$(stat -c %Y "$DISCO_SPOOL/hb/f_1")" = 0 ]
}

@test "what a token may not see moves no number that it can read" {
	guarded
	local mine all
	mine=$(seq_of reader) all=$(seq_of root)
	[ "$mine" = "$(get reader /v1/table | jq 'map(.seq) | max')" ]
	[ "$(status reader /v1/table -H "If-None-Match: W/\"$mine\"")" = 304 ]
	# It waits for what it may see; a stream and a socket are open too.
	get reader "/v1/table?index=$mine&wait=60s" >"$BATS_TEST_TMPDIR/waited" &
	ends_with_test $!
	local waits=$!
	get reader "/v1/events?since=$mine" -N >"$BATS_TEST_TMPDIR/stream" &
	ends_with_test $!
	opened() { get root /metrics | grep -q 'kind="wait"} 1' && get root /metrics | grep -q 'kind="events"} 1'; }
	wait_for 5 opened
	disco-hb --state error -s db db_1
	disco-hb -s other other_1
	wait_for 5 sees root other_1 .state active
	[ "$(seq_of root)" -gt "$all" ]
	[ "$(seq_of reader)" = "$mine" ]
	[ "$(status reader /v1/table -H "If-None-Match: W/\"$mine\"")" = 304 ]
	[ "$(get reader /metrics | sed -n 's/^disco_seq //p')" = "$mine" ]
	kill -0 "$waits"
	[ ! -s "$BATS_TEST_TMPDIR/waited" ]
	disco-hb --state warning -s web web_1
	wait_for 5 test -s "$BATS_TEST_TMPDIR/waited"
	[ "$(jq 'map(.process) | sort | join(" ")' "$BATS_TEST_TMPDIR/waited")" = '"web_1 x_1"' ]
	wait_for 5 grep -q '"process":"web_1"' "$BATS_TEST_TMPDIR/stream"
	run ! grep -e db_1 -e other_1 "$BATS_TEST_TMPDIR/stream"
	[ "$(seq_of reader)" = "$(get root /v1/process/web_1 | jq .seq)" ]
	# What goes out of its sight is a change that it may see.
	mine=$(seq_of reader)
	get reader "/v1/table?index=$mine&wait=60s" >"$BATS_TEST_TMPDIR/left" &
	ends_with_test $!
	wait_for 5 opened
	disco-hb -s other x_1
	wait_for 5 test -s "$BATS_TEST_TMPDIR/left"
	[ "$(jq -r 'map(.process) | join(" ")' "$BATS_TEST_TMPDIR/left")" = web_1 ]
	mine=$(seq_of reader)
	disco-hb -s other -a elsewhere:1 x_1
	wait_for 5 sees root x_1 .address elsewhere:1
	[ "$(seq_of reader)" = "$mine" ]
}

@test "a WebSocket hears nothing of what its token may not see" {
	WARN=10s guarded
	[ "$(python3 "$BATS_TEST_DIRNAME/access.py" quiet "$URL")" = quiet ]
}

@test "who is revoked gets no more of an answer that is under way" {
	guarded
	many 3000 web_ 2000 | split -l 1000 --filter "curl -sS -H 'Authorization: Bearer secret-of-root' --data-binary @- $URL/v1/heartbeat"
	# shellcheck disable=SC2317 # wait_for calls it
	all_there() { [ "$(get root /v1/table | jq length)" -ge 3000 ]; }
	wait_for 10 all_there
	python3 - "$URL" "$SERVE" "$TOKENS" "$SERVE_LOG" <<-'END'
		import os, re, signal, socket, sys, time
		host, port = sys.argv[1].split("//")[1].rsplit(":", 1)
		s = socket.socket()
		s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
		s.connect((host, int(port)))
		s.settimeout(20)
		s.sendall(b"GET /v1/table HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer secret-of-reader\r\n\r\n")
		got = len(s.recv(1000))
		lines = [l for l in open(sys.argv[3]) if not l.startswith("reader")]
		open(sys.argv[3], "w").writelines(lines)
		os.kill(int(sys.argv[2]), signal.SIGHUP)
		while "read again" not in open(sys.argv[4]).read():
		    time.sleep(0.02)
		try:
		    while part := s.recv(1 << 20):
		        got += len(part)
		        if part.endswith(b"0\r\n\r\n"):
		            break
		except ConnectionResetError:
		    pass
		assert got < 5000000, got # of six
	END
}

@test "a row that is forgotten moves the seq of who saw it" {
	secret_file < <(python3 "$BATS_TEST_DIRNAME/access.py" tokens)
	start_master -w 200ms
	disco-hb -s web -w 1h -e 2h -f 3h web_1
	disco-hb -s db -w 1h -e 2h -f 3h db_1
	start_serve --tokens "$TOKENS"
	local other
	wait_for 5 sees reader web_1 .state active
	other=$(seq_of one)
	# Long enough to be seen, however slow the look.
	disco-hb -s web -w 1s -e 2s -f 4s web_3
	wait_for 5 sees reader web_3 .process web_3
	gone() { [ "$(status reader /v1/process/web_3)" = 404 ]; }
	wait_for 20 gone
	[ "$(seq_of reader)" -gt "$(get reader /v1/table | jq 'map(.seq) | max')" ]
	[ "$(seq_of one)" = "$other" ]
}

@test "SIGHUP reads the tokens again: who is revoked is cut off, a bad file changes nothing" {
	guarded
	get reader /v1/events -N >"$BATS_TEST_TMPDIR/revoked" &
	ends_with_test $!
	local revoked=$!
	get root /v1/events -N >"$BATS_TEST_TMPDIR/stays" &
	ends_with_test $!
	local stays=$!
	writer_holds() {
		curl -sSN -H "Authorization: Bearer secret-of-writer" -d process=web_5 "$URL/v1/hold" >"$BATS_TEST_TMPDIR/hold"
	}
	writer_holds &
	ends_with_test $!
	local hold=$!
	wait_for 5 sees root web_5 .state active
	# A bad one first, and one that was cut off.
	cp -p "$TOKENS" "$TOKENS.old"
	: >"$TOKENS"
	kill -HUP "$SERVE"
	wait_for 5 grep -q 'no token in it' "$SERVE_LOG"
	cp -p "$TOKENS.old" "$TOKENS"
	echo "root nonsense" >>"$TOKENS"
	kill -HUP "$SERVE"
	wait_for 5 grep -q 'the rights that were in force stay' "$SERVE_LOG"
	[ "$(status reader /v1/table)" = 200 ]
	# Another by rename, as editors do it, and with a newcomer.
	{
		grep -e '^root' "$TOKENS" | head -1
		echo "new $(printf secret-of-old | sha256sum | cut -d' ' -f1),$(printf secret-of-new | sha256sum | cut -d' ' -f1) read:*"
	} >"$TOKENS.new"
	chmod 600 "$TOKENS.new"
	mv "$TOKENS.new" "$TOKENS"
	kill -HUP "$SERVE"
	wait_for 5 grep -q 'read again: 2 tokens' "$SERVE_LOG"
	[ "$(status new /v1/table)" = 200 ]
	[ "$(status old /v1/table)" = 200 ]
	[ "$(status reader /v1/table)" = 401 ]
	wait "$revoked" "$hold"
	grep -q revoked "$BATS_TEST_TMPDIR/hold"
	kill -0 "$stays"
	# The process that was held is not accused.
	[ "$(get root /v1/process/web_5 | jq -r .state)" = active ]
}

@test "more requests than a token may send are told 429 and when to come again" {
	guarded --max-requests 20
	flood() {
		python3 - "$URL" <<-'END'
			import http.client, sys
			c = http.client.HTTPConnection(sys.argv[1].split("//")[1])
			for who, status, *what in [("reader", 200, "GET", "/v1/table"),
			                           ("writer", 204, "POST", "/v1/heartbeat", "process=web_7")]:
			    many = 0
			    for _ in range(60):
			        c.request(*what, headers={"Authorization": "Bearer secret-of-" + who})
			        r = c.getresponse()
			        r.read()
			        assert r.status == status or (r.status == 429 and r.headers["Retry-After"] == "1"), r.status
			        many += r.status == 429
			    assert many >= 20, many
		END
	}
	flood
	# One that must be read though its bytes are known counts once.
	python3 - "$URL" "$DISCO_SPOOL/hb/web_8" <<-'END'
		import http.client, os, sys
		c = http.client.HTTPConnection(sys.argv[1].split("//")[1])
		for i in range(20):
		    c.request("POST", "/v1/heartbeat", "process=web_8", headers={"Authorization": "Bearer secret-of-all"})
		    r = c.getresponse()
		    r.read()
		    assert r.status == 204, (i, r.status)
		    if i % 3 == 2:
		        os.utime(sys.argv[2])
	END
	# Others are not concerned, and a second later it may again.
	[ "$(status root /v1/table)" = 200 ]
	again() { [ "$(status reader /v1/table)" = 200 ]; }
	wait_for 5 again
}

@test "each limit at its edge and past it" {
	start_master
	start_serve --max-header 1000 --max-body 2000 --max-message 300 --request 2s
	python3 - "$URL" <<-'END'
		import socket, sys, time
		host, port = sys.argv[1].split("//")[1].rsplit(":", 1)
		def ask(data):
		    with socket.create_connection((host, int(port)), timeout=10) as s:
		        s.sendall(data)
		        return s.recv(4096)
		def status(data):
		    return int(ask(data).split()[1])
		def head(size):
		    start = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: "
		    return start + b"a" * (size - len(start) - 4) + b"\r\n\r\n"
		assert status(head(1000)) == 200
		assert status(head(1001)) == 431
		def body(size, chunked=False):
		    text = b"process=q&reason=" + b"a" * (size - 17)
		    post = b"POST /v1/heartbeat HTTP/1.1\r\nHost: localhost\r\n"
		    if chunked:
		        return post + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % size + text + b"\r\n0\r\n\r\n"
		    return post + b"Content-Length: %d\r\n\r\n" % size + text
		assert status(body(2000)) == 204
		assert status(body(2001)) == 413
		assert status(body(2000, True)) == 204
		assert status(body(2001, True)) == 413
		def message(size):
		    s = socket.create_connection((host, int(port)), timeout=10)
		    s.sendall(b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
		        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
		    f = s.makefile("rb")
		    while f.readline() != b"\r\n":
		        pass
		    s.sendall(b"\x81\xfe" + size.to_bytes(2, "big") + b"\0\0\0\0" + b'{"services":1'.ljust(size - 1) + b"}")
		    return f.read(4)
		assert message(300)[0] == 0x81
		assert message(301)[0] == 0x88 # closed, 1009
		begun = time.monotonic()
		assert status(b"GET / HTTP/1.1\r\nHo") == 408
		assert 1.5 < time.monotonic() - begun < 6
	END
	run -2 disco-serve --max-body 1
	run -2 disco-serve --max-header many
}

@test "it is shut in: no program, no file but its own, no new privileges" {
	[ "${DISCO_SANITIZED:-}" = "" ] || skip "a sanitizer needs more"
	guarded
	grep -q '^NoNewPrivs:.*1$' "/proc/$SERVE/status"
	grep -q '^Seccomp:.*2$' "/proc/$SERVE/status"
	# A file outside of the folders that were named can't be read, even by our own code, where
	# the kernel has landlock.
	python3 -c 'import ctypes, sys; sys.exit(ctypes.CDLL(None).syscall(444, 0, 0, 1) < 1)' || return 0
	mv "$TOKENS" "$BATS_FILE_TMPDIR/tokens"
	ln -s "$BATS_FILE_TMPDIR/tokens" "$TOKENS"
	kill -HUP "$SERVE"
	wait_for 5 grep -q 'Permission denied' "$SERVE_LOG"
	[ "$(status root /v1/table)" = 200 ]
	[ "$(status root /v1/heartbeat -d process=still)" = 204 ]
}

@test "on a kernel whose landlock forbids moves between folders it takes heartbeats" {
	strace -o /dev/null true || cannot "no strace"
	guarded
	kill "$SERVE"
	wait_for 5 eval '! kill -0 "$SERVE" 2>/dev/null'
	local out=$BATS_TEST_TMPDIR/old.out
	strace -D -f -o /dev/null -e trace=landlock_create_ruleset -e inject=landlock_create_ruleset:retval=1 \
		disco-serve --listen 127.0.0.1:0 --tokens "$TOKENS" >"$out" 2>>"$SERVE_LOG" 3>&- 4>&- &
	ends_with_test $!
	wait_for 10 grep -q '^ready' "$out"
	read -r _ URL _ <"$out"
	[ "$(status root /v1/heartbeat -d process=moved)" = 204 ]
}

@test "--user: it binds first, and is another then" {
	[ "$(id -u)" = 0 ] || cannot "needs root"
	start_master
	secret_file <<<"root $(printf secret-of-root | sha256sum | cut -d' ' -f1) admin"
	chmod o+x "$BATS_RUN_TMPDIR" "$BATS_RUN_TMPDIR/test" "$BATS_TEST_TMPDIR"
	chown nobody "$TOKENS"
	start_serve --user nobody --tokens "$TOKENS"
	[ "$(ps -o user= -p "$SERVE")" = nobody ]
	grep -q '^CapEff:.*0000000000000000$' "/proc/$SERVE/status"
	[ "$(status root /v1/heartbeat -d process=by_nobody)" = 204 ]
	[ "$(stat -c %U "$DISCO_SPOOL/hb/by_nobody")" = nobody ]
	kill -HUP "$SERVE"
	wait_for 5 grep -q 'read again: 1 tokens' "$SERVE_LOG"
	run -2 disco-serve --user nobody-at-all
	chown root "$TOKENS"
	chmod 600 "$TOKENS"
	run -3 disco-serve --listen 127.0.0.1:0 --user nobody --tokens "$TOKENS"
}

@test "what it knows is in no core, and no other process of its user's may look at it" {
	[ "$(id -u)" = 0 ] || cannot "needs root to be two users"
	start_master
	chmod o+x "$BATS_RUN_TMPDIR" "$BATS_RUN_TMPDIR/test" "$BATS_TEST_TMPDIR"
	setpriv --reuid nobody --regid nogroup --clear-groups "$DISCO_BUILD/bin/disco-serve" \
		--listen 127.0.0.1:0 >"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/err.log" 3>&- &
	ends_with_test $!
	wait_for 10 grep -q '^ready' "$BATS_TEST_TMPDIR/out"
	[ "$(ps -o user= -p $!)" = nobody ]
	# The kernel gives these to root when a process is not to be dumped.
	[ "$(stat -c %U "/proc/$!/environ")" = root ]
}

# TLS.  certificate NAME SUBJECT [EXTENSION]: signed by our authority.
certificate() {
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$1.key" -out "$1.csr" -subj "$2" 2>/dev/null
	openssl x509 -req -in "$1.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -out "$1.pem" \
		-extfile <(echo "${3:-basicConstraints=CA:FALSE}") 2>/dev/null
	chmod 600 "$1.key"
}

authority() {
	cd "$BATS_TEST_TMPDIR" || return
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout ca.key -out ca.pem -days 2 \
		-subj /CN=authority -addext basicConstraints=critical,CA:TRUE 2>/dev/null
	certificate server /CN=first 'subjectAltName=DNS:localhost,IP:127.0.0.1'
}

@test "TLS: 1.2 and up, certificates read again, streams and sockets as without" {
	authority
	guarded --cert server.pem --key server.key
	[[ $URL == https://127.0.0.1:* ]]
	local tls=(--cacert ca.pem)
	[ "$(status root /v1/table "${tls[@]}")" = 200 ]
	[ "$(status root /v1/table "${tls[@]}" --tls-max 1.2)" = 200 ]
	run ! status root /v1/table "${tls[@]}" --tls-max 1.1 --ciphers DEFAULT@SECLEVEL=0
	run ! status root /v1/table
	run ! curl -sS --http0.9 "http://${URL#https://}/healthz"
	[ "$(get root /v1/table "${tls[@]}" | jq length)" = 4 ]
	# Long answers, streams, and a hold that breaks.
	many 300 many_ 900 | get root /v1/heartbeat "${tls[@]}" --data-binary @-
	all_there() { [ "$(get root /v1/table "${tls[@]}" | jq length)" = 304 ]; }
	wait_for 5 all_there
	curl -sSN "${tls[@]}" -H "Authorization: Bearer secret-of-root" -d process=held_1 "$URL/v1/hold" >hold.out &
	local hold=$!
	ends_with_test "$hold"
	wait_for 5 grep -q held_1 hold.out
	kill -9 "$hold"
	is_closed() { [ "$(get root /v1/process/held_1 "${tls[@]}" | jq -r .reason)" = "connection closed" ]; }
	wait_for 5 is_closed
	# Another certificate, by SIGHUP; then a bad one.
	certificate server /CN=second 'subjectAltName=DNS:localhost,IP:127.0.0.1'
	subject() { openssl s_client -connect "${URL#https://}" </dev/null 2>/dev/null | grep '^subject'; }
	[[ $(subject) == *first* ]]
	kill -HUP "$SERVE"
	is_second() { [[ $(subject) == *second* ]]; }
	wait_for 5 is_second
	echo nonsense >server.pem
	kill -HUP "$SERVE"
	wait_for 5 grep -q 'TLS: what was in force stays' "$SERVE_LOG"
	is_second
	chmod 644 server.key
	run -2 --separate-stderr disco-serve --listen 127.0.0.1:0 --cert server.pem --key server.key
}

# secure_scene NAME: of ws.js, over TLS.
secure_scene() {
	[ -d "$DISCO_BUILD/tests/browser/node_modules/ws" ] || cannot "no package ws"
	authority
	start_master
	start_serve --cert server.pem --key server.key
	ulimit -n 4096 2>/dev/null || true
	export SERVE MASTER
	CLIENTS=200 NODE_EXTRA_CA_CERTS=ca.pem NODE_PATH=$DISCO_BUILD/tests/browser/node_modules timeout 120 \
		node "$BATS_TEST_DIRNAME/ws.js" "$URL" "$1"
}

@test "TLS: a WebSocket" {
	secure_scene basics
}

@test "TLS: two hundred WebSockets, fifty of which stall for a while" {
	secure_scene thousand
}

# A certificate named machine reads web*; a master, and web_1.
machine_guarded() {
	secret_file <<-END
		machine - read:web*
		root $(printf secret-of-root | sha256sum | cut -d' ' -f1) admin
	END
	start_master
	disco-hb -s web web_1
}

@test "a client's certificate says who it is" {
	authority
	certificate client /CN=machine
	certificate stranger /CN=stranger
	certificate twice /CN=machine/CN=other
	machine_guarded
	disco-hb db_1
	start_serve --cert server.pem --key server.key --client-ca ca.pem --tokens "$TOKENS"
	by() { curl -sS --cacert ca.pem --cert "$1.pem" --key "$1.key" "${@:2}" "$URL/v1/table"; }
	seen() { [ "$(by client | jq -r 'map(.process) | join(" ")')" = web_1 ]; }
	wait_for 5 seen
	[ "$(by stranger -o /dev/null -w '%{http_code}')" = 401 ]
	[ "$(by twice -o /dev/null -w '%{http_code}')" = 401 ]
	# A token says more than a certificate.
	[ "$(by stranger -H 'Authorization: Bearer secret-of-root' | jq length)" = 3 ]
	[ "$(curl -sS --cacert ca.pem -o /dev/null -w '%{http_code}' "$URL/v1/table")" = 401 ]
	# One of another authority is none.
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout self.key -out self.pem -days 2 -subj /CN=machine 2>/dev/null
	run ! by self
	wait_for 5 grep -q 'refused 127.0.0.1: TLS: certificate verify failed' "$SERVE_LOG"
	grep -q 'refused 127.0.0.1: 401 a certificate of a name that has no line' "$SERVE_LOG"
}

@test "a client's certificate is good no longer than its authority" {
	authority
	certificate client /CN=machine
	machine_guarded
	cp ca.pem clients.pem
	start_serve --cert server.pem --key server.key --client-ca clients.pem --tokens "$TOKENS"
	# A stream, and a connection that asks again after each line of its input.
	curl -sSN --cacert ca.pem --cert client.pem --key client.key "$URL/v1/events" >stream 2>&1 &
	local stream=$!
	ends_with_test "$stream"
	coproc CLIENT { python3 -u -c '
import http.client, ssl, sys
context = ssl.create_default_context(cafile="ca.pem")
context.load_cert_chain("client.pem", "client.key")
connection = http.client.HTTPSConnection(sys.argv[1], context=context)
for line in sys.stdin:
    connection.request("GET", "/v1/table")
    answer = connection.getresponse()
    answer.read()
    print(answer.status, connection.sock.getsockname()[1])
' "${URL#https://}" 3>&- 4>&-; }
	again() { echo >&"${CLIENT[1]}" && read -r -t 10 code port <&"${CLIENT[0]}"; }
	local code port first
	again
	[ "$code" = 200 ]
	first=$port
	wait_for 5 test -s stream
	# Read again without a change nothing ends.
	kill -HUP "$SERVE"
	wait_for 5 grep -q 'read again: 2 tokens' "$SERVE_LOG"
	again
	[ "$code $port" = "200 $first" ]
	kill -0 "$stream"
	# Another authority of the same name.
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout other.key \
		-out clients.pem -days 2 -subj "$(openssl x509 -in ca.pem -noout -subject -nameopt compat | sed 's/subject=//')" 2>/dev/null
	# A bad token file at the same moment puts it off, and no longer than it is bad.
	cp "$TOKENS" good && echo rubbish >"$TOKENS"
	kill -HUP "$SERVE"
	wait_for 5 grep -q 'the rights that were in force stay' "$SERVE_LOG"
	cat good >"$TOKENS"
	kill -HUP "$SERVE"
	wait_for 5 eval '! kill -0 "$stream" 2>/dev/null'
	again
	[ "$code $port" = "401 $first" ]
}

@test "the log of refusals is what the filter for fail2ban reads, and can't be forged or flooded" {
	guarded
	[ "$(status no-token '/a%0Adisco-serve:%20refused%20192.0.2.9:%20401%20not%20a%20token')" = 401 ]
	[ "$(curl -sS -o /dev/null -w '%{http_code}' "$URL/")" = 401 ]
	python3 - "$BATS_TEST_DIRNAME/../lib/fail2ban/disco-serve.conf" "$SERVE_LOG" <<-'END'
		import re, sys
		rule = re.search(r"^failregex = (.*)$", open(sys.argv[1]).read(), re.M)[1]
		rule = rule.replace("<HOST>", r"(?P<host>\S+?)")
		found = [m["host"] for line in open(sys.argv[2]) if (m := re.search(rule, line))]
		assert found == ["127.0.0.1"], found
	END
	python3 - "$URL" <<-'END'
		import http.client, sys
		c = http.client.HTTPConnection(sys.argv[1].split("//")[1])
		for _ in range(500):
		    c.request("GET", "/", headers={"Authorization": "Bearer wrong"})
		    c.getresponse().read()
	END
	status no-token /
	told() { status no-token / >"$BATS_TEST_TMPDIR/unused" && grep -q 'refused [0-9]* more' "$SERVE_LOG"; }
	wait_for 5 told
	[ "$(wc -l <"$SERVE_LOG")" -lt 200 ]
}
