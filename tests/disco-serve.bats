#!/usr/bin/env bats
# disco-serve, as curl sees it.
load helper

# get PATH [OPTIONS OF CURL]: the body.
get() {
	local path=$1
	shift
	curl -sS --max-time 20 "$@" "$URL$path"
}

# status PATH [OPTIONS OF CURL]: the status alone.
status() {
	get "$@" -o /dev/null -w '%{http_code}'
}

# header NAME PATH [OPTIONS OF CURL]: one header of the answer to GET.
header() {
	local name=$1 path=$2
	shift 2
	get "$path" -o /dev/null -D - "$@" | tr -d '\r' | sed -n "s/^$name: //Ip"
}

# many N: so many letters.
many() {
	head -c "$1" /dev/zero | tr '\0' a
}

served() {
	start_master
	start_serve "$@"
}

# lists NAME STATE: the server's table says so.
lists() {
	[ "$(get "/v1/process/$1" | jq -r .state)" = "$2" ]
}

# waiting N: so many long polls are open.
waiting() {
	get /metrics | grep -q "^disco_serve_open{kind=\"wait\"} $1\$"
}

seq_now() {
	header X-Disco-Seq /v1/table
}

@test "it says where it is found, and answers there" {
	served
	[[ $URL =~ ^http://127\.0\.0\.1:[0-9]+$ ]]
	[ "$(get /healthz)" = ok ]
}

@test "several addresses, a Unix socket among them, and the socket is gone at the end" {
	start_master
	start_serve --listen "unix:$BATS_TEST_TMPDIR/s.sock" --listen '[::1]:0'
	read -r _ first second third <"$BATS_TEST_TMPDIR/serve.out"
	[ "$second" = "unix:$BATS_TEST_TMPDIR/s.sock" ]
	[[ $third =~ ^http://\[::1\]:[0-9]+$ ]]
	[ "$(curl -sS "$first/healthz")" = ok ]
	[ "$(curl -sS --unix-socket "$BATS_TEST_TMPDIR/s.sock" http://localhost/healthz)" = ok ]
	[ "$(curl -sS -g "$third/healthz")" = ok ]
	stop_serve
	[ ! -e "$BATS_TEST_TMPDIR/s.sock" ]
}

@test "a socket left by a server that was killed is taken over; a living one's is not" {
	start_master
	LISTEN=unix:$BATS_TEST_TMPDIR/s.sock start_serve
	run -3 disco-serve --listen "unix:$BATS_TEST_TMPDIR/s.sock"
	[[ $output == *"Address already in use"* ]]
	stop_serve -KILL
	[ -S "$BATS_TEST_TMPDIR/s.sock" ]
	LISTEN=unix:$BATS_TEST_TMPDIR/s.sock start_serve
	[ "$(curl -sS --unix-socket "$BATS_TEST_TMPDIR/s.sock" http://localhost/healthz)" = ok ]
}

@test "sockets that the service manager opened are served" {
	start_master
	python3 - "$BATS_TEST_TMPDIR/port" >"$BATS_TEST_TMPDIR/out" 2>&1 3>&- 4>&- <<-'END' &
		import os, socket, sys
		s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen()
		port = s.getsockname()[1]
		os.dup2(s.fileno(), 3) if s.fileno() != 3 else None
		os.set_inheritable(3, True)
		open(sys.argv[1], "w").write(str(port))
		os.environ["LISTEN_PID"] = str(os.getpid()); os.environ["LISTEN_FDS"] = "1"
		os.execvp("disco-serve", ["disco-serve"])
	END
	ends_with_test $!
	wait_for 10 grep -q ready "$BATS_TEST_TMPDIR/out"
	URL=http://127.0.0.1:$(<"$BATS_TEST_TMPDIR/port")
	[ "$(<"$BATS_TEST_TMPDIR/out")" = "ready $URL" ]
	[ "$(get /healthz)" = ok ]
}

@test "the systemd unit leaves it hardly any right" {
	command -v systemd-analyze >/dev/null || cannot "no systemd-analyze"
	sed 's|@PREFIX@|/usr|' "$BATS_TEST_DIRNAME/../lib/systemd/disco-serve.service" \
		>"$BATS_TEST_TMPDIR/disco-serve.service"
	systemd-analyze security --offline=true --threshold=15 "$BATS_TEST_TMPDIR/disco-serve.service"
}

@test "where others could reach it, it starts only if that is meant" {
	run -2 disco-serve --listen 0.0.0.0:0
	[[ $output == *"--insecure"* ]]
	start_master
	LISTEN=0.0.0.0:0 start_serve --insecure
	URL=http://127.0.0.1:${URL##*:}
	[ "$(get /healthz)" = ok ]
}

@test "wrong options exit 2, and a taken port 3" {
	run -2 disco-serve --listen nonsense
	[[ $output == *"write address:port"* ]]
	run -2 disco-serve --listen 127.0.0.1:99999
	run -2 disco-serve --max-connections 0
	run -2 disco-serve --origin ops.example
	run -2 disco-serve --idle 0
	run -2 disco-serve extra
	run -3 disco-serve --web /nowhere
	served
	run -3 disco-serve --listen "${URL#http://}"
	[[ $output == *"Address already in use"* ]]
}

@test "it beats for itself, is seen at once when killed, and leaves when told to stop" {
	served
	name=disco-serve@$(hostname):${URL##*:}
	wait_for 5 is_state "$name" active
	has held "$name" locked
	stop_serve
	wait_for 5 is_state "$name" inactive
	start_serve
	name=disco-serve@$(hostname):${URL##*:}
	wait_for 5 is_state "$name" active
	stop_serve -KILL
	wait_for 5 is_state "$name" error
}

@test "the table is what disco-ls prints" {
	served
	disco-hb -s rdb -a 10.0.0.1:5 -m zone=a fx_rdb
	disco-hb -s hdb fx_hdb
	wait_for 5 lists fx_hdb active
	diff <(get /v1/table | jq -S 'map(del(.age, .counter, .lastHb)) | sort_by(.process)') \
		<(disco-ls -j | jq -sS 'map(del(.age, .counter, .lastHb)) | sort_by(.process)')
	[ "$(get /v1/table -H 'Accept: application/x-ndjson' | jq -s length)" = 3 ]
	get /v1/table -H 'Accept: text/tab-separated-values' >"$BATS_TEST_TMPDIR/tsv"
	[[ $(head -1 "$BATS_TEST_TMPDIR/tsv") == "#disco-table 1 seq="*" rows=3 "*" warnAfter=30 "* ]]
	[ "$(tail -n +3 "$BATS_TEST_TMPDIR/tsv" | wc -l)" = 3 ]
	[ "$(status /v1/table -H 'Accept: image/png')" = 406 ]
}

@test "filters: globs, several of a key, several keys, states and meta" {
	served
	disco-hb -s rdb -m zone=a fx_rdb
	disco-hb -s rdb -m zone=b eq_rdb
	disco-hb -s hdb --state error --reason bad fx_hdb
	wait_for 5 lists fx_hdb error
	names() {
		get "/v1/table?$1" | jq -r '.[].process' | sort | tr '\n' ' '
	}
	[ "$(names 'service=rdb')" = "eq_rdb fx_rdb " ]
	[ "$(names 'process=fx_*')" = "fx_hdb fx_rdb " ]
	[ "$(names 'process=fx_rdb&process=eq_rdb')" = "eq_rdb fx_rdb " ]
	[ "$(names 'process=fx_*&service=rdb')" = "fx_rdb " ]
	[ "$(names 'state=error,warning')" = "fx_hdb " ]
	[ "$(names 'state=error&state=active&process=fx*')" = "fx_hdb fx_rdb " ]
	[ "$(names 'meta.zone=b')" = "eq_rdb " ]
	[ "$(names 'meta.zone=%5Bab%5D')" = "eq_rdb fx_rdb " ]
	[ "$(names 'process=none')" = "" ]
}

@test "what is asked wrongly is an error with words" {
	served
	[ "$(get '/v1/table?colour=red' | jq -r .error)" = "colour: no such parameter" ]
	[ "$(status '/v1/table?colour=red')" = 400 ]
	[ "$(status '/v1/table?state=blue')" = 400 ]
	[ "$(status '/v1/table?index=x')" = 400 ]
	[ "$(status '/v1/table?wait=3s')" = 400 ]
	[ "$(status '/v1/table?index=0&wait=1d')" = 400 ]
	[ "$(status '/v1/table?process=a%00b')" = 400 ]
	[ "$(status '/v1/table?service')" = 400 ]
	[ "$(status "/v1/table?meta.k=*$(many 256)")" = 400 ]
	[ "$(status "/v1/table?$(seq -s '&' -f 'process=%.0f*' 65)")" = 400 ]
	[ "$(status '/healthz?x=1')" = 400 ]
	[ "$(status /v1/nothing)" = 404 ]
	[ "$(status /nothing)" = 404 ]
	[ "$(status /v1/process/nobody)" = 404 ]
	[ "$(status /v1/table -X POST -d x=1)" = 405 ]
	[ "$(header Allow /v1/heartbeat)" = POST ]
	[ "$(status /v1/heartbeat -X PATCH)" = 405 ]
	get /v1/table -X POST -d x=1 | jq -e .error
}

@test "one process with its events" {
	served
	disco-hb fx_rdb
	wait_for 5 lists fx_rdb active
	disco-hb --state warning --reason slow fx_rdb
	wait_for 5 lists fx_rdb warning
	[ "$(get /v1/process/fx_rdb | jq -c '[.reason, (.events | map(.event))]')" = \
		'["slow",["joined","warning"]]' ]
}

@test "ETag: 304 as long as nothing but beats came" {
	served
	disco-hb fx_rdb
	wait_for 5 lists fx_rdb active
	etag=$(header ETag /v1/table)
	[[ $etag == 'W/"'*'"' ]]
	disco-hb fx_rdb
	# shellcheck disable=SC2317
	counted() { [ "$(get /v1/process/fx_rdb | jq .counter)" = 2 ]; }
	wait_for 5 counted
	[ "$(status /v1/table -H "If-None-Match: $etag")" = 304 ]
	disco-hb --state error fx_rdb
	wait_for 5 lists fx_rdb error
	[ "$(status /v1/table -H "If-None-Match: $etag")" = 200 ]
}

@test "HEAD has the headers and no body, and the connection goes on" {
	served
	run -0 curl -sS -I "$URL/healthz" --next -sS "$URL/healthz"
	[[ $output == *"Content-Length: 3"* ]]
	[ "${lines[-1]}" = ok ]
	run -0 curl -sS -I "$URL/v1/table" --next -sS -o /dev/null -w '%{num_connects}' "$URL/healthz"
	[ "${lines[-1]}" = 0 ]
}

@test "a large answer is compressed for who asks, and the same" {
	served
	for i in {1..300}; do echo "{\"process\":\"p_$i\",\"service\":\"s\"}"; done |
		get /v1/heartbeat --data-binary @-
	wait_for 5 lists p_300 active
	[ "$(header Content-Encoding /v1/table -H 'Accept-Encoding: gzip')" = gzip ]
	[ "$(header Content-Encoding /v1/table)" = "" ]
	[ "$(header Content-Encoding /v1/table -H 'Accept-Encoding: gzip;q=0')" = "" ]
	[ "$(get /v1/table --compressed | jq length)" = 301 ]
	[ "$(get /v1/table | jq length)" = 301 ]
}

@test "a long poll waits for the next change of its rows, and for no other" {
	served
	disco-hb fx_rdb
	disco-hb fx_hdb
	wait_for 5 lists fx_hdb active
	seq=$(seq_now)
	get "/v1/table?index=$seq&wait=20s&process=fx_rdb" >"$BATS_TEST_TMPDIR/answer" 3>&- &
	poll=$!
	wait_for 5 waiting 1
	disco-hb --state error fx_hdb
	wait_for 5 lists fx_hdb error
	waiting 1
	disco-hb --state warning --reason slow fx_rdb
	wait "$poll"
	[ "$(jq -r '.[0].reason' "$BATS_TEST_TMPDIR/answer")" = slow ]
	# At its end it answers with what there is; from the future and from long ago at once.
	[ "$(get "/v1/table?index=$(seq_now)&wait=100ms&process=fx_rdb" | jq length)" = 1 ]
	[ "$(get "/v1/table?index=$((seq + 1000))&wait=10m" | jq length)" = 3 ]
	[ "$(get "/v1/table?index=1&wait=10m" | jq length)" = 3 ]
}

@test "who goes away while he waits is forgotten" {
	served
	curl -sS "$URL/v1/table?index=$(seq_now)&wait=10m" >/dev/null 3>&- &
	poll=$!
	wait_for 5 waiting 1
	kill "$poll"
	wait_for 5 waiting 0
}

@test "without a master, machines get 503 and not an empty list" {
	start_serve
	[ "$(status /healthz)" = 503 ]
	[ "$(status /v1/table)" = 503 ]
	[ "$(get /v1/table | jq -r .error)" = "no master runs" ]
	start_master
	healthy() { [ "$(status /healthz)" = 200 ]; }
	wait_for 5 healthy
	stop_master -KILL
	sick() { [ "$(status /healthz)" = 503 ]; }
	wait_for 5 sick
	[[ $(get /v1/table | jq -r .error) == "no master runs since "* ]]
	[ "$(header X-Disco-Master /v1/table)" = gone ]
	# Heartbeats are taken all the same, and there when one comes.
	[ "$(status /v1/heartbeat -d process=meanwhile)" = 204 ]
	start_master
	wait_for 5 lists meanwhile active
}

@test "heartbeats as form, as JSON and as many lines" {
	served
	[ "$(status /v1/heartbeat -d process=f_1 -d service=web -d address=h:1 --data-urlencode \
		'meta.note=a & b' -d every=5 -d warnAfter=45s)" = 204 ]
	wait_for 5 lists f_1 active
	[ "$(get /v1/process/f_1 | jq -c '[.service,.address,.every,.warnAfter,.meta.note]')" = \
		'["web","h:1",5,45,"a & b"]' ]
	[ "$(status /v1/heartbeat --json '{"process":"j_1","pid":12,"every":1.5,"errorAfter":"5m",
		"meta":{"n":3,"on":true},"host":null,"later":{"x":1}}')" = 204 ]
	wait_for 5 lists j_1 active
	[ "$(get /v1/process/j_1 | jq -c '[.pid,.every,.errorAfter,.meta]')" = \
		'[12,1.5,300,{"n":"3","on":"true"}]' ]
	printf '{"process":"n_1"}\n{"process":"n_2"}\n' | get /v1/heartbeat --data-binary @-
	wait_for 5 lists n_2 active
}

@test "the same content is one touch" {
	served
	get /v1/heartbeat -d process=f_1
	wait_for 5 lists f_1 active
	inode=$(stat -c %i "$DISCO_SPOOL/hb/f_1")
	get /v1/heartbeat -d process=f_1
	[ "$(stat -c %i "$DISCO_SPOOL/hb/f_1")" = "$inode" ]
	# shellcheck disable=SC2317
	counted() { [ "$(get /v1/process/f_1 | jq .counter)" = 2 ]; }
	wait_for 5 counted
}

@test "a line that was said before is still looked at by who says it, and by what lies there" {
	served
	beat() {
		get /v1/heartbeat --data-binary '{"process":"f_1","address":"h:1","n":1}'
	}
	said() {
		cmp "$DISCO_SPOOL/hb/f_1" "$BATS_TEST_TMPDIR/said"
	}
	for _ in 1 2 3 4; do beat; done
	wait_for 5 lists f_1 active
	cp "$DISCO_SPOOL/hb/f_1" "$BATS_TEST_TMPDIR/said"
	inode=$(stat -c %i "$DISCO_SPOOL/hb/f_1")
	touch -d @0 "$DISCO_SPOOL/hb/f_1"
	for _ in 1 2 3; do beat; done
	[ "$(stat -c %i "$DISCO_SPOOL/hb/f_1")" = "$inode" ]
	[ "$(stat -c %Y "$DISCO_SPOOL/hb/f_1")" -gt 0 ]
	# Others write it, in place and by a move, and it goes.
	printf 'port=2\n' >"$DISCO_SPOOL/hb/f_1"
	beat && said
	for _ in 1 2 3; do beat; done
	disco-hb -a h:3 f_1
	beat && said
	for _ in 1 2 3; do beat; done
	rm "$DISCO_SPOOL/hb/f_1"
	beat && said
	for _ in 1 2 3; do beat; done
	[ "$(status /v1/process/f_1 -X DELETE)" = 204 ]
	run ! said
	beat && said
	for _ in 1 2 3; do beat; done
	# Another folder has this path.
	mv "$DISCO_SPOOL/hb" "$DISCO_SPOOL/hb.old"
	mkdir "$DISCO_SPOOL/hb" || true # the master may be quicker
	chmod 1777 "$DISCO_SPOOL/hb"
	beat && said
}

@test "a request that came before is answered as before, and means no more than it did" {
	served
	python3 - "$URL" "$DISCO_SPOOL/hb" <<-'END'
		import os, re, socket, sys, urllib.request
		host, port = sys.argv[1].removeprefix("http://").rsplit(":", 1)
		s = socket.create_connection((host, int(port)), timeout=20)
		s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
		def post(body, more=""):
		    return (f"POST /v1/heartbeat HTTP/1.1\r\nHost: localhost\r\n{more}"
		            f"Content-Length: {len(body)}\r\n\r\n{body}").encode()
		def take(count):
		    answer = b""
		    while answer.count(b"\r\n\r\n") < count:
		        part = s.recv(65536)
		        assert part, answer
		        answer += part
		    answers = re.findall(rb"HTTP/1.1.*?\r\n\r\n", answer, re.S)
		    assert len(answers) == count, answer
		    return {re.sub(rb"(?m)^(Date|X-Disco-Seq): .*\r", rb"\1", a) for a in answers}
		def times():
		    return {n: os.stat(os.path.join(sys.argv[2], n)).st_mtime_ns
		            for n in os.listdir(sys.argv[2]) if n.startswith("f_")}
		def delivered():
		    with urllib.request.urlopen(sys.argv[1] + "/metrics") as f:
		        return int(re.search(r"(?m)^disco_serve_heartbeats_total (\d+)", f.read().decode())[1])
		def touched(*data, names, by):
		    """Sends these, and has so many answers and beats of these names, and of no other."""
		    before, beats, was = delivered(), by + (both in data), times()
		    for part in data:
		        s.sendall(part)
		        delivered() # then it has read that
		    assert take(by) == same
		    were = {n for n, t in times().items() if t != was.get(n)}
		    assert were == set(names), (were, names)
		    assert delivered() == before + beats
		one, two = post('{"process":"f_1","n":1}'), post("process=f_2&n=2")
		both = post('{"process":"f_1","n":1}\n{"process":"f_2"}')
		s.sendall(one)
		same = take(1)
		assert len(same) == 1 and same.pop().startswith(b"HTTP/1.1 204 No Content\r\n")
		s.sendall(one)
		same = take(1)
		for parts, names, by in [
		    ((one,), ["f_1"], 1),
		    ((two,), ["f_2"], 1),
		    ((one + two,), ["f_1", "f_2"], 2),
		    ((one[:40], one[40:]), ["f_1"], 1),
		    ((one + two[:40], two[40:]), ["f_1", "f_2"], 2),
		    ((one[:-3], one[-3:] + two), ["f_1", "f_2"], 2),
		    ((one, two, one), ["f_1", "f_2"], 3),
		    ((both,), ["f_1", "f_2"], 1),
		] * 2:
		    for _ in range(4):
		        touched(*parts, names=names, by=by)
		    touched(one, names=["f_1"], by=1)
		    touched(two, names=["f_2"], by=1)
		# It is the whole of it that was known.
		touched(post('{"process":"f_3","n":1}'), names=["f_3"], by=1)
		for body in '{"process":"f_1","n":1}', "process=f_2&n=2":
		    with socket.create_connection((host, int(port)), timeout=20) as other:
		        other.sendall(body.encode() + b"\r\n\r\n")
		        assert other.recv(12) == b"HTTP/1.1 400"
		with socket.create_connection((host, int(port)), timeout=20) as other:
		    other.sendall(post("x" * len(one))[:-len(one)])
		    delivered()
		    other.sendall(one)
		    assert other.recv(12) == b"HTTP/1.1 400"
		# What comes behind an open answer is not what was read with its request.
		hold = post("process=f_9").replace(b"heartbeat", b"hold")
		for _ in range(4):
		    with socket.create_connection((host, int(port)), timeout=20) as other:
		        other.sendall(hold)
		        assert other.recv(12) == b"HTTP/1.1 200"
		        other.sendall(one)
		        delivered()
		        with socket.create_connection((host, int(port)), timeout=20) as next:
		            next.sendall(hold + b"\r\n")
		            lines = other.makefile("rb")
		            while not (line := lines.readline()).startswith(b"HTTP/1.1 204"):
		                assert line
		# And it ends the connection if it asks for that.
		for _ in range(5):
		    for last in (post("process=f_4", "Connection: close\r\n"),
		                 post("process=f_5").replace(b"HTTP/1.1", b"HTTP/1.0"),
		                 post("process=f_6").replace(b"POST ", b"POST http://localhost")):
		        with socket.create_connection((host, int(port)), timeout=20) as other:
		            other.sendall(last)
		            answer = other.makefile("rb").read()
		            assert b" 204 " in answer, answer
	END
}

@test "who reads no answer is cut off, and what he sent counted" {
	start_master
	start_serve --listen "unix:$BATS_TEST_TMPDIR/s.sock"
	python3 - "$BATS_TEST_TMPDIR/s.sock" "$DISCO_SPOOL/hb/f_1" <<-'END'
		import os, select, socket, sys
		s = socket.socket(socket.AF_UNIX)
		s.connect(sys.argv[1])
		s.settimeout(20)
		request = b"POST /v1/heartbeat HTTP/1.1\r\nHost: localhost\r\nContent-Length: 11\r\n\r\nprocess=f_1"
		ended = select.poll()
		ended.register(s, select.POLLHUP)
		def beaten():
		    try:
		        return os.stat(sys.argv[2]).st_mtime_ns
		    except FileNotFoundError:
		        return 0
		beats = 0
		while not ended.poll(0) and beats < 5000:
		    before = beaten()
		    try:
		        s.send(request)
		    except BrokenPipeError:
		        break
		    while beaten() == before and not ended.poll(0):
		        pass
		    beats += beaten() != before
		assert 20 < beats < 5000, beats
	END
	[ "$(curl -sS --unix-socket "$BATS_TEST_TMPDIR/s.sock" http://localhost/healthz)" = ok ]
}

@test "lines that were said before count in a body, and errors name the line" {
	served
	line='{"process":"f_1","service":"a"}'
	for _ in 1 2 3 4; do get /v1/heartbeat --data-binary "$line"; done
	before=$(get /metrics | sed -n 's/^disco_serve_heartbeats_total //p')
	printf '%s\n\n %s\nnonsense\n%s %s\n{"process":"f_2"}%s\n' "$line" "$line" "$line" "$line" "$line" |
		get /v1/heartbeat --data-binary @- >"$BATS_TEST_TMPDIR/answer"
	[ "$(jq -r .error "$BATS_TEST_TMPDIR/answer")" = 'line 4: not JSON' ]
	[ "$(jq -c '[.delivered, .failed]' "$BATS_TEST_TMPDIR/answer")" = '[6,1]' ]
	[ "$(get /metrics | sed -n 's/^disco_serve_heartbeats_total //p')" = $((before + 6)) ]
	[ -e "$DISCO_SPOOL/hb/f_2" ]
	# It may be the beginning of another, and another its beginning.
	get /v1/heartbeat --data-binary '{"process":"f_1","service":"a","address":"h:2"}'
	grep -qx address=h:2 "$DISCO_SPOOL/hb/f_1"
	[ "$(status /v1/heartbeat --data-binary '{"process":"f_1","service":"a"')" = 400 ]
}

@test "a line that was said before is a report when a connection holds the process" {
	served
	line='{"process":"f_1","state":"error","reason":"no disk"}'
	for _ in 1 2 3 4; do get /v1/heartbeat --data-binary "$line"; done
	curl -sSN "$URL/v1/hold" -d process=f_1 -d pid=7 -d address=h:1 \
		>"$BATS_TEST_TMPDIR/hold" 3>&- &
	ends_with_test $!
	wait_for 5 grep -q held "$BATS_TEST_TMPDIR/hold"
	for _ in 1 2 3; do
		get /v1/heartbeat --data-binary "$line"
		[ "$(grep -cxE 'address=h:1|pid=7|state=error|reason=no disk' "$DISCO_SPOOL/hb/f_1")" = 4 ]
	done
}

@test "what somebody else wrote since is not taken for the same content" {
	served
	get /v1/heartbeat -d 'process=f_1&port=1'
	get /v1/heartbeat -d 'process=f_1&port=1'
	cp "$DISCO_SPOOL/hb/f_1" "$BATS_TEST_TMPDIR/said"
	printf 'port=2\n' >"$DISCO_SPOOL/hb/f_1"
	get /v1/heartbeat -d 'process=f_1&port=1'
	cmp "$DISCO_SPOOL/hb/f_1" "$BATS_TEST_TMPDIR/said"
	disco-hb -a h:3 f_1
	get /v1/heartbeat -d 'process=f_1&port=1'
	cmp "$DISCO_SPOOL/hb/f_1" "$BATS_TEST_TMPDIR/said"
	rm "$DISCO_SPOOL/hb/f_1"
	get /v1/heartbeat -d 'process=f_1&port=1'
	cmp "$DISCO_SPOOL/hb/f_1" "$BATS_TEST_TMPDIR/said"
}

@test "what came through it says so, and what only a server may say is dropped" {
	served
	get /v1/heartbeat --json '{"process":"x","via":"evil","user":"root","held":"yes","counter":99,
		"token":"t","age":3}'
	wait_for 5 lists x active
	[ "$(get /v1/process/x | jq -c '[.via,.held,.counter]')" = \
		"[\"disco-serve@$(hostname):${URL##*:}\",null,1]" ]
	run ! grep -q token= "$DISCO_SPOOL/hb/x"
}

@test "wrong heartbeats are refused with words, and the good ones beside them delivered" {
	served
	[ "$(get /v1/heartbeat -d process=../x | jq -r .error | cut -c1-6)" = "../x: " ]
	[ "$(status /v1/heartbeat -d service=x)" = 400 ]
	[ "$(status /v1/heartbeat -d '')" = 400 ]
	[ "$(status /v1/heartbeat -d nonsense)" = 400 ]
	[ "$(status /v1/heartbeat -d '[1]')" = 400 ]
	[ "$(status /v1/heartbeat -d '{"process":"x","state":"fine"}')" = 400 ]
	[ "$(status /v1/heartbeat -d '{"process":"x","pid":-1}')" = 400 ]
	[ "$(status /v1/heartbeat -d '{"process":"x","every":1e300}')" = 400 ]
	[ "$(status /v1/heartbeat -d '{"process":"x","reason":"a\nb=c"}')" = 400 ]
	[ "$(status /v1/heartbeat -d '{"process":"x","reason":"a\u0000b"}')" = 400 ]
	[ "$(status /v1/heartbeat -d '{"process":"x","process":"y"}')" = 400 ]
	[ "$(status /v1/heartbeat -d '{"process":"x","warnAfter":"9s","errorAfter":"3s"}')" = 400 ]
	[ "$(status /v1/heartbeat -d "process=x&reason=$(many 20000)")" = 400 ]
	[ ! -e "$DISCO_SPOOL/hb/x" ]
	head -c 5000000 /dev/zero | tr '\0' ' ' >"$BATS_TEST_TMPDIR/large"
	[ "$(status /v1/heartbeat --data-binary "@$BATS_TEST_TMPDIR/large")" = 413 ]
	printf '{"process":"n_1"}\n{"process":"-"}\nbroken\n{"process":"n_2"}\n' >"$BATS_TEST_TMPDIR/lines"
	[ "$(get /v1/heartbeat --data-binary "@$BATS_TEST_TMPDIR/lines" | jq -c '[.delivered,.failed,(.error|.[:7])]')" = \
		'[2,2,"line 2:"]' ]
	wait_for 5 lists n_2 active
}

@test "lines of disco-watch -j are heartbeats, and what only a judge says is passed over" {
	served
	get /v1/heartbeat --data-binary @- <<-'END'
		{"event":"row","from":null,"time":"2026-11-24T00:00:00.000Z","process":"a","state":"active","seq":5}
		{"event":"error","from":"active","process":"b","state":"error","reason":"silent 90 s"}
		{"event":"error","from":"active","process":"c","state":"error","reason":"killed by SIGKILL"}
		{"event":"forgotten","process":"d"}
		{"event":"sync","from":null,"time":"2026-11-24T00:00:00.000Z","seq":5,"reason":null}
	END
	wait_for 5 lists c error
	lists a active
	[ ! -e "$DISCO_SPOOL/hb/b" ]
	[ ! -e "$DISCO_SPOOL/hb/d" ]
}

@test "another user's heartbeat, a link, and what a local process holds are not touched" {
	served
	disco-hb -i 1s local_1 3>&- &
	ends_with_test $!
	wait_for 5 lists local_1 active
	[ "$(status /v1/heartbeat -d process=local_1)" = 409 ]
	ln -s /etc/passwd "$DISCO_SPOOL/hb/link_1"
	[ "$(status /v1/heartbeat -d process=link_1)" = 409 ]
	[ "$(readlink "$DISCO_SPOOL/hb/link_1")" = /etc/passwd ]
	if [ "$(id -u)" = 0 ]; then
		touch "$DISCO_SPOOL/hb/other_1"
		chown nobody "$DISCO_SPOOL/hb/other_1"
		[ "$(status /v1/heartbeat -d process=other_1)" = 403 ]
		[ "$(status /v1/process/other_1 -X DELETE)" = 403 ]
	fi
}

@test "DELETE leaves" {
	served
	get /v1/heartbeat -d process=x -d service=web
	wait_for 5 lists x active
	[ "$(status /v1/process/x -X DELETE)" = 204 ]
	wait_for 5 lists x inactive
	[ "$(get /v1/process/x | jq -r '.service + " " + .reason')" = "web left" ]
	[ "$(status /v1/process/nobody -X DELETE)" = 404 ]
}

# hold ARGUMENTS OF CURL: in the background; $HOLD is its pid.
hold() {
	: >"$BATS_TEST_TMPDIR/hold"
	curl -sSN "$URL/v1/hold" "$@" >"$BATS_TEST_TMPDIR/hold" 2>&1 3>&- &
	HOLD=$!
	ends_with_test "$HOLD"
	wait_for 5 grep -q '^# held' "$BATS_TEST_TMPDIR/hold"
}

@test "a held process whose connection ends is an error at once" {
	served
	hold -d process=x -d pid=7 -d service=web
	wait_for 5 lists x active
	get /v1/heartbeat -d process=x -d pid=7 -d service=web
	kill -9 "$HOLD"
	wait_for 5 lists x error
	[ "$(get /v1/process/x | jq -r '.reason + " " + .service')" = "connection closed web" ]
	# It comes back with its next beat.
	get /v1/heartbeat -d process=x -d pid=7 -d service=web
	wait_for 5 lists x active
}

@test "one that left before is not" {
	served
	hold -d process=x -d pid=7
	get /v1/heartbeat -d process=x -d pid=7 -d state=inactive
	wait_for 5 lists x inactive
	kill "$HOLD"
	gone() { get /metrics | grep -q '^disco_serve_open{kind="hold"} 0'; }
	wait_for 5 gone
	lists x inactive
	hold -d process=y
	get /v1/process/y -X DELETE
	wait "$HOLD"
	[ "$(tail -1 "$BATS_TEST_TMPDIR/hold")" = "# left" ]
	wait_for 5 gone
	wait_for 5 lists y inactive
}

@test "a report about a held process takes its state and reason alone" {
	served
	hold -d process=x -d pid=7 -d service=web -d address=h:1
	get /v1/heartbeat -d process=x -d state=warning -d reason=slow
	wait_for 5 lists x warning
	[ "$(get /v1/process/x | jq -c '[.service,.address,.pid,.reason]')" = '["web","h:1",7,"slow"]' ]
	# It stands while the process says what it said before, and ends with something new.
	get /v1/heartbeat -d process=x -d pid=7 -d service=web -d address=h:1
	counted() { [ "$(get /v1/process/x | jq .counter)" = 3 ]; }
	wait_for 5 counted
	lists x warning
	get /v1/heartbeat -d process=x -d pid=7 -d service=web -d address=h:2
	wait_for 5 lists x active
}

@test "numbers stay as they are" {
	served
	get /v1/heartbeat --json '{"process":"x","version":1.1,"meta":{"a":0.1,"b":1e3,"c":12345678901}}'
	wait_for 5 lists x active
	[ "$(get /v1/process/x | jq -c '[.version,.meta.a,.meta.b,.meta.c]')" = \
		'["1.1","0.1","1000","12345678901"]' ]
}

@test "a body of very many costs nobody else his turn, and one bad line no other" {
	served
	head -c 1000000 /dev/zero | sed 's/\x00/{}/g' >"$BATS_TEST_TMPDIR/body"
	[ "$(status /v1/heartbeat --data-binary "@$BATS_TEST_TMPDIR/body")" = 400 ]
	printf '%s\n' '{"process":"a"}' '{"process":"b","reason":"\u0000"}' '{"process":"c","reason":"C:\\u0000dir","state":"error"}' |
		get /v1/heartbeat --data-binary @- >"$BATS_TEST_TMPDIR/answer"
	[ "$(jq -c '[.delivered,.failed]' "$BATS_TEST_TMPDIR/answer")" = '[2,1]' ]
	wait_for 5 lists c error
}

@test "a row that was silent elsewhere is told of, but is no beat of one that is known" {
	served
	get /v1/heartbeat -d '{"event":"row","process":"far","state":"error","reason":"silent 90 s"}'
	wait_for 5 lists far error
	get /v1/heartbeat -d process=near
	wait_for 5 lists near active
	get /v1/heartbeat -d '{"event":"row","process":"near","state":"error","reason":"silent 90 s"}'
	get /v1/heartbeat -d process=later
	wait_for 5 lists later active
	[ "$(get /v1/process/near | jq -c '[.state,.counter]')" = '["active",1]' ]
}

@test "an idle connection is closed, what is open is not" {
	served --idle 300ms
	hold -d process=x
	curl -sSN "$URL/v1/events" >"$BATS_TEST_TMPDIR/events" 3>&- &
	events=$!
	ends_with_test "$events"
	python3 - "$URL" <<-'END'
		import base64, os, socket, sys
		host, port = sys.argv[1].removeprefix("http://").rsplit(":", 1)
		def connect():
		    return socket.create_connection((host, int(port)), timeout=20)
		ws = connect()
		ws.sendall(b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
		           b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + base64.b64encode(os.urandom(16)) + b"\r\n\r\n")
		assert ws.recv(12) == b"HTTP/1.1 101"
		text = b'{"subscribe":{"service":"none"},"every":60}'
		ws.sendall(bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text)
		for _ in range(3):
		    assert connect().recv(1) == b""  # idle, and closed
		ws.sendall(b"\x89\x80\0\0\0\0")  # a ping
		answer = b""
		while b"\x8a\0" not in answer:
		    part = ws.recv(4096)
		    assert part, "it was closed"
		    answer += part
	END
	kill -0 "$HOLD"
	kill -0 "$events"
}

@test "an older client is told no length that is none" {
	served
	for path in /v1/events /v1/table; do
		python3 - "$URL" "$path" <<-'END'
			import socket, sys
			host, port = sys.argv[1].removeprefix("http://").rsplit(":", 1)
			s = socket.create_connection((host, int(port)), timeout=20)
			s.sendall(f"GET {sys.argv[2]} HTTP/1.0\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n".encode())
			head = s.recv(4096).decode().split("\r\n\r\n")[0]
			assert "Content-Length: 0" not in head, head
		END
	done
}

@test "a cache is told what an answer depends on" {
	served
	[ "$(header Vary /v1/table)" = "Accept, Accept-Encoding" ]
	[ "$(status /v1/events -H 'Accept: application/json')" = 406 ]
}

@test "counters begin at nothing, whatever was before" {
	start_master
	disco-hb x
	wait_for 5 is_state x active
	start_serve
	[ "$(get /metrics | sed -n 's/^disco_changes_total{event="warning"} //p')" = 0 ]
	[ "$(get /metrics | sed -n 's/^disco_changes_total{event="joined"} //p')" -le 1 ]
}

@test "two servers on Unix sockets are two processes" {
	start_master
	LISTEN=unix:$BATS_TEST_TMPDIR/a.sock start_serve
	LISTEN=unix:$BATS_TEST_TMPDIR/b.sock start_serve
	wait_for 5 is_state "disco-serve@$(hostname):a.sock" active
	wait_for 5 is_state "disco-serve@$(hostname):b.sock" active
}

@test "no master is said on standard error, and when one is back" {
	start_serve
	wait_for 5 grep -q 'no master runs' "$SERVE_LOG"
	start_master
	wait_for 5 grep -q 'the master is back' "$SERVE_LOG"
}

@test "a second hold takes over, and the end of the first is nobody's death" {
	served
	hold -d process=x -d pid=7
	first=$HOLD
	cp "$BATS_TEST_TMPDIR/hold" "$BATS_TEST_TMPDIR/first"
	curl -sSN "$URL/v1/hold" -d process=x -d pid=8 >"$BATS_TEST_TMPDIR/second" 3>&- &
	second=$!
	ends_with_test "$second"
	wait "$first"
	[ "$(tail -1 "$BATS_TEST_TMPDIR/hold")" = "# replaced" ]
	wait_for 5 grep -q '^# held' "$BATS_TEST_TMPDIR/second"
	[ "$(get /v1/process/x | jq -r .state)" != error ]
	kill "$second"
	wait_for 5 lists x error
}

@test "a server that stops, or is killed, calls nobody dead" {
	served
	hold -d process=x -d pid=7
	wait_for 5 lists x active
	stop_serve
	wait "$HOLD" || true
	is_state x active
	start_serve
	hold -d process=y -d pid=7
	wait_for 5 lists y active
	stop_serve -KILL
	wait "$HOLD" || true
	wait_for 5 is_state "disco-serve@$(hostname):${URL##*:}" error
	is_state y active
}

@test "events as they happen, and from any that is kept" {
	served
	disco-hb one
	wait_for 5 lists one active
	seq=$(get /v1/process/one | jq .seq)
	disco-hb --state error --reason bad one
	wait_for 5 lists one error
	curl -sSN "$URL/v1/events?since=$seq" >"$BATS_TEST_TMPDIR/events" 3>&- &
	ends_with_test $!
	wait_for 5 grep -q '^event: error' "$BATS_TEST_TMPDIR/events"
	disco-hb two
	wait_for 5 grep -q '^event: joined' "$BATS_TEST_TMPDIR/events"
	run ! grep -q reset "$BATS_TEST_TMPDIR/events"
	[ "$(sed -n 's/^id: //p' "$BATS_TEST_TMPDIR/events" | head -1)" = $((seq + 1)) ]
	sed -n 's/^data: //p' "$BATS_TEST_TMPDIR/events" | jq -s -e '.[0].reason == "bad" and .[1].process == "two"'
	curl -sSN "$URL/v1/events" -H "Last-Event-ID: $((seq + 1))" >"$BATS_TEST_TMPDIR/resumed" 3>&- &
	ends_with_test $!
	wait_for 5 grep -q '"two"' "$BATS_TEST_TMPDIR/resumed"
	run ! grep -q bad "$BATS_TEST_TMPDIR/resumed"
}

@test "events from too long ago, or from the future, begin with the whole table" {
	served
	disco-hb one
	wait_for 5 lists one active
	for since in 1 9007199254740000; do
		# One of its own each: what the former holds must not be taken for it.
		local events=$BATS_TEST_TMPDIR/events.$since
		curl -sSN "$URL/v1/events?since=$since" -H 'Accept: text/tab-separated-values' \
			>"$events" 3>&- &
		ends_with_test $!
		wait_for 5 grep -qs sync "$events"
		[ "$(grep -v '^#' "$events" | cut -f3 | uniq | tr '\n' ' ')" = \
			"reset row sync " ]
	done
}

@test "events are filtered, and tell beats to who wants them" {
	served
	curl -sSN "$URL/v1/events?service=a*&beats=yes" -H 'Accept: text/tab-separated-values' \
		>"$BATS_TEST_TMPDIR/events" 3>&- &
	ends_with_test $!
	wait_for 5 grep -q 'master runs' "$BATS_TEST_TMPDIR/events"
	disco-hb -s b p_b
	disco-hb -s a p_a
	wait_for 5 lists p_a active
	disco-hb -s b p_b
	disco-hb -s a p_a
	wait_for 5 grep -q "beat.*p_a" "$BATS_TEST_TMPDIR/events"
	run ! grep -q p_b "$BATS_TEST_TMPDIR/events"
	stop_master -KILL
	wait_for 5 grep -q '^#master gone 20' "$BATS_TEST_TMPDIR/events"
}

@test "a new log, and what changed meanwhile, reaches who listens" {
	served
	disco-hb -s a p_a
	wait_for 5 lists p_a active
	curl -sSN "$URL/v1/events?since=$(seq_now)" -H 'Accept: text/tab-separated-values' \
		>"$BATS_TEST_TMPDIR/events" 3>&- &
	ends_with_test $!
	wait_for 5 grep -q 'master runs' "$BATS_TEST_TMPDIR/events"
	stop_master -KILL
	rm -rf "$DISCO_SPOOL/events" "$DISCO_SPOOL/table" "$DISCO_SPOOL/hb/p_a"
	disco-hb p_new
	start_master
	wait_for 10 lists p_new active
	[ "$(status /v1/process/p_a)" = 404 ]
	wait_for 5 grep -q 'p_new' "$BATS_TEST_TMPDIR/events"
	cut -f3 "$BATS_TEST_TMPDIR/events" | grep -q reset
}

@test "Prometheus can read the metrics" {
	served
	disco-hb -s 'a "quoted" \service' x
	get /v1/heartbeat -d process=y
	wait_for 5 lists y active
	get '/metrics?process=*' >"$BATS_TEST_TMPDIR/metrics"
	run -0 promtool check metrics <"$BATS_TEST_TMPDIR/metrics"
	[ -z "$output" ]
	grep -qx 'disco_processes{state="active"} 3' "$BATS_TEST_TMPDIR/metrics"
	grep -qx 'disco_master_up 1' "$BATS_TEST_TMPDIR/metrics"
	grep -qx 'disco_serve_heartbeats_total 1' "$BATS_TEST_TMPDIR/metrics"
	grep -q '^disco_process_up{process="y",service="y",host=""} 1$' "$BATS_TEST_TMPDIR/metrics"
	get /metrics >"$BATS_TEST_TMPDIR/metrics"
	run ! grep -q disco_process_up "$BATS_TEST_TMPDIR/metrics"
}

@test "Prometheus scrapes it" {
	served
	cat >"$BATS_TEST_TMPDIR/prometheus.yml" <<-END
		scrape_configs:
		  - job_name: disco
		    scrape_interval: 200ms
		    scrape_timeout: 200ms
		    static_configs: [{targets: ["${URL#http://}"]}]
	END
	port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
	prometheus --config.file="$BATS_TEST_TMPDIR/prometheus.yml" \
		--storage.tsdb.path="$BATS_TEST_TMPDIR/tsdb" --web.listen-address="127.0.0.1:$port" \
		>"$BATS_TEST_TMPDIR/prometheus.log" 2>&1 3>&- 4>&- &
	ends_with_test $!
	scraped() {
		curl -sS "http://127.0.0.1:$port/api/v1/query?query=disco_master_up" 2>/dev/null |
			jq -e '.data.result[0].value[1] == "1"'
	}
	wait_for 30 scraped
}

@test "requests that have two meanings are refused" {
	served
	raw() { python3 "$BATS_TEST_DIRNAME/raw.py" "$URL"; }
	[ "$(raw <<<'GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n')" = "HTTP/1.1 200 OK" ]
	[ "$(raw <<<'GET /healthz HTTP/1.1\r\n\r\n')" = "HTTP/1.1 400 Bad Request" ]
	[ "$(raw <<<'GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: b\r\n\r\n')" = "HTTP/1.1 400 Bad Request" ]
	[ "$(raw <<<'POST /v1/heartbeat HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd')" = "HTTP/1.1 400 Bad Request" ]
	[ "$(raw <<<'POST /v1/heartbeat HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: +3\r\n\r\nabcd')" = "HTTP/1.1 400 Bad Request" ]
	[ "$(raw <<<'POST /v1/heartbeat HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n')" = "HTTP/1.1 400 Bad Request" ]
	[ "$(raw <<<'POST /v1/heartbeat HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx')" = "HTTP/1.1 400 Bad Request" ]
	[ "$(raw <<<'GET /healthz HTTP/1.1\r\nHost : 127.0.0.1\r\n\r\n')" = "HTTP/1.1 400 Bad Request" ]
	[ "$(raw <<<'GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX: a\x01b\r\n\r\n')" = "HTTP/1.1 400 Bad Request" ]
	[ "$(raw <<<'GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX: a\0b\r\n\r\n')" = "HTTP/1.1 400 Bad Request" ]
	[ "$(raw <<<'GET /healthz HTTP/9.9\r\nHost: 127.0.0.1\r\n\r\n')" != "HTTP/1.1 200 OK" ]
	[ "$(raw <<<'POST /v1/heartbeat HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nprocess=x\r\n0\r\n\r\n')" = "HTTP/1.1 204 No Content" ]
	printf 'GET /healthz HTTP/1.1\\r\\nHost: 127.0.0.1\\r\\nX: %s\\r\\n\\r\\n' "$(many 40000)" >"$BATS_TEST_TMPDIR/long"
	[ "$(raw <"$BATS_TEST_TMPDIR/long")" != "HTTP/1.1 200 OK" ]
	[ "$(get /healthz)" = ok ]
}

@test "pages and names of strangers are refused" {
	served --host disco.example --origin http://friend.example
	[ "$(status /healthz -H 'Host: evil.example')" = 421 ]
	[ "$(status /healthz -H 'Host: disco.example:9090')" = 200 ]
	[ "$(status /healthz -H 'Host: localhost')" = 200 ]
	[ "$(status /healthz -H 'Host: [::1]:9090')" = 200 ]
	[ "$(status /v1/heartbeat -d process=x -H 'Origin: http://evil.example')" = 403 ]
	[ "$(status /v1/heartbeat -d process=x -H 'Origin: null')" = 403 ]
	[ "$(status /v1/heartbeat -d process=x -H "Origin: $URL")" = 204 ]
	[ "$(status /v1/heartbeat -d process=x -H 'Origin: http://friend.example')" = 204 ]
}

@test "a request that dribbles in or stands still is told 408, others are served meanwhile" {
	served
	python3 - "$URL" <<-'END' 3>&- &
		import socket, sys, time
		host, port = sys.argv[1].removeprefix("http://").rsplit(":", 1)
		begun = time.monotonic()
		head = b"GET /healthz HTTP/1.1\r\nX: "
		half = [socket.create_connection((host, int(port))) for _ in range(500)]
		for s in half:
		    s.sendall(head)
		# One that is good waits for none of them.
		waits = []
		while time.monotonic() - begun < 3:
		    t = time.monotonic()
		    s = socket.create_connection((host, int(port)))
		    s.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
		    assert s.recv(100).startswith(b"HTTP/1.1 200 ")
		    waits.append(time.monotonic() - t)
		    if len(waits) % 50 == 0:
		        half[0].send(b"a")
		waits.sort()
		assert waits[len(waits) * 99 // 100] < 0.05, waits[-10:]
		for s in half:
		    s.settimeout(20)
		    answer = s.recv(1000)
		    assert answer.startswith(b"HTTP/1.1 408 Request Timeout\r\n"), answer
		    assert b'{"error":"' in answer
		    assert s.recv(1) == b""
		assert 5 < time.monotonic() - begun < 20
	END
	slow=$!
	[ "$(get /healthz)" = ok ]
	wait "$slow"
}

@test "who is refused is gone soon, in whatever pieces it comes and whatever it sends on" {
	served --max-connections-per-address 20
	python3 - "$URL" <<-'END'
		import socket, sys, time
		host, port = sys.argv[1].removeprefix("http://").rsplit(":", 1)
		def more():
		    s = socket.create_connection((host, int(port)), timeout=10)
		    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
		    return s
		def rest(s):
		    answer = b""
		    try:
		        while part := s.recv(65536):
		            answer += part
		    except ConnectionResetError:
		        pass
		    return answer
		good = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
		bad = b"GET /x\x01 HTTP/1.1\r\nHost: localhost\r\n\r\n"
		# In two pieces, the second large.
		for _ in range(30):
		    with more() as s:
		        s.sendall(b"G")
		        time.sleep(0.005)
		        s.sendall(b"\x01" + b"x" * 16000)
		        assert rest(s).startswith(b"HTTP/1.1 400 ")
		# Behind a good one, and with another behind it.
		for tail in (b"", good):
		    with more() as s:
		        s.sendall(good + bad + tail)
		        answer = rest(s)
		        assert answer.startswith(b"HTTP/1.1 200 ") and answer.count(b"HTTP/1.1 ") == 2, answer
		        assert b"HTTP/1.1 400 " in answer, answer
		    with more() as s:
		        s.sendall(good + bad)
		        time.sleep(0.05)
		        try:
		            s.sendall(tail)
		        except OSError:
		            pass
		        assert b"HTTP/1.1 400 " in rest(s)
		# It sends on and on.
		drips = [more() for _ in range(20)]
		for s in drips:
		    s.sendall(b"\x01")
		begun = time.monotonic()
		while drips and time.monotonic() - begun < 8:
		    for s in drips[:]:
		        try:
		            s.send(b"x")
		        except OSError:
		            drips.remove(s)
		    time.sleep(0.1)
		assert not drips
		with more() as s:
		    s.sendall(good)
		    assert s.recv(100).startswith(b"HTTP/1.1 200 ")
	END
}

@test "many requests in one go: each is looked at, and answered in its turn" {
	served
	python3 - "$URL" <<-'END'
		import re, socket, sys
		host, port = sys.argv[1].removeprefix("http://").rsplit(":", 1)
		good = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
		bad = b"GET /healthz HTTP/1.1\r\n\r\n"
		def ask(data, count):
		    answer = b""
		    with socket.create_connection((host, int(port)), timeout=20) as s:
		        s.sendall(data)
		        while answer.count(b"HTTP/1.1 ") < count or not answer.endswith(b"\n"):
		            part = s.recv(65536)
		            assert part, answer[-300:]
		            answer += part
		    return re.findall(rb"HTTP/1.1 (\d+) ", answer)
		assert ask(good * 300, 300) == [b"200"] * 300
		assert ask(good + bad + good * 200, 2) == [b"200", b"400"]
		assert ask(good * 120 + bad + good * 50, 121) == [b"200"] * 120 + [b"400"]
	END
}

@test "more connections than there may be are told 503, in all and from one address" {
	local options
	for options in --max-connections --max-connections-per-address; do
		served "$options" 20
		python3 - "$URL" <<-'END'
			import socket, sys
			host, port = sys.argv[1].removeprefix("http://").rsplit(":", 1)
			def ask(s, what):
			    s.sendall(what)
			    return s.recv(4096).split(b"\r\n")[0]
			beat = b"POST /v1/heartbeat HTTP/1.1\r\nHost: localhost\r\nContent-Length: 11\r\n\r\nprocess=f_1"
			def more():
			    return socket.create_connection((host, int(port)), timeout=20)
			good = [more() for _ in range(20)]
			for s in good:
			    assert ask(s, beat) == b"HTTP/1.1 204 No Content"
			for _ in range(100):
			    s = more()
			    answer = ask(s, beat)
			    assert answer == b"HTTP/1.1 503 Service Unavailable", answer
			    s.close()
			assert ask(good[0], beat) == b"HTTP/1.1 204 No Content"
			# As soon as one goes, another may come.
			good.pop().close()
			for _ in range(1000):
			    s = more()
			    answer = ask(s, beat)
			    if answer == b"HTTP/1.1 204 No Content":
			        break
			    s.close()
			assert answer == b"HTTP/1.1 204 No Content"
		END
		grep -q 'refused 127.0.0.1: 503 too many connections' "$SERVE_LOG"
		stop_serve
		stop_master
	done
}

@test "when there are no descriptors the rest wait, nothing spins, and heartbeats go on" {
	start_master
	ulimit -n 150
	start_serve
	python3 - "$URL" "$SERVE" <<-'END'
		import os, resource, socket, sys, time
		host, port = sys.argv[1].removeprefix("http://").rsplit(":", 1)
		# So many that the kernel has the rest in its queue.
		resource.prlimit(int(sys.argv[2]), resource.RLIMIT_NOFILE, (40, 150))
		def cpu():
		    fields = open(f"/proc/{sys.argv[2]}/stat").read().rsplit(")", 1)[1].split()
		    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
		def ask(s, what):
		    s.sendall(what)
		    return s.recv(4096).split(b"\r\n")[0]
		beat = b"POST /v1/heartbeat HTTP/1.1\r\nHost: localhost\r\nContent-Length: 11\r\n\r\nprocess=f_1"
		open_ones = [socket.create_connection((host, int(port)), timeout=20) for _ in range(80)]
		before = cpu()
		time.sleep(1)
		assert cpu() - before < 0.3, cpu() - before
		resource.prlimit(int(sys.argv[2]), resource.RLIMIT_NOFILE, (150, 150))
		assert ask(open_ones[0], beat) == b"HTTP/1.1 204 No Content"
		for s in open_ones[:79]:
		    s.close()
		# The last of those that waited is served now.
		assert ask(open_ones[79], beat) == b"HTTP/1.1 204 No Content"
	END
	[ "$(wc -l <"$SERVE_LOG")" -lt 30 ]
}

@test "the page is served with its rules, and files with ETag" {
	mkdir -p "$BATS_TEST_TMPDIR/web/js"
	echo '<style nonce="@NONCE@"></style>' >"$BATS_TEST_TMPDIR/web/index.html"
	echo 'export const x = 1;' >"$BATS_TEST_TMPDIR/web/js/x.js"
	served --web "$BATS_TEST_TMPDIR/web"
	policy=$(header Content-Security-Policy /)
	nonce=$(get / | sed 's/.*nonce="\([0-9a-f]*\)".*/\1/')
	[ ${#nonce} = 32 ]
	[[ $policy == *"script-src 'self';"* ]]
	[[ $policy != *"$nonce"* ]]
	[[ $(get / -D - | tr -d '\r') == *nonce-*nonce=* ]]
	[ "$(header Content-Type /js/x.js)" = "text/javascript; charset=utf-8" ]
	[ "$(status /js/x.js -H "If-None-Match: $(header ETag /js/x.js)")" = 304 ]
	[ "$(status /../helper.bash --path-as-is)" = 404 ]
	[ "$(status /js/%2e%2e/index.html --path-as-is)" = 404 ]
}

@test "the page's files are in memory" {
	mkdir "$BATS_TEST_TMPDIR/web"
	echo page >"$BATS_TEST_TMPDIR/web/index.html"
	echo 1 >"$BATS_TEST_TMPDIR/web/x.js"
	served --web "$BATS_TEST_TMPDIR/web"
	rm -r "$BATS_TEST_TMPDIR/web"
	[ "$(get /)" = page ]
	[ "$(get /x.js)" = 1 ]
}

@test "clients that hang up in the middle of an answer harm nobody" {
	served
	seq 2000 | awk -v reason="$(many 200)" '{ print "process p_" $1 " state warning reason " reason }' |
		sed -E 's/(\S+) (\S+)/"\1":"\2"/g; s/" "/","/g; s/.*/{&}/' |
		get /v1/heartbeat --data-binary @-
	wait_for 5 lists p_2000 warning
	for i in {1..20}; do
		{ curl -sS -N "$URL/v1/table" 2>/dev/null || true; } | head -c 1000 >/dev/null
		{ curl -sS -N "$URL/v1/events?since=0" 2>/dev/null || true; } | head -c 1000 >/dev/null
	done
	[ "$(get /v1/table | jq length)" = 2001 ]
}

@test "small answers do not wait for one another" {
	start_master
	strace -f -e trace=setsockopt -o "$BATS_TEST_TMPDIR/trace" true || cannot "no strace"
	strace -f -e trace=setsockopt,listen -o "$BATS_TEST_TMPDIR/trace" \
		disco-serve --listen 127.0.0.1:0 >"$BATS_TEST_TMPDIR/out" 2>&1 3>&- 4>&- &
	wait_for 10 grep -q ready "$BATS_TEST_TMPDIR/out"
	beats() { [ -n "$(disco-ls -H -t -o pid 'disco-serve@*')" ]; }
	wait_for 5 beats
	kill "$(disco-ls -H -t -o pid 'disco-serve@*')"
	sed '/listen/q' "$BATS_TEST_TMPDIR/trace" | grep -q TCP_NODELAY
}

@test "a full disk is said, and passes" {
	[ "$(id -u)" = 0 ] || cannot "needs to mount"
	mkdir -p "$DISCO_SPOOL"
	mount -t tmpfs -o size=256k,mode=0755 disco-test "$DISCO_SPOOL" || cannot "needs to mount"
	served
	get /v1/heartbeat -d process=before
	head -c 1000000 /dev/zero >"$DISCO_SPOOL/fill" 2>/dev/null || true
	answer=$(status /v1/heartbeat -d process=x)
	rm "$DISCO_SPOOL/fill"
	again=$(status /v1/heartbeat -d process=x)
	stop_serve
	stop_master
	umount "$DISCO_SPOOL"
	[ "$answer" = 503 ]
	[ "$again" = 204 ]
}

@test "a spool that is read-only is said, and passes" {
	[ "$(id -u)" = 0 ] || cannot "needs to mount"
	served
	get /v1/heartbeat -d process=before
	mount --bind "$DISCO_SPOOL" "$DISCO_SPOOL" || cannot "needs to mount"
	mount -o remount,bind,ro "$DISCO_SPOOL" || true
	words=$(get /v1/heartbeat -d process=x -w ' %{http_code}')
	umount -l "$DISCO_SPOOL"
	again=$(status /v1/heartbeat -d process=x)
	[[ $words == *'Read-only file system'*' 503' ]]
	[ "$again" = 204 ]
	wait_for 5 is_state x active
}
