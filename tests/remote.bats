#!/usr/bin/env bats
# shellcheck disable=SC2317
# -u: what disco-hb, disco-ls and disco-watch do by a server, and disco-http, which does it for them.

load helper

# What runs in the background is not asked to leave: its server may have ended before it.
eval "common_$(declare -f teardown)"
teardown() {
	local pid
	for pid in "${BACKGROUND[@]}"; do
		pkill -9 -P "$pid" || true
		kill -9 "$pid" 2>/dev/null || true
	done
	common_teardown
}

http() {
	"$DISCO_BUILD/libexec/disco/disco-http" "$@"
}

# A master and a server of its spool; nobody hears of the spool but by its name.
start_both() {
	start_master "$@"
	start_serve
	export DISCO_URL=$URL
}

# The server again, where it was.
start_serve_again() {
	LISTEN=${URL#http://} start_serve
}

# What the spool says, whatever DISCO_URL is.
local_field() {
	disco-ls -d "$DISCO_SPOOL" -H -t -o "$1" "$2" 2>/dev/null
}

has_local() {
	[ "$(local_field "$1" "$2")" = "$3" ]
}

has_beaten() {
	[ "$(local_field counter "$1")" -ge "$2" ]
}

# Starts something in the background; its messages in $ERR, its pid in $PID.
background() {
	ERR=$BATS_TEST_TMPDIR/err.${#PIDS[@]}
	OUT=$BATS_TEST_TMPDIR/out.${#PIDS[@]}
	"$@" >"$OUT" 2>"$ERR" 3>&- 4>&- &
	PID=$!
	BACKGROUND+=("$PID")
	ends_with_test "$PID"
}

told() {
	grep -qE -e "$1" "$OUT"
}

said() {
	grep -qE -e "$1" "$ERR"
}

# The disco-http of a disco-hb.
http_of() {
	pgrep -P "$1" -f " hold |^disco-hb hold"
}

has_http() {
	[ -n "$(http_of "$1")" ]
}

gone() {
	! kill -0 "$1" 2>/dev/null
}

# --- disco-hb

@test "a heartbeat says all that it says to a spool" {
	start_both
	disco-hb -s rdb -a 127.0.0.1:9090 -V 4.1 -w 1m -e 5m -f 1h -m zone=b -m 'note=a "b" \c' \
		--state warning --reason 'half "full"' fx_rdb
	wait_for 5 has_local state fx_rdb warning
	for column in service address version warnAfter errorAfter forgetAfter meta state reason host ip; do
		echo "$column=$(local_field "$column" fx_rdb)" >>"$BATS_TEST_TMPDIR/remote"
	done
	disco-hb -d "$DISCO_SPOOL" -s rdb -a 127.0.0.1:9090 -V 4.1 -w 1m -e 5m -f 1h -m zone=b \
		-m 'note=a "b" \c' --state warning --reason 'half "full"' local
	wait_for 5 has_local state local warning
	for column in service address version warnAfter errorAfter forgetAfter meta state reason host ip; do
		echo "$column=$(local_field "$column" local)" >>"$BATS_TEST_TMPDIR/local"
	done
	diff "$BATS_TEST_TMPDIR/local" "$BATS_TEST_TMPDIR/remote"
	has_local reason fx_rdb 'half "full"'
}

@test "a server that is not there is 3, what it will not have is 2" {
	run -3 disco-hb -u http://127.0.0.1:1 x
	[ "$output" = 'disco-hb: http://127.0.0.1:1: Connection refused' ]
	run -3 disco-hb -u "unix:$BATS_TEST_TMPDIR/none" x
	[ "$output" = "disco-hb: unix:$BATS_TEST_TMPDIR/none: No such file or directory" ]
	run -2 disco-hb -u ftp://127.0.0.1 x
	run -2 timeout 5 disco-hb -u ftp://127.0.0.1 -i 100ms x
	[ "${#lines[@]}" = 1 ]
	start_both
	run -2 disco-hb -u "$URL/elsewhere" x
	[[ $output == "disco-hb: $URL/elsewhere: "* ]]
}

@test "--leave by a server; where there is nothing, 1" {
	start_both
	run -1 disco-hb --leave x
	[ -z "$output" ]
	disco-hb -s kept x:+1
	disco-hb --leave x:+1
	wait_for 5 has_local state x:+1 inactive
	has_local service x:+1 kept
}

@test "what is named counts for more than the environment, and not both at once" {
	start_master
	export DISCO_URL=http://127.0.0.1:1
	disco-hb -d "$DISCO_SPOOL" x
	wait_for 5 has_local state x active
	run -3 disco-hb x
	run -3 disco-ls
	run -3 disco-watch
	DISCO_URL='' disco-ls x
	for program in 'disco-hb x' disco-ls disco-watch; do
		# shellcheck disable=SC2086
		run -2 ${program% x} -d "$DISCO_SPOOL" -u "$DISCO_URL" ${program#disco-* }
	done
	for option in --held --path '--hold 9'; do
		# shellcheck disable=SC2086
		run -2 disco-hb $option x
		[[ $output == *'no file'* ]]
	done
	disco-hb -d "$DISCO_SPOOL" --path x
}

@test "-i is connected: when it is killed, that is seen at once" {
	start_both -w 1h -e 2h -f 3h
	background disco-hb -i 100ms x
	wait_for 5 has_beaten x 3
	kill -9 "$PID"
	wait_for 5 has_local state x error
	has_local reason x 'connection closed'
}

@test "-i leaves when it is told to" {
	start_both
	background disco-hb -i 100ms x
	wait_for 5 has_beaten x 2
	kill "$PID"
	wait "$PID"
	wait_for 5 has_local state x inactive
	[ ! -s "$ERR" ]
}

@test "a command's end is told before the wrapper ends, and its status is the wrapper's" {
	start_both
	run -3 disco-hb -i 100ms bad -- sh -c 'exit 3'
	wait_for 5 has_local state bad error
	has_local reason bad 'exit status 3'
	run -137 disco-hb killed -- sh -c 'kill -9 $$'
	wait_for 5 has_local reason killed 'killed by SIGKILL'
	run -0 disco-hb good -- true
	wait_for 5 has_local state good inactive
	# A connection that ends behind the last word says no more.
	has_local reason bad 'exit status 3'
	has_local reason killed 'killed by SIGKILL'
}

@test "-P beats for another process, and sees its end" {
	start_both
	sleep 60 3>&- &
	local watched=$!
	ends_with_test "$watched"
	background disco-hb -i 100ms -P "$watched" x
	wait_for 5 has_beaten x 2
	kill -9 "$watched"
	wait "$PID"
	wait_for 5 has_local reason x 'ended without leaving'
	has_local state x error
}

@test "a command may tell of itself" {
	start_both
	background disco-hb -i 1s x -- sh -c 'systemd-notify --status="loading 50 %"; sleep 60'
	wait_for 5 has_local reason x 'loading 50 %'
}

@test "a wrapper that is killed accuses nobody while its command lives" {
	start_both -w 1h -e 2h -f 3h
	background disco-hb -i 100ms x -- sh -c "echo \$\$ >$BATS_TEST_TMPDIR/pid; exec sleep 60"
	wait_for 5 has_beaten x 3
	local command
	command=$(cat "$BATS_TEST_TMPDIR/pid")
	kill -9 "$PID"
	# Later than that somebody else's connection was closed, and known to be.
	background disco-hb -i 100ms y
	wait_for 5 has_local state y active
	kill -9 "$PID"
	wait_for 5 has_local state y error
	has_local state x active
	kill -9 "$command"
	wait_for 5 has_local state x error
}

@test "what a command leaves behind does not keep the wrapper waiting" {
	start_both
	SECONDS=0
	disco-hb -i 100ms x -- sh -c 'sleep 30 >/dev/null 2>&1 & exit 0' 3>&-
	[ "$SECONDS" -lt 5 ]
	wait_for 5 has_local state x inactive
}

@test "a server that goes and comes back accuses nobody, and is told again" {
	start_both -w 1h -e 2h -f 3h
	background disco-hb -i 100ms x
	wait_for 5 has_beaten x 2
	stop_serve
	wait_for 5 said 'the server ends|Connection refused'
	has_local state x active
	start_serve_again
	local counter
	counter=$(local_field counter x)
	wait_for 5 has_beaten x $((counter + 3))
	[ "$(wc -l <"$ERR")" = 2 ]
	[ "$(tail -n 1 "$ERR")" = "disco-hb: $URL: connected again" ]
	# And it is connected anew.
	kill -9 "$PID"
	wait_for 5 has_local state x error
}

@test "-i ends when somebody else says that it has left" {
	start_both
	local how
	for how in '--leave' '--state inactive'; do
		background disco-hb -i 100ms x
		wait_for 5 has_local state x active
		# shellcheck disable=SC2086
		disco-hb $how x
		wait_for 5 gone "$PID"
		local status=0
		wait "$PID" || status=$?
		[ "$status" = 0 ]
		[ ! -s "$ERR" ]
		has_local state x inactive
	done
}

@test "a wrapper that is said to have left goes on with its command, and says no more" {
	start_both
	background disco-hb -i 100ms x -- sh -c "while ! test -e '$BATS_TEST_TMPDIR/end'; do sleep 0.1; done; exit 7"
	wait_for 5 has_beaten x 2
	disco-hb --leave x
	wait_for 5 has_local state x inactive
	no_http() { ! has_http "$PID"; }
	wait_for 5 no_http
	# A beat that was on its way is counted in one of the next two tables.
	for mark in first second; do
		touch "$BATS_TEST_TMPDIR/$mark"
		disco-hb "$mark"
		newer() { [ "$DISCO_SPOOL/table" -nt "$BATS_TEST_TMPDIR/$mark" ]; }
		wait_for 5 newer
	done
	local counter
	counter=$(local_field counter x)
	kill -0 "$PID"
	touch "$BATS_TEST_TMPDIR/end"
	local status=0
	wait "$PID" || status=$?
	[ "$status" = 7 ]
	[ ! -s "$ERR" ]
	disco-hb later
	wait_for 5 has_local state later active
	has_local state x inactive
	[ "$(local_field counter x)" = "$counter" ]
}

@test "-i that is stopped while the server is away does not wait for it" {
	start_both
	background disco-hb -i 100ms x
	wait_for 5 has_beaten x 2
	stop_serve
	wait_for 5 said 'the server ends|Connection refused'
	# Longer than a second takes it only where nobody refuses.
	local before=$EPOCHREALTIME
	kill "$PID"
	wait "$PID"
	((${EPOCHREALTIME/./} - ${before/./} < 3000000))
	[ "$(wc -l <"$ERR")" = 1 ]
}

@test "a disco-http that dies is started again at the next beat" {
	start_both
	background disco-hb -i 100ms x
	wait_for 5 has_beaten x 2
	local first
	first=$(http_of "$PID")
	kill -9 "$first"
	wait_for 5 has_http "$PID"
	[ "$(http_of "$PID")" != "$first" ]
	wait_for 5 has_local state x active
	local counter
	counter=$(local_field counter x)
	wait_for 5 has_beaten x $((counter + 3))
}

@test "a disco-http that stands still keeps nobody from beating or from ending" {
	start_both
	# A heartbeat of some size fills the pipe soon.
	local long
	long=$(printf 'x%.0s' {1..4000})
	background disco-hb -i 1ms -m "long=$long" -m "longer=$long" x -- sh -c "sleep 1; exit 7"
	wait_for 5 has_http "$PID"
	kill -STOP "$(http_of "$PID")"
	local http
	http=$(http_of "$PID")
	local status=0
	wait "$PID" || status=$?
	[ "$status" = 7 ]
	kill -9 "$http"
}

@test "SIGTERM to everybody at once still leaves" {
	start_both
	background disco-hb -i 100ms x
	wait_for 5 has_beaten x 2
	kill "$(http_of "$PID")" "$PID"
	wait "$PID"
	wait_for 5 has_local state x inactive
}

# --- disco-ls

@test "the list of a server is that of its spool" {
	start_master
	disco-hb -s rdb -a 127.0.0.1:9090 fx_rdb
	disco-hb -s rdb -a 127.0.0.1:9091 --state warning --reason 'tab	no' fx_rdb2 || true
	disco-hb -s hdb -w 1m -e 1h -m zone=b --state error --reason 'a, "b" \ c' hdb_1
	disco-hb --leave fx_rdb
	disco-hb -s rdb -a 127.0.0.1:9092 fx_rdb3
	wait_for 5 is_state fx_rdb inactive
	wait_for 5 is_state fx_rdb3 active
	start_serve
	alike() {
		local here=0 there=0
		# shellcheck disable=SC2086
		disco-ls $arguments >"$BATS_TEST_TMPDIR/here" 2>&1 || here=$?
		# shellcheck disable=SC2086
		disco-ls -u "$URL" $arguments >"$BATS_TEST_TMPDIR/there" 2>&1 || there=$?
		[ "$here" = "$there" ] && diff "$BATS_TEST_TMPDIR/here" "$BATS_TEST_TMPDIR/there"
	}
	for arguments in '-t' '-t -H -o process,state,reason,meta,seq' '-1 -s rdb' '-1 -o process rdb' \
		'-t -s r*' '-t -S error,inactive -r' 'nobody' '--check' '--check -s rdb' '-q .process' '-t -k process hdb_*'; do
		# The server's own row beats between the two now and then.
		wait_for 5 alike || {
			echo "disco-ls $arguments"
			return 1
		}
	done
	alike_json() {
		diff <(disco-ls -j | jq -c 'del(.age)') <(disco-ls -u "$URL" -j | jq -c 'del(.age)')
	}
	wait_for 5 alike_json
}

@test "ages are by the server's clock, also when nothing beats" {
	start_master
	start_serve
	disco-hb x
	wait_for 5 is_state x active
	aged() { [ "$(disco-ls -u "$URL" -j x | jq '.age >= 1')" = true ]; }
	wait_for 5 aged
}

@test "--why by a server" {
	start_both
	background disco-hb -i 5s -e 10m x
	wait_for 5 has_local state x active
	run -0 disco-ls --why x
	[[ $output == 'x is active since '*': it beats.'* ]]
	[[ $output == *'if its sender holds a connection there, the end of that is noticed at once'* ]]
	# Whose thresholds they are can be told from what they are.
	disco-hb plain
	disco-hb -w 1m -e 2m -f 1h all
	disco-hb -w 5m one
	wait_for 5 has_local state one active
	for name in x plain all one; do
		diff <(disco-ls -d "$DISCO_SPOOL" --why $name | grep ^Silence) <(disco-ls --why $name | grep ^Silence)
	done
	run -1 disco-ls --why nobody
	[ -z "$output" ]
}

@test "without a server, or without a master there, disco-ls is 3" {
	start_both
	disco-hb x
	wait_for 5 has_local state x active
	stop_master
	gone_there() { ! disco-ls >/dev/null 2>&1; }
	wait_for 10 gone_there
	run -3 disco-ls
	[[ $output == "disco-ls: $URL: "* ]]
	[ "${#lines[@]}" = 1 ]
	run -3 disco-ls --check
	[[ $output == "DISCO UNKNOWN - $URL: "* ]]
	[ "${#lines[@]}" = 1 ]
	stop_serve
	run -3 disco-ls
	[ "$output" = "disco-ls: $URL: Connection refused" ]
	run -3 disco-ls --check
	[ "$output" = "DISCO UNKNOWN - $URL: Connection refused" ]
	run -3 disco-ls -u "$URL/elsewhere"
}

# --- disco-watch

# Starts a watcher of the server that has its rows.
watch() {
	background disco-watch --rows "$@"
	wait_for 5 told 'sync'
}

@test "the table first, and each change as it happens" {
	start_both
	disco-hb -a h:1 rdb
	wait_for 5 has_local state rdb active
	watch
	told '= rdb +active +h:1$'
	disco-hb -a h:1 --state warning --reason 'disk full' rdb
	wait_for 5 told '! rdb +warning +h:1  disk full$'
	disco-hb --leave rdb
	wait_for 5 told '- rdb +inactive'
	[ ! -s "$ERR" ]
}

@test "--beats, --on, -s, -n, --exec and --timeout by a server" {
	start_both
	background disco-hb -i 100ms -s pulse x
	local beating=$PID
	run -0 timeout 10 disco-watch --beats --on beat -s pulse -j -n 3
	[ "$(jq -r '"\(.event) \(.process)"' <<<"$output" | sort -u)" = 'beat x' ]
	kill "$beating"
	background disco-watch --rows --on row,error --exec "cat >>'$BATS_TEST_TMPDIR/rows'; echo \"\$DISCO_PROCESS \$DISCO_EVENT\" >>'$BATS_TEST_TMPDIR/told'"
	wait_for 5 test -s "$BATS_TEST_TMPDIR/told"
	disco-hb y
	wait_for 5 has_local state y active
	disco-hb --state error y
	wait_for 5 grep -qx 'y error' "$BATS_TEST_TMPDIR/told"
	run -4 disco-watch --timeout 200ms
}

@test "--wait by a server" {
	start_both
	background disco-watch --wait -S active --timeout 20s 'rdb_*'
	disco-hb --state warning rdb_1
	wait_for 5 has_local state rdb_1 warning
	disco-hb rdb_1
	wait "$PID"
	run -4 disco-watch --wait --timeout 300ms nobody
}

@test "a watcher goes on after the server was away: each event once, and it is said once" {
	start_both
	watch -j
	disco-hb first
	wait_for 5 told '"joined".*"first"'
	stop_serve
	wait_for 5 said 'connection lost; trying again'
	disco-hb -d "$DISCO_SPOOL" between
	wait_for 5 has_local state between active
	disco-hb -d "$DISCO_SPOOL" --state error between
	wait_for 5 has_local state between error
	start_serve_again
	wait_for 15 told '"joined".*"between"'
	disco-hb last
	wait_for 5 told '"joined".*"last"'
	# The server's own heartbeat is there too.
	[ "$(jq -r 'select(.process) | "\(.process) \(.event)"' "$OUT" | grep -v ^disco-serve | tr '\n' ' ')" = \
		'first joined between joined between error last joined ' ]
	[ "$(cat "$ERR")" = "disco-watch: $URL: connection lost; trying again
disco-watch: $URL: connected again" ]
}

@test "one that saw no event yet goes on too" {
	start_both
	background disco-watch -j
	streams() { http get "$URL/metrics" | grep -qx 'disco_serve_open{kind="events"} 1'; }
	wait_for 5 streams
	stop_serve
	wait_for 5 said 'connection lost'
	disco-hb -d "$DISCO_SPOOL" between
	wait_for 5 has_local state between active
	start_serve_again
	wait_for 15 told '"joined".*"between"'
}

@test "--since by a server" {
	start_both
	disco-hb a
	wait_for 5 has_local state a active
	local seq
	seq=$(local_field seq a)
	disco-hb b
	wait_for 5 has_local state b active
	disco-hb --state error b
	wait_for 5 has_local state b error
	run -0 timeout 10 disco-watch --since "$seq" -j -n 2
	[ "$(jq -r '"\(.process) \(.event)"' <<<"$output" | tr '\n' ' ')" = 'b joined b error ' ]
}

@test "--since beyond all that can be is the same by a server and on the spool" {
	start_both
	disco-hb a
	wait_for 5 has_local state a active
	local seq
	for seq in 9007199254740993 9223372036854775807; do
		run -0 timeout 10 disco-watch -d "$DISCO_SPOOL" --since "$seq" -j -n 1
		[ "$(jq -r .event <<<"$output")" = reset ]
		run -0 timeout 10 disco-watch --since "$seq" -j -n 1
		[ "$(jq -r .event <<<"$output")" = reset ]
	done
	run -2 disco-watch --since 9223372036854775808
}

@test "a master that is gone is said, and that it is back" {
	start_both
	watch
	stop_master
	wait_for 10 said '^disco-watch: no master runs since [0-9:]{8}; waiting for it$'
	start_master
	wait_for 10 said '^disco-watch: the master is back$'
	disco-hb -d "$DISCO_SPOOL" x
	wait_for 5 told '\+ x'
}

@test "without a master the rows are waited for" {
	start_both
	disco-hb x
	wait_for 5 has_local state x active
	stop_master
	gone_there() { ! disco-ls >/dev/null 2>&1; }
	wait_for 10 gone_there
	background disco-watch --rows
	wait_for 5 said 'no master runs'
	start_master
	wait_for 10 told '= x +active'
}

@test "--live by a server, which goes and comes back" {
	start_both
	disco-hb -a h:1 fx_rdb
	wait_for 5 has_local state fx_rdb active
	tmux -L "disco$$" -f /dev/null new-session -d -x 100 -y 20 \
		"env DISCO_URL='$URL' PATH='$PATH' sh -c 'disco-watch --live; echo \$? >$BATS_TEST_TMPDIR/status; exec cat'" 3>&-
	screen() { tmux -L "disco$$" capture-pane -p; }
	shows() { screen | grep -qE "$1"; }
	wait_for 5 shows 'fx_rdb .* active .*h:1'
	disco-hb --state error --reason boom fx_rdb
	wait_for 5 shows 'fx_rdb .* error .*boom'
	stop_serve
	wait_for 5 shows 'connection lost'
	disco-hb -d "$DISCO_SPOOL" other
	start_serve_again
	wait_for 10 shows 'other .* active'
	not_lost() { ! shows 'connection lost'; }
	wait_for 5 not_lost
	tmux -L "disco$$" send-keys q
	wait_for 5 test -s "$BATS_TEST_TMPDIR/status"
	[ "$(cat "$BATS_TEST_TMPDIR/status")" = 0 ]
	tmux -L "disco$$" kill-server
}

@test "a page that says yes to everything is no server of ours" {
	python3 - "$BATS_TEST_TMPDIR/port" 3>&- 4>&- <<-'END' &
		import http.server, sys
		class Portal(http.server.BaseHTTPRequestHandler):
		    def do_POST(self):
		        self.send_response(200)
		        self.end_headers()
		        self.wfile.write(b"log in to the wifi")
		    do_DELETE = do_POST
		    def log_message(self, *args):
		        pass
		server = http.server.HTTPServer(("127.0.0.1", 0), Portal)
		open(sys.argv[1], "w").write(str(server.server_port))
		server.serve_forever()
	END
	ends_with_test $!
	wait_for 10 test -s "$BATS_TEST_TMPDIR/port"
	run -3 disco-hb -u "http://127.0.0.1:$(<"$BATS_TEST_TMPDIR/port")" x
	[[ $output != *wifi* ]]
	run -3 disco-hb -u "http://127.0.0.1:$(<"$BATS_TEST_TMPDIR/port")" --leave x
}

# --- disco-http

@test "over a Unix socket all of it works" {
	start_master
	LISTEN=unix:$BATS_TEST_TMPDIR/s start_serve
	export DISCO_URL=unix:$BATS_TEST_TMPDIR/s
	http_proxy=http://127.0.0.1:1 disco-hb -s rdb x
	disco-ls x
	watch
	background disco-hb -i 100ms y
	wait_for 5 has_local state y active
	disco-hb --leave x
	wait_for 5 has_local state x inactive
	http get "$DISCO_URL" /v1/process/x | jq -e '.service == "rdb"'
}

@test "disco-http: get, its header, and the exit statuses" {
	start_both
	disco-hb x
	wait_for 5 has_local state x active
	[ "$(http get "$URL/v1/table?process=x" | jq -r '.[0].process')" = x ]
	http -H 'Accept: application/x-ndjson' get "$URL/" '/v1/table?process=x' | jq -e '.process == "x"'
	http -i get "$URL" /v1/process/x | grep -qi '^content-type: application/json'
	run -1 http get "$URL/v1/process/nobody"
	[ -z "$output" ]
	run -1 http --explain get "$URL/v1/process/nobody"
	[[ $output == "disco-http: $URL/v1/process/nobody: "*'no such process'* ]]
	run -2 http get "$URL/v1/table?nonsense=1"
	[[ $output == "disco-http: $URL/v1/table?nonsense=1: "* ]]
	run -3 http --timeout 200ms get "$URL/v1/events"
	run -2 http take "$URL"
	run -2 http get
	run -2 http get "$URL" no/path
	run -2 http --timeout never get "$URL"
	run -2 http -H nonsense get "$URL"
	# Whoever has read enough is no failure.
	http get "$URL/v1/events" | head -n 0
}

@test "a server that falls silent is dead" {
	start_both
	kill -STOP "$SERVE"
	run -3 http --idle 300ms get "$URL/v1/events"
	[[ $output == *'fallen silent'* ]]
	run -3 http --idle 300ms post "$URL/v1/heartbeat" <<<'{"process":"x"}'
	kill -CONT "$SERVE"
}

# The receiving end: a second spool with a master and a server.
start_receiver() {
	SENDER=$DISCO_SPOOL
	export DISCO_SPOOL=$BATS_TEST_TMPDIR/receiver
	start_master "$@"
	start_serve
}

@test "a pipe carries one spool's processes into another one" {
	start_master -w 1h -e 2h -f 3h
	start_receiver -w 1h -e 2h -f 3h
	disco-hb -d "$SENDER" -s rdb -a h:1 -m zone=b old
	background disco-hb -d "$SENDER" -i 100ms beating
	carry() {
		disco-watch -d "$SENDER" --rows --beats -j | http stream "$URL/v1/heartbeat"
	}
	background carry
	wait_for 5 has_local address old h:1
	has_local service old rdb
	has_local meta old zone=b
	wait_for 10 has_beaten beating 3
	disco-hb -d "$SENDER" --state error --reason boom old
	wait_for 5 has_local state old error
	has_local reason old boom
	[ ! -s "$ERR" ]
}

@test "and nothing is lost while the receiver is away" {
	start_master -w 1h -e 2h -f 3h
	start_receiver -w 1h -e 2h -f 3h
	carry() {
		disco-watch -d "$SENDER" --rows --beats -j | http stream "$URL/v1/heartbeat"
	}
	background carry
	disco-hb -d "$SENDER" before
	wait_for 5 has_local state before active
	stop_serve
	disco-hb -d "$SENDER" before
	wait_for 10 said 'Connection refused; trying again'
	for i in {1..100}; do
		disco-hb -d "$SENDER" "p$i"
	done
	disco-hb -d "$SENDER" --state error --reason first p1
	disco-hb -d "$SENDER" --state warning --reason last p1
	disco-hb -d "$SENDER" --state warning p100
	start_serve_again
	all_there() { [ "$(disco-ls -d "$DISCO_SPOOL" -H -t 'p*' | wc -l)" = 100 ]; }
	wait_for 20 all_there
	wait_for 5 has_local reason p1 last
	wait_for 5 has_local state p100 warning
	[ "$(wc -l <"$ERR")" = 2 ]
	said "^disco-http: $URL/v1/heartbeat: connected again\$"
}

@test "stream: what is no heartbeat is said once and passed over" {
	start_both
	run -0 http stream "$URL/v1/heartbeat" <<-'END'
		{"process":"a"}
		nonsense
		[1]
		{"event":"sync","seq":1}
		{"process":7}
		{"process":"b"}
	END
	[ "$output" = 'disco-http: line 2: not a JSON object with a process; such lines are passed over' ]
	wait_for 5 has_local state a active
	wait_for 5 has_local state b active
}

@test "stream: what the server will not have is said, and the rest goes on" {
	start_both
	stream() {
		{
			echo '{"process":"a","state":"strange"}'
			echo '{"process":"b"}'
			wait_for 10 grep -q 'no such state' "$ERR"
			echo '{"process":"c"}'
		} | http stream "$URL/v1/heartbeat"
	}
	background stream
	local status=0
	wait "$PID" || status=$?
	[ "$status" = 2 ]
	[ "$(wc -l <"$ERR")" = 1 ]
	wait_for 5 has_local state c active
}

@test "stream: of what is kept, only the newest line of a process is" {
	start_both
	stop_serve
	mkfifo "$BATS_TEST_TMPDIR/a"
	exec 7<>"$BATS_TEST_TMPDIR/a"
	stream() {
		exec <"$BATS_TEST_TMPDIR/a" 7>&-
		exec "$DISCO_BUILD/libexec/disco/disco-http" stream "$URL/v1/heartbeat"
	}
	background stream
	echo '{"process":"first"}' >&7
	wait_for 5 said 'trying again'
	for i in {1..100}; do
		echo "{\"process\":\"x\",\"version\":\"$i\"}" >&7
	done
	start_serve_again 7>&-
	exec 7>&-
	wait "$PID"
	wait_for 5 has_local version x 100
	has_local state first active
	[ "$(local_field counter x)" -le 5 ]
}

@test "stream: a URL without a path is a server's, as for hold" {
	start_both
	http stream "$URL" <<<'{"process":"a"}'
	http stream "$URL/" <<<'{"process":"b"}'
	wait_for 5 has_local state a active
	wait_for 5 has_local state b active
	run -2 http stream "$URL/elsewhere" <<<'{"process":"d"}'
	LISTEN=unix:$BATS_TEST_TMPDIR/s start_serve
	http stream "unix:$BATS_TEST_TMPDIR/s" <<<'{"process":"c"}'
	wait_for 5 has_local state c active
}

@test "stream: gives up at the end of its input" {
	run -3 http --timeout 700ms stream http://127.0.0.1:1/v1/heartbeat <<<'{"process":"a"}'
	[ "${lines[0]}" = 'disco-http: http://127.0.0.1:1/v1/heartbeat: Connection refused; trying again' ]
	[ "${lines[1]}" = 'disco-http: http://127.0.0.1:1/v1/heartbeat: gave up; 1 lines were not delivered' ]
	[ "${#lines[@]}" = 2 ]
}

# Two holders of x, fed by descriptors 7 and 8.
start_holders() {
	mkfifo "$BATS_TEST_TMPDIR/a" "$BATS_TEST_TMPDIR/b"
	exec 7<>"$BATS_TEST_TMPDIR/a" 8<>"$BATS_TEST_TMPDIR/b"
	holder() {
		exec <"$BATS_TEST_TMPDIR/$1" 7>&- 8>&-
		exec "$DISCO_BUILD/libexec/disco/disco-http" hold "$URL"
	}
	background holder a
	echo '{"process":"x","pid":1}' >&7
	wait_for 5 has_local pid x 1
	background holder b
	echo '{"process":"x","pid":2}' >&8
	wait_for 5 has_local pid x 2
}

@test "hold: one whose process was taken over goes on beating, and does not fight" {
	start_both -w 1h -e 2h -f 3h
	start_holders
	echo '{"process":"x","pid":1}' >&7
	wait_for 5 has_local pid x 1
	# The end of the first is not the end of what the second holds.
	local first=${BACKGROUND[0]}
	exec 7>&-
	wait_for 5 gone "$first"
	echo '{"process":"x","pid":2,"version":"3"}' >&8
	wait_for 5 has_local version x 3
	[ "$(http get "$URL/v1/process/x" | jq '[.events[] | select(.state == "error")] | length')" = 0 ]
	exec 8>&-
	wait_for 5 has_local reason x 'connection closed'
}

@test "hold: is 1 when somebody else says that the process has left, 0 when it does" {
	start_both
	start_holders
	disco-hb --leave x
	wait_for 5 gone "$PID"
	local status=0
	wait "$PID" || status=$?
	[ "$status" = 1 ]
	mkfifo "$BATS_TEST_TMPDIR/c"
	exec 9<>"$BATS_TEST_TMPDIR/c"
	holder() {
		exec <"$BATS_TEST_TMPDIR/c" 7>&- 8>&- 9>&-
		exec "$DISCO_BUILD/libexec/disco/disco-http" hold "$URL"
	}
	background holder
	echo '{"process":"y"}' >&9
	wait_for 5 has_local state y active
	echo '{"process":"y","state":"inactive"}' >&9
	wait_for 5 has_local state y inactive
	exec 7>&- 8>&- 9>&-
	status=0
	wait "$PID" || status=$?
	[ "$status" = 0 ]
}

@test "hold: and with news it takes it back" {
	start_both -w 1h -e 2h -f 3h
	start_holders
	echo '{"process":"x","pid":1,"version":"3"}' >&7
	wait_for 5 has_local version x 3
	local second=$PID
	exec 8>&-
	wait_for 5 gone "$second"
	[ "$(local_field reason x)" != 'connection closed' ]
	exec 7>&-
	wait_for 5 has_local reason x 'connection closed'
}

@test "https: the server is checked, by --cacert where the system does not know it" {
	command -v openssl >/dev/null || cannot 'no openssl'
	cd "$BATS_TEST_TMPDIR"
	openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=test -keyout key.pem -out cert.pem \
		-addext 'subjectAltName=IP:127.0.0.1' 2>openssl.err
	cat >server.py <<-'END'
		import http.server, ssl, sys
		server = http.server.HTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
		context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
		context.load_cert_chain("cert.pem", "key.pem")
		server.socket = context.wrap_socket(server.socket, server_side=True)
		print(server.server_port, flush=True)
		server.serve_forever()
	END
	background python3 server.py
	wait_for 20 test -s "$OUT"
	local url
	url=https://127.0.0.1:$(cat "$OUT")
	http --cacert cert.pem get "$url/cert.pem" | cmp - cert.pem
	run -3 http get "$url/cert.pem"
	[[ $output == "disco-http: $url/cert.pem: "*certificate* ]]
	run -3 disco-ls -u "$url"
	[[ $output == "disco-ls: $url: "*certificate* ]]
	run -3 disco-ls --cacert cert.pem -u "$url"
	[ "$output" = "disco-ls: $url: no table there; is that a disco-serve?" ]
}
