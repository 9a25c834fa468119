#!/usr/bin/env bats
# shellcheck disable=SC2317
# Who is who between a server and its clients: tokens, certificates, and what must not be seen.

load helper

setup_file() {
	command -v openssl >/dev/null || cannot 'no openssl'
	cd "$BATS_FILE_TMPDIR" || return
	# ca.pem and other.pem vouch; server and late are for 127.0.0.1, named is for another host.
	local name
	for name in ca other; do
		openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=$name" \
			-keyout "$name.key" -out "$name.pem" 2>>openssl.log
	done
	certificate server IP:127.0.0.1
	certificate named DNS:elsewhere.example
	certificate late IP:127.0.0.1 -days -1
	certificate client DNS:client.example
	cat client.pem client.key >client-both.pem
	openssl rsa -aes128 -passout pass:x -in client.key -out locked.key 2>>openssl.log
	cat >server.py <<-'END'
		# server.py LOG ANSWERS [CERT KEY [CLIENT_CA | tls1.1]]: logs requests, answers what ANSWERS says.
		import http.server, os, ssl, sys, time
		log, answers, tls = sys.argv[1], sys.argv[2], sys.argv[3:]
		class Handler(http.server.BaseHTTPRequestHandler):
		    protocol_version = "HTTP/1.1"
		    def answer(self):
		        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
		        status, *rest = open(answers).read().split("\n")
		        with open(log, "a") as out:
		            print(self.command, self.path, *(self.headers.get_all("Authorization") or ["-"]),
		                  body.decode().strip(), file=out)
		        if status == "200" and self.path == "/v1/hold":
		            self.send_response(200)
		            self.send_header("Connection", "close")
		            self.end_headers()
		            self.wfile.write(b"# held\n")
		            self.wfile.flush()
		            while True:
		                time.sleep(1)
		                self.wfile.write(b"#\n")
		        if status == "200" and self.command != "GET":
		            status = "204"
		        self.send_response(int(status))
		        while rest and ":" in rest[0] and not rest[0].startswith("{"):
		            self.send_header(*rest.pop(0).split(": ", 1))
		        body = "\n".join(rest).encode()
		        if status != "204":
		            self.send_header("Content-Length", str(len(body)))
		        self.end_headers()
		        self.wfile.write(body)
		    do_GET = do_POST = do_DELETE = do_CONNECT = answer
		    def log_message(self, *args):
		        pass
		server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
		server.daemon_threads = True
		if tls:
		    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
		    if tls[2:] == ["tls1.1"]:
		        context.set_ciphers("ALL:@SECLEVEL=0")
		        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
		    elif tls[2:]:
		        context.verify_mode = ssl.CERT_REQUIRED
		        context.load_verify_locations(tls[2])
		    context.load_cert_chain(tls[0], tls[1])
		    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
		print(server.server_port, flush=True)
		server.serve_forever()
	END
}

# certificate NAME SUBJECT-ALT-NAME [OPTION...]: NAME.key and NAME.pem, vouched for by ca.pem.
certificate() {
	local name=$1 alt=$2
	shift 2
	openssl req -newkey rsa:2048 -nodes -subj "/CN=$name" -keyout "$name.key" -out "$name.csr" 2>>openssl.log
	[ $# -gt 0 ] || set -- -days 2
	openssl x509 -req -in "$name.csr" -CA ca.pem -CAkey ca.key -CAcreateserial "$@" \
		-extfile <(echo "subjectAltName=$alt") -out "$name.pem" 2>>openssl.log
}

http() {
	"$DISCO_BUILD/libexec/disco/disco-http" "$@"
}

# Starts server.py with what is behind its first two arguments; $PORT is where it is.
start_server() {
	LOG=$BATS_TEST_TMPDIR/requests ANSWERS=$BATS_TEST_TMPDIR/answers
	: >"$LOG"
	answers 200
	: >"$BATS_TEST_TMPDIR/port"
	(cd "$BATS_FILE_TMPDIR" && exec python3 server.py "$LOG" "$ANSWERS" "$@") \
		>"$BATS_TEST_TMPDIR/port" 2>"$BATS_TEST_TMPDIR/server.err" 3>&- 4>&- &
	ends_with_test $!
	wait_for 60 test -s "$BATS_TEST_TMPDIR/port"
	PORT=$(cat "$BATS_TEST_TMPDIR/port")
	URL=http://127.0.0.1:$PORT
	SECURE=https://127.0.0.1:$PORT
	cd "$BATS_FILE_TMPDIR" || return
}

# From now on it answers with this status, and these lines: headers, then the body.
answers() {
	printf '%s\n' "$@" >"$ANSWERS.new"
	mv "$ANSWERS.new" "$ANSWERS"
}

# The last request.
last() {
	tail -n 1 "$LOG"
}

requests() {
	[ "$(grep -c "$1" "$LOG")" -ge "$2" ]
}

# Starts something; its messages in $ERR, its pid in $PID.
background() {
	ERR=$BATS_TEST_TMPDIR/err
	"$@" <&0 >"$BATS_TEST_TMPDIR/out" 2>"$ERR" 3>&- 4>&- &
	PID=$!
	ends_with_test "$PID"
}

said() {
	grep -q "$1" "$ERR"
}

# token_file SECRET: a file that holds it, in $FILE.
token_file() {
	FILE=$BATS_TEST_TMPDIR/secret
	(umask 077 && printf '%s\n' "$1" >"$FILE")
}

@test "the option goes before DISCO_TOKEN_FILE, and that before DISCO_TOKEN" {
	start_server
	token_file '  from-option	'
	cp -p "$FILE" "$FILE.2" && echo from-file >"$FILE.2"
	export DISCO_TOKEN=from-environment
	http get "$URL/a"
	[ "$(last)" = 'GET /a Bearer from-environment ' ]
	export DISCO_TOKEN_FILE=$FILE.2
	http get "$URL/a"
	[ "$(last)" = 'GET /a Bearer from-file ' ]
	http --token-file "$FILE" get "$URL/a"
	[ "$(last)" = 'GET /a Bearer from-option ' ]
	export DISCO_TOKEN='' DISCO_TOKEN_FILE=''
	http get "$URL/a"
	[ "$(last)" = 'GET /a - ' ]
}

@test "every program with -u sends it, and none shows it" {
	start_server
	token_file s3cret
	# The answers are none that they want.
	disco-hb -u "$URL" --token-file "$FILE" x
	[[ $(last) == 'POST /v1/heartbeat Bearer s3cret {"process":"x"'* ]]
	DISCO_TOKEN_FILE=$FILE disco-hb -u "$URL" --leave x
	[[ $(last) == 'DELETE /v1/process/x Bearer s3cret '* ]]
	run -3 disco-ls -u "$URL" --token-file "$FILE"
	[[ $output != *s3cret* ]]
	[ "$(last)" = 'GET /v1/table Bearer s3cret ' ]
	DISCO_TOKEN=s3cret run -3 disco-watch -u "$URL"
	[[ $output != *s3cret* ]]
	[ "$(last)" = 'GET /v1/events Bearer s3cret ' ]
	background disco-hb -u "$URL" --token-file "$FILE" -i 100ms y
	wait_for 5 requests 'POST /v1/hold Bearer s3cret {"process":"y"' 1
	wait_for 5 requests 'POST /v1/heartbeat Bearer s3cret {"process":"y"' 2
}

@test "no command line holds it" {
	start_server
	token_file s3cret
	background disco-hb -u "$URL" --token-file "$FILE" -i 100ms y
	wait_for 5 requests 'Bearer s3cret {"process":"y"' 1
	run ! grep -qs s3cret /proc/[0-9]*/cmdline
	grep -qs "$FILE" /proc/[0-9]*/cmdline
}

@test "neither the environment of disco-http nor a core holds it" {
	[ "$(id -u)" = 0 ] || cannot 'needs root to be two users'
	start_server
	PLACE=$(mktemp -d /var/tmp/disco-test.XXXXXX)
	chmod 755 "$PLACE"
	cp "$DISCO_BUILD/libexec/disco/disco-http" "$PLACE"
	mkfifo "$BATS_TEST_TMPDIR/in"
	exec 7<>"$BATS_TEST_TMPDIR/in"
	echo '{"process":"x"}' >&7
	DISCO_TOKEN=s3cret background setpriv --reuid=daemon --clear-groups "$PLACE/disco-http" \
		hold "$URL" <"$BATS_TEST_TMPDIR/in" 7>&-
	wait_for 5 requests 'Bearer s3cret' 1
	rm -r "$PLACE"
	[[ $(ps -o user= -p "$PID") == daemon* ]]
	tr '\0' '\n' <"/proc/$PID/environ" | grep -q '^PATH='
	run ! grep -q s3cret "/proc/$PID/environ"
	# What belongs to root here leaves no core, and its user can't look into it.
	[ "$(stat -c %U "/proc/$PID/environ")" = root ]
}

@test "a token that can't be one, and a file that is not ours alone" {
	token_file x
	local url=http://127.0.0.1:1
	chmod 640 "$FILE"
	run -2 disco-ls -u $url --token-file "$FILE"
	[ "$output" = "disco-ls: $FILE: others may read or write it; chmod 600 it" ]
	run -2 disco-hb -u $url --token-file "$FILE" x
	[ "$output" = "disco-hb: $FILE: others may read or write it; chmod 600 it" ]
	# One that would go on for long ends at once.
	DISCO_TOKEN_FILE=$FILE run -2 disco-hb -u $url -i 1s x
	[ "$output" = "disco-hb: $FILE: others may read or write it; chmod 600 it" ]
	chmod 400 "$FILE"
	run -3 disco-watch -u $url --token-file "$FILE"
	[ "$output" = "disco-watch: $url: Connection refused" ]
	run -3 disco-ls -u $url --token-file "$FILE.none"
	[ "$output" = "disco-ls: $FILE.none: No such file or directory" ]
	local wrong
	for wrong in $'a\001b' 'a b' $'caf\303\251' "$(printf '%0513d' 1)"; do
		DISCO_TOKEN=$wrong run -2 disco-ls -u $url
		[[ $output == 'disco-ls: DISCO_TOKEN: a token has '* && $output != *"$wrong"* ]]
	done
	DISCO_TOKEN=$'a\nX-Injected: b' run -2 disco-ls -u $url
	DISCO_TOKEN=$(printf '%0512d' 1) run -3 disco-ls -u $url
	chmod 600 "$FILE" && echo >"$FILE"
	run -2 http --token-file "$FILE" get $url
	[ "$output" = "disco-http: $FILE: there is no token in it" ]
	[ "$(id -u)" = 0 ] || cannot 'needs root to be two users'
	echo x >"$FILE" && chown daemon "$FILE"
	run -2 http --token-file "$FILE" get $url
	[ "$output" = "disco-http: $FILE: it belongs to another user" ]
}

@test "a user or password in a URL, or as a header, is refused in words that do not show it" {
	local program
	for program in 'disco-hb x' disco-ls disco-watch 'disco-hb -i 1s x'; do
		# shellcheck disable=SC2086
		run -2 ${program%% *} -u http://me:pa55@127.0.0.1:1 ${program#disco-[a-z]*}
		[[ $output == *--token-file* && $output != *pa55* ]]
		# shellcheck disable=SC2086
		DISCO_URL=https:///me:pa55@127.0.0.1:1 run -2 $program
		[[ $output == *--token-file* && $output != *pa55* ]]
	done
	run -2 http get http://me:pa55@127.0.0.1:1/a
	[[ $output == "disco-http: http://127.0.0.1:1/a: "*--token-file* && $output != *pa55* ]]
	run -2 http -H 'Authorization: Bearer pa55' get http://127.0.0.1:1
	[[ $output == *--token-file* && $output != *pa55* ]]
	# Behind the host, and in the path of a socket, it is a character like others.
	run -3 http get 'http://127.0.0.1:1/v1/process/disco-serve@host'
	run -3 http get 'unix:/nowhere/a@b' /
}

@test "a redirection is not followed, and a proxy is not told" {
	start_server
	answers 307 "Location: $URL/elsewhere"
	DISCO_TOKEN=s3cret run -2 http get "$URL/a"
	[[ $output == *'which is not followed' ]]
	[ "$(wc -l <"$LOG")" = 1 ]
	answers 403
	DISCO_TOKEN=s3cret HTTPS_PROXY=$URL run -3 http get https://server.example/a
	[[ $(last) == 'CONNECT server.example:443 - '* ]]
}

@test "the server's words reach the user, without the token that they may repeat" {
	start_server
	local words='{"error":"s3cret is no token of this server"}'
	answers 401 "$words"
	export DISCO_TOKEN=s3cret
	local is="$URL: ...... is no token of this server"
	run -2 disco-ls -u "$URL"
	[ "$output" = "disco-ls: $is" ]
	run -2 disco-hb -u "$URL" x
	[ "$output" = "disco-hb: ${is/:\/\/127.0.0.1:$PORT/&}" ]
	run -2 disco-watch -u "$URL"
	[ "$output" = "disco-watch: $is" ]
	run -3 disco-ls -u "$URL" --check
	[ "$output" = "DISCO UNKNOWN - $is" ]
	answers 403 '{"error":"x: this token may not publish it"}'
	run -2 disco-hb -u "$URL" --leave x
	[ "$output" = "disco-hb: $URL: x: this token may not publish it" ]
	# Once each: nothing of it is tried again.
	[ "$(wc -l <"$LOG")" = 5 ]
	run -2 http -i get "$URL/a"
	[[ $output != *s3cret* ]]
}

@test "-i says once that it is not let in, tries again, and takes the file's new secret" {
	start_server
	answers 401 '{"error":"no such token"}'
	token_file old
	background disco-hb -u "$URL" --token-file "$FILE" -i 50ms x
	wait_for 5 requests 'POST /v1/hold Bearer old' 3
	[ "$(cat "$ERR")" = "disco-hb: $URL: no such token" ]
	echo new >"$FILE"
	wait_for 5 requests 'POST /v1/hold Bearer new' 2
	answers 200
	wait_for 5 requests 'POST /v1/heartbeat Bearer new' 2
	[ "$(cat "$ERR")" = "disco-hb: $URL: no such token
disco-hb: $URL: connected again" ]
}

@test "a watcher that is not let in any more says why, once, and tries again" {
	start_server
	answers 200 '#master runs'
	DISCO_TOKEN=s3cret background disco-watch -u "$URL"
	wait_for 5 requests 'GET /v1/events Bearer s3cret' 1
	answers 401 '{"error":"no such token"}'
	wait_for 5 said 'no such token'
	local tries
	tries=$(wc -l <"$LOG")
	wait_for 10 requests 'GET /v1/events' $((tries + 1))
	kill -0 "$PID"
	[ "$(grep -cx "disco-watch: $URL: no such token" "$ERR")" = 1 ]
}

@test "a server that ends right after its first word was there" {
	start_server
	rm "$ANSWERS" && mkfifo "$ANSWERS" # the server waits for what it is to answer
	background disco-watch -u "$URL"
	wait_for 5 pgrep -P "$PID" >/dev/null
	kill -STOP "$PID"
	timeout 10 sh -c 'printf "%s\n" 200 "#master runs" >"$1"' - "$ANSWERS"
	wait_for 5 grep -q '^State:.Z' "/proc/$(pgrep -P "$PID")/status"
	kill -CONT "$PID"
	wait_for 5 said 'connection lost; trying again'
	kill -0 "$PID"
}

@test "a wrapper that is not let in runs its command to the end" {
	start_server
	answers 403 '{"error":"x: this token may not publish it"}'
	DISCO_TOKEN=s3cret run -7 disco-hb -u "$URL" -i 50ms x -- sh -c 'until [ "$(wc -l <"$1")" -ge 4 ]; do sleep 0.02; done; exit 7' - "$LOG"
	[ "$output" = "disco-hb: $URL: x: this token may not publish it" ]
}

@test "stream keeps what it has until it is let in; what it may not send is said once" {
	start_server
	answers 401 '{"error":"no such token"}'
	mkfifo "$BATS_TEST_TMPDIR/in"
	exec 7<>"$BATS_TEST_TMPDIR/in"
	DISCO_TOKEN=s3cret background http stream "$URL" <"$BATS_TEST_TMPDIR/in" 7>&-
	echo '{"process":"a"}' >&7
	wait_for 5 requests '"a"' 2
	[ "$(cat "$ERR")" = "disco-http: $URL: no such token; trying again" ]
	answers 403 '{"error":"a: this token may not publish it"}'
	wait_for 10 said 'may not publish'
	local requests
	requests=$(wc -l <"$LOG")
	echo '{"process":"a"}' >&7
	wait_for 5 requests '"a"' $((requests + 1))
	answers 200
	echo '{"process":"b"}' >&7
	wait_for 5 requests '"b"' 1
	[ "$(grep -c 'may not publish' "$ERR")" = 1 ]
	exec 7>&-
}

# held_ends STATUS LINES...: so hold ends when its input has.
held_ends() {
	local status=$1
	shift
	run "-$status" http hold "$URL" < <(printf '%s\n' "$@")
}

@test "hold that was refused is 2, whatever the status; one that was not heard is 3" {
	start_server
	answers 403 '{"error":"a: this token may not publish it"}'
	held_ends 2 '{"process":"a"}'
	[ "$output" = "disco-http: $URL: a: this token may not publish it" ]
	answers 401 '{"error":"a token is needed"}'
	held_ends 2 '{"process":"a"}'
	[[ $output == *'a token is needed' ]]
	answers 400 '{"error":"no process"}'
	held_ends 2 '{}' ''
	answers 404 '{"error":"nothing here"}'
	held_ends 2 '{"process":"a"}'
	answers 503 '{"error":"later"}'
	held_ends 3 '{"process":"a"}'
	answers 200
	held_ends 0 '{"process":"a"}'
}

@test "hold that was refused and then let in is 0" {
	start_server
	mkfifo "$BATS_TEST_TMPDIR/in"
	exec 7<>"$BATS_TEST_TMPDIR/in"
	background http hold "$URL" <"$BATS_TEST_TMPDIR/in" 7>&-
	answers 403 '{"error":"not you"}'
	echo '{"process":"a"}' >&7
	wait_for 5 said 'not you'
	answers 200
	echo '{"process":"b"}' >&7
	wait_for 5 requests '"b"' 1
	# An empty line is the end, whoever has the pipe.
	echo >&7
	wait_for 10 eval '! kill -0 "$PID" 2>/dev/null'
	exec 7>&-
	local status=0
	wait "$PID" || status=$?
	[ "$status" = 0 ]
}

# waits STATUS COMMAND: the server is asked once, then not before the time that it named.
waits() {
	start_server
	answers "$1" 'Retry-After: 2' '{"error":"too many"}'
	shift
	mkfifo "$BATS_TEST_TMPDIR/in"
	exec 7<>"$BATS_TEST_TMPDIR/in"
	background http "$1" "$URL" <"$BATS_TEST_TMPDIR/in" 7>&-
	echo '{"process":"a"}' >&7
	wait_for 5 said 'too many'
	local since
	since=$(date +%s%N)
	answers 200
	until requests . 2; do
		echo '{"process":"a"}' >&7
		sleep 0.05
	done
	(($(date +%s%N) - since > 1500000000))
	exec 7>&-
}

@test "hold waits as long as 429 tells" {
	waits 429 hold
}

@test "hold waits as long as 503 tells" {
	waits 503 hold
}

@test "stream waits as long as 429 tells" {
	waits 429 stream
}

@test "stream asks a server that refuses less and less often" {
	start_server
	answers 503
	mkfifo "$BATS_TEST_TMPDIR/in"
	exec 7<>"$BATS_TEST_TMPDIR/in"
	echo '{"process":"a"}' >&7
	background http stream "$URL" <"$BATS_TEST_TMPDIR/in" 7>&-
	wait_for 20 requests . 1
	local since
	since=$(date +%s%N)
	wait_for 30 requests . 4
	# Half of 500, 1,000 and 2,000 ms at least; always the same would be 1,500 at most.
	(($(date +%s%N) - since > 1700000000))
	exec 7>&-
}

# --- certificates

# fails WORDS COMMAND...: it exits 3 and says just that.
fails() {
	local words=$1
	shift
	run -3 "$@"
	[ "$output" = "$words" ]
}

@test "a server that is vouched for, by option and by environment" {
	start_server server.pem server.key
	http --cacert ca.pem get "$SECURE/a"
	DISCO_CACERT=ca.pem http get "$SECURE/a"
	DISCO_CACERT=ca.pem disco-hb -u "$SECURE" x
	disco-hb --cacert ca.pem -u "$SECURE" x
	[ "$(wc -l <"$LOG")" = 4 ]
}

@test "a server that nobody vouches for, in every program" {
	start_server server.pem server.key
	local words='certificate: nobody we trust vouches for it; see --cacert'
	run -3 http get "$SECURE/a"
	[ "$output" = "disco-http: $SECURE/a: $words" ]
	run -3 disco-ls -u "$SECURE" --cacert other.pem
	[ "$output" = "disco-ls: $SECURE: $words" ]
	run -3 disco-watch -u "$SECURE" --cacert other.pem
	[ "$output" = "disco-watch: $SECURE: $words" ]
	run -3 disco-hb -u "$SECURE" x
	[ "$output" = "disco-hb: $SECURE: $words" ]
	run -3 disco-ls -u "$SECURE" --cacert nowhere.pem
	[ "$output" = 'disco-ls: nowhere.pem: No such file or directory' ]
	[ ! -s "$LOG" ]
}

@test "a certificate for another name, and one that has expired" {
	start_server named.pem named.key
	run -3 disco-ls -u "$SECURE" --cacert ca.pem
	[ "$output" = "disco-ls: $SECURE: certificate: it is for another name than this server's" ]
	start_server late.pem late.key
	run -3 disco-ls -u "$SECURE" --cacert ca.pem
	[ "$output" = "disco-ls: $SECURE: certificate: it has expired" ]
}

@test "a server of old TLS, and one of none" {
	start_server server.pem server.key tls1.1
	run -3 disco-ls -u "$SECURE" --cacert ca.pem
	[ "$output" = "disco-ls: $SECURE: TLS: the server speaks none from version 1.2 on" ]
	start_server
	run -3 disco-ls -u "$SECURE" --cacert ca.pem
	[ "$output" = "disco-ls: $SECURE: TLS: the server speaks none; is it http:// there?" ]
}

@test "a client's certificate, by option and by environment; its key beside it or in it" {
	start_server server.pem server.key ca.pem
	export DISCO_CACERT=ca.pem
	# A server that hangs up may be faster than its reason.
	wait_for 10 fails "disco-ls: $SECURE: certificate: the server wants to see ours; see --cert" \
		disco-ls -u "$SECURE"
	wait_for 10 fails "disco-hb: $SECURE: certificate: the server does not trust who vouches for ours" \
		disco-hb -u "$SECURE" --cert other.pem --key other.key x
	[ ! -s "$LOG" ]
	disco-hb -u "$SECURE" --cert client.pem --key client.key x
	disco-hb -u "$SECURE" --cert client-both.pem x
	DISCO_CERT=client.pem DISCO_KEY=client.key disco-hb -u "$SECURE" x
	# The environment's key is for its certificate only.
	DISCO_CERT=other.pem DISCO_KEY=other.key disco-hb -u "$SECURE" --cert client-both.pem x
	DISCO_CERT=client-both.pem background disco-hb -u "$SECURE" -i 50ms x
	wait_for 5 requests 'POST /v1/heartbeat' 6
	requests 'POST /v1/hold' 1
}

@test "a client's certificate that can't be used is said, and nobody is asked for a passphrase" {
	start_server server.pem server.key ca.pem
	export DISCO_CACERT=ca.pem
	run -3 disco-ls -u "$SECURE" --cert client.pem --key other.key
	[[ $output == "disco-ls: $SECURE: certificate: the key of ours "* ]]
	run -3 disco-ls -u "$SECURE" --cert client.pem --key locked.key
	[[ $output == "disco-ls: $SECURE: certificate: the key of ours "* ]]
	run -3 disco-ls -u "$SECURE" --cert client.key
	[[ $output == "disco-ls: $SECURE: certificate: ours is not in PEM"* ]]
	run -2 disco-ls -u "$SECURE" --key client.key
	[ "$output" = 'disco-ls: --key: goes with --cert' ]
}
