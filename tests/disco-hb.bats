#!/usr/bin/env bats
# disco-hb as its users meet it.  What it delivers is looked at in the spool.

bats_require_minimum_version 1.5.0
load helper

hb() {
	cat "$DISCO_SPOOL/hb/$1"
}

says() { # says NAME LINE
	grep -qxF -- "$2" "$DISCO_SPOOL/hb/$1" 2>/dev/null
}

says_not() {
	[ -e "$DISCO_SPOOL/hb/$1" ] && ! grep -q -- "$2" "$DISCO_SPOOL/hb/$1"
}

tmp_is_empty() {
	[ -z "$(ls -A "$DISCO_SPOOL/tmp")" ]
}

inode() {
	stat -c %i "$DISCO_SPOOL/hb/$1"
}

ctime() {
	stat -c %z "$DISCO_SPOOL/hb/$1"
}

beaten_since() { # beaten_since CTIME NAME
	[ "$(ctime "$2")" != "$1" ]
}

# Whether somebody holds it under a write lock: one that is unlocked can be locked.
held() {
	python3 - "$DISCO_SPOOL/hb/$1" <<-'END'
		import fcntl, struct, sys
		f = open(sys.argv[1])
		lock = struct.pack('hhqqi', fcntl.F_RDLCK, 0, 0, 0, 0)
		lock = fcntl.fcntl(f, 36, lock)  # F_OFD_GETLK
		sys.exit(struct.unpack('hhqqi', lock)[0] == fcntl.F_UNLCK)
	END
}

not_held() {
	! held "$1"
}

gone() { # gone PID
	! kill -0 "$1" 2>/dev/null
}

# In the background, with nothing of bats' open; its pid is in $pid.
start() {
	"$@" 3>&- &
	pid=$!
	PIDS+=("$pid")
}

@test "one beat makes the spool and says where the process lives" {
	rm -rf "$DISCO_SPOOL"
	run disco-hb rdb_1
	[ "$status" -eq 0 ]
	[ -z "$output" ]
	says rdb_1 "host=$(uname -n)"
	says_not rdb_1 'pid='
	says_not rdb_1 'state='
	[ "$(stat -c %a "$DISCO_SPOOL/hb" "$DISCO_SPOOL/tmp" "$DISCO_SPOOL/hb/rdb_1")" = \
		$'1777\n1777\n644' ]
	tmp_is_empty
}

@test "all that the command line says is in the heartbeat, in one order" {
	disco-hb -m zone=b --meta owner="Ann Bö" -V 4.1 -a '[::1]:5010' -s rdb \
		--warn 45s -e 5m -f 1.5h --state warning --reason 'low on disk' rdb_1
	run grep -v -e ^host= -e ^ip= "$DISCO_SPOOL/hb/rdb_1"
	[ "$output" = "service=rdb
address=[::1]:5010
version=4.1
warnAfter=45s
errorAfter=5m
forgetAfter=90m
state=warning
reason=low on disk
meta.zone=b
meta.owner=Ann Bö" ]
}

@test "a port is completed to an address that others can use" {
	disco-hb -p 5010 rdb_1
	grep -Eqx 'address=([^:]+|\[.*\]):5010' "$DISCO_SPOOL/hb/rdb_1"
}

@test "the same again only touches the file" {
	disco-hb -p 5010 -m a=b rdb_1
	local was i
	was=$(ctime rdb_1) i=$(inode rdb_1)
	disco-hb -p 5010 -m a=b rdb_1
	beaten_since "$was" rdb_1
	[ "$(inode rdb_1)" = "$i" ]
}

@test "a beat without news takes fewer than 15 system calls" {
	[ -z "${DISCO_SANITIZED:-}" ] || skip 'a sanitizer makes calls of its own'
	disco-hb rdb_1
	strace -o "$BATS_TEST_TMPDIR/trace" disco-hb rdb_1
	# The call of execve itself and the line of the exit status are not ours.
	local calls
	calls=$(grep -cv -e ^execve -e '^+++' "$BATS_TEST_TMPDIR/trace")
	echo "$calls calls"
	[ "$calls" -lt 15 ]
	run ! grep -q -E 'write|rename|unlink' "$BATS_TEST_TMPDIR/trace"
}

@test "new content takes fewer than 25 system calls, and no memory" {
	[ -z "${DISCO_SANITIZED:-}" ] || skip 'a sanitizer makes calls of its own'
	disco-hb -s rdb -m n=1 rdb_1
	strace -o "$BATS_TEST_TMPDIR/trace" disco-hb -s rdb -m n=2 -m m=3 rdb_1
	local calls
	calls=$(grep -cv -e ^execve -e '^+++' "$BATS_TEST_TMPDIR/trace")
	echo "$calls calls"
	[ "$calls" -lt 25 ]
	run ! grep -q -E '^(brk|mmap)' "$BATS_TEST_TMPDIR/trace"
	grep -qx meta.m=3 "$DISCO_SPOOL/hb/rdb_1"
}

@test "the umask does not hide a heartbeat" {
	(umask 077 && rm -rf "$DISCO_SPOOL" && disco-hb rdb_1)
	[ "$(stat -c %a "$DISCO_SPOOL/hb/rdb_1")" = 644 ]
	[ "$(stat -c %a "$DISCO_SPOOL/hb")" = 1777 ]
}

@test "names that are no file names are refused" {
	local name
	for name in '' .hidden -x a/b ../a 'a b' $'a\nb' "$(printf '%0129d' 1)" ä; do
		run disco-hb -- "$name"
		[ "$status" -eq 2 ]
	done
	[ ! -e "$DISCO_SPOOL/hb" ]
	disco-hb "$(printf '%0128d' 1)"
	disco-hb A-z.0_9:@+
}

@test "what can't be meant is asked wrongly" {
	local words
	while read -r words; do
		# shellcheck disable=SC2086
		run disco-hb $words
		echo "$words: $status $output"
		[ "$status" -eq 2 ]
		[ -n "$output" ]
	done <<-'END'

		--nonsense x
		x y
		x --
		x --state warning
		-a nowhere x
		-a host:0 x
		-a host:65536 x
		-a ::1:80 x
		-a [::1:80 x
		-a :80 x
		-p 0 x
		-p 80 -a h:80 x
		-m nokey x
		-m =v x
		-m a/b=c x
		-w 0 x
		-w 5m -e 1m x
		-e 5m -f 1m x
		-i 10s -w 5s x
		-i 1fortnight x
		--state dead x
		--exit 256 x
		--exit -1 x
		--exit 1 --state error x
		--state warning -i 2s x
		--leave --state error x
		--leave -m a=b x
		--leave -i 2s x
		--held -i 2s x
		--hold 9 -m a=b x
		--hold nine x
		--path -i 2s x
		-P 1 x -- true
		-P 0 x
		-c true --reason why x
	END
	run disco-hb --reason $'a\tb' x
	[ "$status" -eq 2 ]
	run disco-hb --reason $'a\xff' x
	[ "$status" -eq 2 ]
	run disco-hb -s "$(printf '%0256d' 1)" x
	[ "$status" -eq 2 ]
	run disco-hb -m "a=$(printf '%017000d' 1)" x
	[ "$status" -eq 2 ]
}

@test "the usage is the synopsis, on stderr, and --version needs no spool" {
	run --separate-stderr disco-hb
	[ "$status" -eq 2 ]
	[ -z "$output" ]
	[[ $stderr == usage:\ disco-hb* ]]
	run --separate-stderr disco-hb -h
	[ "$status" -eq 0 ]
	[ -z "$stderr" ]
	[[ $output == usage:\ disco-hb* ]]
	run disco-hb x sleep 1
	[ "$status" -eq 2 ]
	[[ $output == "disco-hb: sleep: a command comes behind --"* ]]
	run disco-hb --version
	[ "$status" -eq 0 ]
	[[ $output == disco-hb\ * ]]
}

@test "--exit tells how a job went" {
	disco-hb --exit 0 job
	says_not job 'state='
	disco-hb --exit 3 job
	says job state=error
	says job 'reason=exit status 3'
	disco-hb --exit 137 job
	says job 'reason=exit status 137 (SIGKILL)'
	disco-hb --exit 0 job
	says_not job 'reason='
}

@test "--leave keeps what is known, and says no where nothing is" {
	run disco-hb --leave rdb_1
	[ "$status" -eq 1 ]
	[ -z "$output" ]
	disco-hb -s rdb -m a=b rdb_1
	disco-hb --leave --reason 'for the night' rdb_1
	says rdb_1 service=rdb
	says rdb_1 meta.a=b
	says rdb_1 state=inactive
	says rdb_1 'reason=for the night'
}

@test "a heartbeat that touch made can leave" {
	disco-hb --path rdb_1
	touch "$DISCO_SPOOL/hb/rdb_1"
	disco-hb --leave rdb_1
	says rdb_1 state=inactive
}

@test "--path prints where it goes and makes the folders" {
	run disco-hb --path rdb_1
	[ "$status" -eq 0 ]
	[ "$output" = "$DISCO_SPOOL/hb/rdb_1" ]
	[ -d "$DISCO_SPOOL/hb" ]
	[ ! -e "$output" ]
	run disco-hb -d "$BATS_TEST_TMPDIR/no/where" --path rdb_1
	[ "$status" -eq 0 ]
	[ "$output" = "$BATS_TEST_TMPDIR/no/where/hb/rdb_1" ]
}

@test "without a spool it says what to do" {
	run disco-hb -d "$BATS_TEST_TMPDIR/no/where" rdb_1
	[ "$status" -eq 3 ]
	[[ $output == *DISCO_SPOOL* ]]
}

@test "a link, a FIFO or a hard link in its place is replaced, never followed or waited for" {
	disco-hb --path x
	echo secret >"$BATS_TEST_TMPDIR/secret"
	ln -s "$BATS_TEST_TMPDIR/secret" "$DISCO_SPOOL/hb/link"
	mkfifo "$DISCO_SPOOL/hb/fifo"
	ln "$BATS_TEST_TMPDIR/secret" "$DISCO_SPOOL/hb/hard"
	head -c 20000 /dev/zero >"$DISCO_SPOOL/hb/large"
	local name
	for name in link fifo hard large; do
		timeout 5 disco-hb "$name"
		[ ! -L "$DISCO_SPOOL/hb/$name" ]
		[ -f "$DISCO_SPOOL/hb/$name" ]
		says "$name" "host=$(uname -n)"
	done
	[ "$(cat "$BATS_TEST_TMPDIR/secret")" = secret ]
	tmp_is_empty
}

@test "a folder in its place is left alone, and nothing is left behind" {
	disco-hb --path x
	mkdir "$DISCO_SPOOL/hb/x"
	run disco-hb x
	[ "$status" -eq 3 ]
	[[ $output == *directory* ]]
	[ -d "$DISCO_SPOOL/hb/x" ]
	tmp_is_empty
}

@test "another user's heartbeat is his" {
	[ "$(id -u)" -eq 0 ] || cannot "needs root"
	local dir
	dir=$(mktemp -d /var/tmp/disco-test.XXXXXX)
	chmod 755 "$dir"
	disco-hb -d "$dir" --path x
	disco-hb -d "$dir" x
	local binary=$dir/disco-hb
	cp "$(command -v disco-hb)" "$binary"
	run setpriv --reuid=65534 --clear-groups "$binary" -d "$dir" x
	echo "$output"
	[ "$status" -eq 3 ]
	[ "$output" = "disco-hb: x: this heartbeat belongs to user root" ]
	run setpriv --reuid=65534 --clear-groups "$binary" -d "$dir" --state error x
	[ "$status" -eq 3 ]
	[ "$output" = "disco-hb: x: this heartbeat belongs to user root" ]
	[ -z "$(ls -A "$dir/tmp")" ]
	setpriv --reuid=65534 --clear-groups "$binary" -d "$dir" y
	[ "$(stat -c %u "$dir/hb/y")" = 65534 ]
	rm -r "$dir"
}

@test "without a spool named, it is the system's, the session's, or one in /tmp that is ours alone" {
	unshare -m true 2>/dev/null || cannot 'no mount namespaces'
	local dir
	dir=$(mktemp -d /var/tmp/disco-test.XXXXXX)
	chmod 755 "$dir"
	cp "$(command -v disco-hb)" "$dir/disco-hb"
	# shellcheck disable=SC2016
	run -0 env -u DISCO_SPOOL unshare -m sh -c '
		mount -t tmpfs none /run && mount -t tmpfs -o mode=1777 none /tmp && cd / || exit
		other() { setpriv --reuid=65534 --clear-groups "$1/disco-hb" --path x; }
		other "$1"
		for owner in 0:700 65534:750; do
			rm -rf /tmp/disco-65534
			install -d -o "${owner%:*}" -m "${owner#*:}" /tmp/disco-65534
			other "$1" 2>&1
			echo "$?"
		done
		install -d -o 65534 /run/user/65534
		other "$1"
		"$1/disco-hb" --path x
		other "$1"' - "$dir"
	rm -r "$dir"
	echo "$output"
	[ "${lines[0]}" = /tmp/disco-65534/hb/x ]
	[[ ${lines[1]} == 'disco-hb: /tmp/disco-65534: not a folder of yours alone' ]]
	[ "${lines[2]}" = 3 ]
	[[ ${lines[3]} == 'disco-hb: /tmp/disco-65534: not a folder of yours alone' ]]
	[ "${lines[4]}" = 3 ]
	[ "${lines[5]}" = /run/user/65534/disco/hb/x ]
	[ "${lines[6]}" = /run/disco/hb/x ] # root makes it, and then it is there for all
	[ "${lines[7]}" = /run/disco/hb/x ]
}

@test "-i beats, holds the file, and leaves when it is told to stop" {
	local signal was
	for signal in TERM INT HUP; do
		start env --default-signal=HUP disco-hb -i 50ms -s rdb rdb_1 # though this runs under nohup
		wait_for 5 says rdb_1 "pid=$pid"
		says rdb_1 every=50ms
		says rdb_1 held=yes
		grep -q '^boot=' "$DISCO_SPOOL/hb/rdb_1"
		grep -q '^start=' "$DISCO_SPOOL/hb/rdb_1"
		held rdb_1
		was=$(ctime rdb_1)
		wait_for 5 beaten_since "$was" rdb_1
		kill -"$signal" "$pid"
		wait "$pid"
		says rdb_1 state=inactive
		says rdb_1 "pid=$pid"
		says_not rdb_1 'held='
		not_held rdb_1
		tmp_is_empty
	done
}

@test "-i that is killed holds nothing any more" {
	start disco-hb -i 50ms rdb_1
	wait_for 5 says rdb_1 "pid=$pid"
	kill -KILL "$pid"
	wait_for 5 not_held rdb_1
	says rdb_1 held=yes
}

@test "a heartbeat that was removed is delivered again, and is held" {
	start disco-hb -i 50ms rdb_1
	wait_for 5 says rdb_1 "pid=$pid"
	rm "$DISCO_SPOOL/hb/rdb_1"
	wait_for 5 says rdb_1 "pid=$pid"
	held rdb_1
	touch "$DISCO_SPOOL/elsewhere"
	mv "$DISCO_SPOOL/elsewhere" "$DISCO_SPOOL/hb/rdb_1"
	wait_for 5 says rdb_1 "pid=$pid"
	held rdb_1
	tmp_is_empty
}

@test "the whole spool may go and come back" {
	start disco-hb -i 50ms rdb_1
	wait_for 5 says rdb_1 "pid=$pid"
	rm -r "$DISCO_SPOOL"
	wait_for 5 says rdb_1 "pid=$pid"
	held rdb_1
}

@test "-i without a spool says so once and goes on until there is one" {
	local dir=$BATS_TEST_TMPDIR/later/spool
	disco-hb -d "$dir" -i 20ms rdb_1 2>"$BATS_TEST_TMPDIR/err" 3>&- &
	pid=$!
	PIDS+=("$pid")
	wait_for 5 test -s "$BATS_TEST_TMPDIR/err"
	mkdir "$BATS_TEST_TMPDIR/later"
	wait_for 5 test -e "$dir/hb/rdb_1"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/err")" -eq 1 ]
}

@test "a report about a held process keeps its identity and is taken up" {
	start disco-hb -i 50ms -m a=b rdb_1
	wait_for 5 says rdb_1 "pid=$pid"
	disco-hb --state warning --reason 'low on disk' rdb_1
	says rdb_1 state=warning
	says rdb_1 "pid=$pid"
	says rdb_1 meta.a=b
	says rdb_1 held=yes
	wait_for 5 held rdb_1
	says rdb_1 state=warning
	says rdb_1 'reason=low on disk'
	disco-hb rdb_1
	wait_for 5 held rdb_1
	says_not rdb_1 'state='
	says rdb_1 "pid=$pid"
}

@test "what a command reports as its first act is kept" {
	start disco-hb rdb_1 -- sh -c "disco-hb --state warning --reason low rdb_1; touch '$BATS_TEST_TMPDIR/told'; sleep 60"
	wait_for 5 test -e "$BATS_TEST_TMPDIR/told"
	wait_for 5 held rdb_1
	says rdb_1 reason=low
	for check in '' '-ctrue'; do
		for _ in {1..8}; do
			# shellcheck disable=SC2086
			run -0 disco-hb $check rdb_2 -- disco-hb --leave rdb_2
			says rdb_2 state=inactive
		done
	done
}

@test "two reports in a row are both about the held process" {
	start disco-hb -i 500ms rdb_1
	wait_for 5 says rdb_1 "pid=$pid"
	disco-hb --state warning --reason one rdb_1
	disco-hb --state error --reason two rdb_1
	says rdb_1 "pid=$pid"
	wait_for 5 held rdb_1
	says rdb_1 reason=two
	kill "$pid"
	wait "$pid"
	tmp_is_empty
}

@test "--leave ends -i" {
	start disco-hb -i 50ms rdb_1
	wait_for 5 says rdb_1 "pid=$pid"
	disco-hb --leave --reason 'moved away' rdb_1
	wait "$pid"
	says rdb_1 state=inactive
	says rdb_1 'reason=moved away'
	tmp_is_empty
}

@test "a command runs as it would without: input, output, status, no questions" {
	run --separate-stderr disco-hb x -- sh -c 'read -r line; echo "got $line"; echo oops >&2; exit 3' <<<hello
	[ "$status" -eq 3 ]
	[ "$output" = "got hello" ]
	[ "$stderr" = oops ]
	says x state=error
	says x 'reason=exit status 3'
	says x every=2s
	says_not x 'held='
	disco-hb x -- true
	says x state=inactive
	says_not x 'reason='
	tmp_is_empty
}

@test "a command that is killed is told from one that was stopped" {
	run disco-hb x -- sh -c 'kill -KILL $$'
	[ "$status" -eq 137 ]
	says x state=error
	says x 'reason=killed by SIGKILL'
	start disco-hb x -- sleep 60
	wait_for 5 held x
	kill -TERM "$pid"
	status=0
	wait "$pid" || status=$?
	[ "$status" -eq 143 ]
	says x state=inactive
	says x 'reason=stopped by SIGTERM'
}

@test "signals are passed on, and the wrapper waits for what the command makes of them" {
	local signal
	for signal in HUP INT QUIT USR1 USR2 TERM; do
		start env --default-signal=HUP disco-hb x -- python3 -c "
import signal, sys
signal.signal(signal.SIG$signal, lambda *a: sys.exit(42))
print('ready', flush=True, file=open('$BATS_TEST_TMPDIR/ready', 'w'))
while True: signal.pause()"
		wait_for 10 test -s "$BATS_TEST_TMPDIR/ready"
		kill -"$signal" "$pid"
		local result=0
		wait "$pid" || result=$?
		[ "$result" -eq 42 ]
		says x 'reason=exit status 42'
		rm "$BATS_TEST_TMPDIR/ready"
	done
}

@test "an ignored SIGHUP stays ignored" {
	(trap '' HUP && exec disco-hb -i 50ms x) 3>&- &
	pid=$!
	PIDS+=("$pid")
	wait_for 5 held x
	kill -HUP "$pid"
	local was
	was=$(ctime x)
	wait_for 5 beaten_since "$was" x
	says_not x 'state='
}

@test "a command that can't be run is an error in its row too" {
	run -127 disco-hb x -- "$BATS_TEST_TMPDIR/nothing"
	[[ $output == disco-hb:*nothing*No\ such\ file* ]]
	says x state=error
	says x 'reason=cannot run: No such file or directory'
	run disco-hb x -- "$BATS_TEST_TMPDIR"
	[ "$status" -eq 126 ]
	tmp_is_empty
}

@test "a command runs even where no heartbeat can be delivered" {
	run --separate-stderr disco-hb -d "$BATS_TEST_TMPDIR/no/where" -i 20ms x -- \
		sh -c 'sleep 0.2; echo ran; exit 5'
	[ "$status" -eq 5 ]
	[ "$output" = ran ]
	[ "$(grep -c . <<<"$stderr")" -eq 1 ]
}

@test "a wrapper that is killed accuses nobody: its command holds the file" {
	start disco-hb -i 50ms x -- sleep 60
	wait_for 5 held x
	local child
	child=$(sed -n 's/^pid=//p' "$DISCO_SPOOL/hb/x")
	PIDS+=("$child")
	kill -KILL "$pid"
	wait "$pid" || true
	kill -0 "$child"
	held x
	kill -KILL "$child"
	wait_for 5 not_held x
}

@test "the command holds the file also after its content has changed, again and again" {
	start disco-hb -i 20ms x -- sh -c 'exec sleep 60'
	wait_for 5 held x
	local child i
	child=$(sed -n 's/^pid=//p' "$DISCO_SPOOL/hb/x")
	PIDS+=("$child")
	for i in 1 2 3 4; do
		disco-hb --state warning --reason "report $i" x
		wait_for 5 held x
		says x "reason=report $i"
	done
	kill -KILL "$pid"
	wait "$pid" || true
	kill -0 "$child"
	held x
	kill -KILL "$child"
	wait_for 5 not_held x
}

@test "what the command says to its service manager is in its heartbeat" {
	cat >"$BATS_TEST_TMPDIR/service" <<-'END'
		import os, socket, sys
		s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
		s.connect('\0' + os.environ['NOTIFY_SOCKET'][1:])
		assert os.environ['WATCHDOG_USEC'] == '30000000', os.environ['WATCHDOG_USEC']
		assert 'WATCHDOG_PID' not in os.environ
		for line in sys.stdin.buffer:
		    s.send(line.strip().replace(b'|', b'\n'))
	END
	mkfifo "$BATS_TEST_TMPDIR/in"
	WATCHDOG_PID=1 disco-hb -i 50ms x -- python3 "$BATS_TEST_TMPDIR/service" <"$BATS_TEST_TMPDIR/in" 3>&- &
	pid=$!
	PIDS+=("$pid")
	exec 8>"$BATS_TEST_TMPDIR/in"
	echo 'STATUS=loading 50 %' >&8
	wait_for 10 says x 'reason=loading 50 %'
	echo 'READY=1|STATUS=serving' >&8
	wait_for 5 says x 'reason=serving'
	says_not x 'state='
	held x
	echo 'WATCHDOG=trigger' >&8
	wait_for 5 says x 'reason=watchdog triggered'
	says x state=error
	echo 'READY=1' >&8
	wait_for 5 says_not x 'state='
	says_not x 'reason='
	printf 'STATUS=tab\there \xff\n' >&8
	wait_for 5 says x 'reason=tab?here ?'
	echo 'RELOADING=1' >&8
	wait_for 5 says x 'reason=reloading'
	says_not x 'state='
	echo 'STOPPING=1' >&8
	wait_for 5 says x 'state=warning'
	says x 'reason=stopping'
	exec 8>&-
	wait "$pid"
	says x state=inactive
	says_not x 'reason='
	tmp_is_empty
}

@test "systemd-notify works under the wrapper, and waits for it to have read" {
	command -v systemd-notify >/dev/null || cannot "no systemd-notify"
	disco-hb -i 50ms x -- sh -c 'timeout 5 systemd-notify --status="all is well" &&
		until grep -q "reason=all is well" "$DISCO_SPOOL/hb/x"; do sleep 0.02; done'
	says x state=inactive
}

@test "once the watchdog is fed, only that beats" {
	cat >"$BATS_TEST_TMPDIR/service" <<-'END'
		import os, socket, sys
		s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
		s.connect('\0' + os.environ['NOTIFY_SOCKET'][1:])
		assert os.environ['WATCHDOG_USEC'] == '45000000'
		for line in sys.stdin:
		    s.send(line.strip().encode())
	END
	mkfifo "$BATS_TEST_TMPDIR/in"
	disco-hb -w 45s -i 20ms x -- python3 "$BATS_TEST_TMPDIR/service" <"$BATS_TEST_TMPDIR/in" 3>&- &
	local wrapper=$!
	PIDS+=("$wrapper")
	exec 8>"$BATS_TEST_TMPDIR/in"
	wait_for 5 held x
	local was
	was=$(ctime x)
	echo 'WATCHDOG=1' >&8
	# A status that follows shows that the watchdog's message was read.
	echo 'STATUS=fed' >&8
	wait_for 10 says x reason=fed
	was=$(ctime x)
	# While another beats five times, x does not.
	start disco-hb -i 40ms y 8>&-
	wait_for 5 held y
	local i other
	for i in 1 2 3 4 5; do
		other=$(ctime y)
		wait_for 5 beaten_since "$other" y
	done
	[ "$(ctime x)" = "$was" ]
	echo 'WATCHDOG=1' >&8
	wait_for 5 beaten_since "$was" x
	# It still looks after its file.
	rm "$DISCO_SPOOL/hb/x"
	wait_for 5 held x
	exec 8>&-
	wait "$wrapper"
}

@test "messages go on to our own service manager as they are" {
	cat >"$BATS_TEST_TMPDIR/manager" <<-'END'
		import os, socket, subprocess, sys
		s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
		s.bind(sys.argv[1])
		s.settimeout(5)
		os.environ['NOTIFY_SOCKET'] = sys.argv[1]
		os.environ['WATCHDOG_USEC'] = '7000000'
		p = subprocess.Popen(['disco-hb', 'x', '--', 'python3', '-c', '''
		import os, socket
		s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
		s.connect(chr(0) + os.environ['NOTIFY_SOCKET'][1:])
		assert os.environ['WATCHDOG_USEC'] == '7000000'
		s.send(b'READY=1\\nSTATUS=up\\nX_OWN=2')
		out, kept = os.pipe()
		os.write(kept, b'kept')
		socket.send_fds(s, [b'FDSTORE=1\\nFDNAME=pipe'], [out, kept])'''.replace('\t', '')])
		assert s.recv(1000) == b'READY=1\nSTATUS=up\nX_OWN=2'
		said, fds, _, _ = socket.recv_fds(s, 1000, 8)
		assert said == b'FDSTORE=1\nFDNAME=pipe' and len(fds) == 2
		assert os.read(fds[0], 10) == b'kept'
		sys.exit(p.wait())
	END
	python3 "$BATS_TEST_TMPDIR/manager" "$BATS_TEST_TMPDIR/notify"
}

@test "a command that has left is not accused when it ends" {
	run disco-hb -i 20ms x -- sh -c 'until grep -q pid= "$DISCO_SPOOL/hb/x"; do :; done
		disco-hb --leave --reason done x; exit 4'
	[ "$status" -eq 4 ]
	says x state=inactive
	says x reason=done
	tmp_is_empty
}

@test "descriptors and zombies do not pile up" {
	# shellcheck disable=SC2016
	start disco-hb -i 20ms -c 'echo $$' x -- sleep 60
	wait_for 5 held x
	local before was i
	before=$(ls "/proc/$pid/fd" | grep -cv '^$')
	for i in 1 2 3 4 5 6; do
		was=$(ctime x)
		rm -f "$DISCO_SPOOL/hb/x"
		wait_for 5 held x
	done
	# A check that is being started has some for a moment.
	few() { [ "$(ls "/proc/$pid/fd" | wc -l)" -le $((before + 1)) ]; }
	wait_for 5 few
	[ "$(ps -o stat= --ppid "$pid" | grep -c Z)" -le 1 ]
}

@test "the command gets the held files and nothing else" {
	disco-hb x -- sh -c 'ls -l /proc/$$/fd' >"$BATS_TEST_TMPDIR/fds" 3>&-
	[ "$(grep -c "$DISCO_SPOOL/" "$BATS_TEST_TMPDIR/fds")" -eq 2 ]
	run ! grep -E 'signalfd|socket:' "$BATS_TEST_TMPDIR/fds"
}

@test "-P beats for a process and says when it has ended" {
	sleep 60 3>&- &
	local target=$!
	PIDS+=("$target")
	start disco-hb -i 50ms -P "$target" x
	wait_for 5 held x
	says x "pid=$target"
	kill -KILL "$target"
	wait "$pid"
	says x state=error
	says x 'reason=ended without leaving'
	not_held x
	run disco-hb -P "$target" y
	[ "$status" -eq 3 ]
	[ "$output" = "disco-hb: $target: no such process" ]
	[ ! -e "$DISCO_SPOOL/hb/y" ]
}

@test "-P leaves when it is stopped, and believes a process that has left" {
	start disco-hb -i 50ms -P $$ x
	wait_for 5 held x
	kill "$pid"
	wait "$pid"
	says x state=inactive
	sleep 60 3>&- &
	local target=$!
	PIDS+=("$target")
	start disco-hb -i 10s -P "$target" x
	wait_for 5 held x
	disco-hb --leave x
	kill -KILL "$target"
	wait "$pid"
	says x state=inactive
}

@test "-c reports what a check says, once without -i" {
	disco-hb -c 'echo all well; echo more' x
	says_not x 'state='
	says x 'reason=all well'
	disco-hb -c 'exit 1' x
	says x state=warning
	says x 'reason=check exited with 1'
	disco-hb -c 'printf "disk\tfull\377"; exit 2' x
	says x state=error
	says x 'reason=disk?full?'
	disco-hb -c 'kill -SEGV $$' x
	says x 'reason=check killed by SIGSEGV'
	disco-hb -c 'yes ä | tr -d "\n" | head -c 100000' x
	[ "$(sed -n 's/^reason=//p' "$DISCO_SPOOL/hb/x" | tr -d '\n' | wc -c)" -eq 512 ]
	# It has nothing to read, or this would not end.
	timeout 5 disco-hb -c cat x </dev/zero
}

@test "a check that hangs is killed with all that it has started" {
	timeout 10 disco-hb -w 100ms -c "sleep 60 & echo \$! >$BATS_TEST_TMPDIR/pid; wait" x
	says x state=error
	says x 'reason=check timed out'
	wait_for 5 gone "$(cat "$BATS_TEST_TMPDIR/pid")"
	start disco-hb -i 100ms -c "echo \$\$ >$BATS_TEST_TMPDIR/pid; sleep 60" y
	wait_for 5 says y 'reason=check timed out'
	held y
	kill "$pid"
	wait "$pid"
	wait_for 5 gone "$(cat "$BATS_TEST_TMPDIR/pid")"
}

@test "-i with a check follows it" {
	echo 1 >"$BATS_TEST_TMPDIR/result"
	start disco-hb -i 50ms -c "exit \$(cat $BATS_TEST_TMPDIR/result)" x
	wait_for 5 says x state=warning
	held x
	echo 0 >"$BATS_TEST_TMPDIR/new"
	mv "$BATS_TEST_TMPDIR/new" "$BATS_TEST_TMPDIR/result"
	wait_for 5 says_not x state=
	held x
}

@test "a shell can hold its own heartbeat" {
	disco-hb --held x
	says x held=yes
	not_held x
	exec 9>>"$(disco-hb --path x)"
	local was
	was=$(ctime x)
	disco-hb --hold 9 x
	beaten_since "$was" x
	held x
	disco-hb --hold 9 x
	disco-hb x
	held x
	# Another open file of the same can't have it.
	exec 8>>"$(disco-hb --path x)"
	run disco-hb --hold 8 x
	[ "$status" -eq 3 ]
	[[ $output == *"held by another process" ]]
	exec 8>&- 9>&-
	not_held x
}

@test "--hold takes only what is this process's heartbeat, open for writing" {
	disco-hb x
	exec 9>>"$DISCO_SPOOL/hb/x"
	run disco-hb --hold 9 x
	[ "$status" -eq 2 ]
	[[ $output == *held=yes* ]]
	disco-hb --held x
	run disco-hb --hold 9 x
	[ "$status" -eq 2 ]
	[[ $output == *"not the heartbeat of x" ]]
	exec 9<"$DISCO_SPOOL/hb/x"
	run disco-hb --hold 9 x
	[ "$status" -eq 2 ]
	[[ $output == *"not open for writing" ]]
	exec 9>&-
	run disco-hb --hold 9 x
	[ "$status" -eq 2 ]
	[[ $output == *"not an open descriptor" ]]
	run disco-hb --hold 1 y
	[ "$status" -eq 2 ]
}

@test "many at once leave whole content and nothing behind" {
	local i jobs=()
	for i in $(seq 40); do
		disco-hb -m "writer=$i" -m "again=$i" x 3>&- &
		jobs+=("$!")
	done
	for i in "${jobs[@]}"; do
		wait "$i"
	done
	[ "$(sed -n 's/^meta.writer=//p' "$DISCO_SPOOL/hb/x")" = \
		"$(sed -n 's/^meta.again=//p' "$DISCO_SPOOL/hb/x")" ]
	grep -q '^meta.again=.' "$DISCO_SPOOL/hb/x"
	tmp_is_empty
}

@test "a holder leaves a name to another that has taken it over" {
	start disco-hb -i 10s x
	wait_for 5 says x "pid=$pid"
	local old=$pid
	start disco-hb -i 10s x
	wait_for 5 says x "pid=$pid"
	kill "$old"
	wait "$old"
	says x "pid=$pid"
	says x held=yes
	held x
}

@test "a leave is not lost among reports and a busy holder" {
	local i report reports
	for i in $(seq 10); do
		start disco-hb -i 5ms x
		wait_for 5 held x
		reports=()
		for report in 1 2 3; do
			disco-hb --state warning --reason "$report" x 3>&- &
			reports+=($!)
		done
		wait "${reports[@]}"
		disco-hb --leave x
		wait "$pid"
		says x state=inactive
		rm "$DISCO_SPOOL/hb/x"
	done
}
