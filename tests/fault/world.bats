#!/usr/bin/env bats
# The world misbehaves: disks, permissions, clocks, limits, and other users of the machine.

load ../helper

eval "helper_$(declare -f teardown)"

teardown() {
	local status=0
	helper_teardown || status=$?
	while mountpoint -q "${MOUNTED:-/nowhere}"; do umount -l "$MOUNTED"; done
	[ -z "${NETNS:-}" ] || ip netns del "$NETNS"
	[ -z "${PLACE:-}" ] || rm -rf "$PLACE"
	return "$status"
}

# mounted OPTION...: mounts it as the spool, for the length of the test.
mounted() {
	[ "$(id -u)" = 0 ] || cannot 'needs root to mount'
	mkdir -p "$DISCO_SPOOL"
	mount "$@" "$DISCO_SPOOL" || cannot 'no mount here'
	MOUNTED=$DISCO_SPOOL
}

# image [NAME]: a small ext4 in $IMAGE.
image() {
	IMAGE=$BATS_TEST_TMPDIR/${1:-image}
	truncate -s 2M "$IMAGE"
	mkfs.ext4 -q -m 0 -N 64 -O ^has_journal "$IMAGE"
}

# When the heartbeat's file last beat, as the table says it.
beat_of() {
	date -u -d "@$(stat -c %.9Z "$DISCO_SPOOL/hb/$1")" +%FT%T.%3NZ
}

# Nothing is lost when nothing can be written: exhaust COMMAND takes what there is, until $DISCO_SPOOL/fill is removed.
survives() {
	start_master
	disco-hb -a h:1 before
	disco-hb -a h:1 changes
	wait_for 5 is_state changes active
	"$@"
	run -3 disco-hb -a h:2 -m "x=$(printf '%08000d' 0)" changes
	[[ $output == disco-hb:*'No space left on device' ]]
	run -3 disco-hb -a h:1 fresh
	[[ $output == disco-hb:*'No space left on device' ]]
	# A beat needs no room; whoever asks gets a whole table.
	disco-hb -a h:1 before
	local beat
	beat=$(beat_of before)
	wait_for 10 grep -q 'No space left' "$MASTER_LOG"
	[ "$(disco-ls -H -t -o process,address before changes)" = "before	h:1
changes	h:1" ]
	rm -r "$DISCO_SPOOL/fill"
	disco-hb -a h:2 changes
	disco-hb fresh
	wait_for 10 has address changes h:2
	wait_for 10 is_state fresh active
	is_state before active
	wait_for 10 has lastHb before "$beat" # a beat is in the next table, an event at once
	[ -z "$(ls -A "$DISCO_SPOOL/tmp")" ]
	# Said once, however long it lasted.
	[ "$(grep -c 'table: No space left' "$MASTER_LOG")" -le 1 ]
}

bytes_taken() {
	# To the last block: of what is written through the cache some is held back, but by a tmpfs, which may
	# know no other way.
	dd if=/dev/zero of="$DISCO_SPOOL/fill" oflag=direct bs=1k status=none 2>/dev/null || true
	dd if=/dev/zero of="$DISCO_SPOOL/fill" oflag=append conv=notrunc bs=1k status=none 2>/dev/null || true
}

inodes_taken() {
	local i=0
	mkdir "$DISCO_SPOOL/fill"
	while : 2>/dev/null >"$DISCO_SPOOL/fill/$i"; do i=$((i + 1)); done
}

@test "no inodes: said, nothing lost, well again without a restart" {
	mounted -t tmpfs -o nr_inodes=40,mode=755 tmpfs
	survives inodes_taken
}

@test "no inodes on an ext4: said, nothing lost, well again without a restart" {
	image
	mounted -o loop "$IMAGE"
	survives inodes_taken
}

@test "a full tmpfs: said, nothing lost, well again without a restart" {
	mounted -t tmpfs -o size=128k,mode=755 tmpfs
	survives bytes_taken
}

@test "a full ext4: said, nothing lost, well again without a restart" {
	image
	mounted -o loop "$IMAGE"
	survives bytes_taken
}

@test "what is mounted over the spool, and what comes to light when it is unmounted, is the spool" {
	mounted -t tmpfs -o mode=755 tmpfs
	start_master
	disco-hb -a h:1 before
	wait_for 5 is_state before active
	mount -t tmpfs -o mode=755 tmpfs "$DISCO_SPOOL"
	wait_for 10 grep -q "^before	" "$DISCO_SPOOL/table"
	disco-hb -a h:2 after
	wait_for 10 grep -q "^after	.*	h:2	" "$DISCO_SPOOL/table"
	is_state before inactive
	umount -l "$DISCO_SPOOL"
	disco-hb -a h:3 before
	wait_for 10 grep -q "^before	.*	h:3	" "$DISCO_SPOOL/table"
	is_state before active
	wait_for 5 is_state after inactive
}

@test "a disk that has become read-only is said; with another in its place, or the same again, it goes on" {
	image
	local first=$IMAGE seq
	mounted -o loop "$IMAGE"
	start_master
	disco-hb -a h:1 before
	wait_for 5 is_state before active
	sync -f "$DISCO_SPOOL"
	mount -o remount,abort "$DISCO_SPOOL" 2>/dev/null || true
	run -3 disco-hb -a h:2 before
	[[ $output == disco-hb:*'Read-only file system' ]]
	wait_for 10 grep -q 'Read-only file system' "$MASTER_LOG"
	[ "$(disco-ls -H -t -o address before 2>/dev/null)" = h:1 ]
	# Once, not at each tick.
	local from
	from=$(date +%s%3N)
	ticks_have_passed() { [ $(($(date +%s%3N) - from)) -gt 500 ]; }
	wait_for 5 ticks_have_passed
	[ "$(grep -c 'master.lock: Read-only file system' "$MASTER_LOG")" = 1 ]
	umount -l "$DISCO_SPOOL"
	image another
	mount -o loop "$IMAGE" "$DISCO_SPOOL"
	# By the master, not by readers who find none.
	wait_for 10 test -s "$DISCO_SPOOL/table"
	disco-hb -a h:2 before
	wait_for 10 grep -q "^before	.*	h:2	" "$DISCO_SPOOL/table"
	seq=$(field seq before)
	# The same again, mended, when nobody has it open any more.
	released() { [ -z "$(losetup -n -j "$first")" ]; }
	wait_for 10 released
	e2fsck -fy "$first" >/dev/null 2>&1 || [ $? = 1 ]
	umount -l "$DISCO_SPOOL"
	mount -o loop "$first" "$DISCO_SPOOL"
	seq_is_behind() { [ "$(field seq before)" -gt "$seq" ]; }
	wait_for 10 seq_is_behind
	has address before h:1
	touch "$DISCO_SPOOL/hb/before"
	wait_for 5 has lastHb before "$(beat_of before)"
	disco-hb -a h:3 before
	wait_for 5 has address before h:3
	is_state before active
	kill -0 "$MASTER"
}

# place: programs that another user may run, in $PLACE, first in PATH.
place() {
	[ "$(id -u)" = 0 ] || cannot 'needs root to be two users'
	PLACE=$(mktemp -d /var/tmp/disco-test.XXXXXX)
	cp -r "$DISCO_BUILD/bin" "$PLACE"
	chmod -R go+rX "$PLACE"
	export PATH=$PLACE/bin:$PATH DISCO_SPOOL=$PLACE/spool
}

other() {
	setpriv --reuid=daemon --regid=daemon --clear-groups "$@"
}

# With & only: then $! is the command's own pid, not that of a shell that waits for it.
become_other() {
	exec setpriv --reuid=daemon --regid=daemon --clear-groups "$@"
}

@test "permissions that are taken away and given back" {
	place
	mkdir -m 755 "$DISCO_SPOOL"
	chown daemon "$DISCO_SPOOL"
	MASTER_LOG=$BATS_TEST_TMPDIR/master.log
	become_other disco-master -t 100ms -w 500ms -e 5m >"$BATS_TEST_TMPDIR/out" 2>"$MASTER_LOG" 3>&- 4>&- &
	MASTER=$!
	ends_with_test "$MASTER"
	wait_for 10 grep -q ready "$BATS_TEST_TMPDIR/out"
	other disco-hb -a h:1 p
	wait_for 5 is_state p active
	chmod 000 "$DISCO_SPOOL"
	run -3 other disco-hb -a h:2 p
	[[ $output == disco-hb:*'ermission denied'* ]]
	wait_for 10 grep -q 'Permission denied' "$MASTER_LOG"
	chmod 755 "$DISCO_SPOOL"
	other disco-hb -a h:2 p
	wait_for 10 has address p h:2
	kill -0 "$MASTER"
}

@test "permissions of the spool that are taken from a server and given back" {
	place
	mkdir -m 755 "$DISCO_SPOOL"
	chown daemon "$DISCO_SPOOL"
	become_other disco-master -t 100ms >"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/master.log" 3>&- 4>&- &
	ends_with_test $!
	wait_for 10 grep -q ready "$BATS_TEST_TMPDIR/out"
	become_other disco-serve --listen 127.0.0.1:0 >"$BATS_TEST_TMPDIR/serve.out" 2>"$BATS_TEST_TMPDIR/serve.log" 3>&- 4>&- &
	local server=$!
	ends_with_test "$server"
	wait_for 10 grep -q ready "$BATS_TEST_TMPDIR/serve.out"
	read -r _ URL _ <"$BATS_TEST_TMPDIR/serve.out"
	post() { curl -sS --max-time 20 -w ' %{http_code}' "$URL/v1/heartbeat" -d "process=p&address=$1"; }
	[ "$(post h:1)" = ' 204' ]
	wait_for 5 has address p h:1
	chmod 000 "$DISCO_SPOOL"
	# Not 409, as if somebody had this name.
	[[ $(post h:2) == *'the spool does not let the server write this'*' 403' ]]
	chmod 755 "$DISCO_SPOOL"
	[ "$(post h:2)" = ' 204' ]
	wait_for 10 has address p h:2
	kill -0 "$server"
}

# told NAME: its events, in their order.
told() {
	cat "$DISCO_SPOOL"/events/* | awk -F'\t' -v p="$1" '$5 == p && $3 != "row" { printf "%s ", $3 }'
}

# silent_for NAME SECONDS
silent_for() {
	[ "$(disco-ls -j "$1" | jq '.age | floor')" -ge "$2" ]
}

@test "a sender that was stopped is silent, not dead nor forgotten, and is back at its next beat" {
	start_master -w 300ms -e 600ms -f 1s
	disco-hb -i 100ms p -- sleep 60 3>&- 4>&- &
	local sender=$!
	ends_with_test "$sender"
	disco-hb witness
	wait_for 5 is_state p active
	wait_for 5 is_state witness active
	kill -STOP "$sender"
	wait_for 5 is_state p error
	[[ $(field reason p) == 'silent '* ]]
	# Longer than it takes to forget; somebody who is not there at all is forgotten meanwhile.
	wait_for 10 silent_for p 2
	[[ $(told witness) == *'forgotten ' ]]
	is_state p error
	kill -CONT "$sender"
	wait_for 5 is_state p active
	[ "$(told p)" = 'joined warning error active ' ]
	run ! grep -P '\t(restarted|conflict)\t|closed without' -r "$DISCO_SPOOL/events"
}

@test "a server that was stopped accuses nobody who beats through it, and forgets nobody" {
	# Whoever is in error is to be forgotten at once.
	start_master -w 11s -e 12s -f 12s
	start_serve
	disco-hb -u "$URL" -i 1s remote 3>&- 4>&- &
	ends_with_test $!
	wait_for 5 is_state remote active
	kill -STOP "$SERVE"
	wait_for 30 silent_for remote 14
	[ "$(field state 'disco-serve@*')" = error ]
	is_state remote warning
	kill -CONT "$SERVE"
	wait_for 10 is_state remote active
	[ "$(told remote)" = 'joined warning active ' ]
	run ! grep -P '\tforgotten\t' -r "$DISCO_SPOOL/events"
}

@test "a master that was stopped for longer than all forget accuses no one who lives, and misses no death" {
	# Forgotten soon after the error: sooner than silence is judged again.
	start_master -w 2s -e 3s -f 3200ms
	disco-hb -i 100ms lives 3>&- 4>&- &
	ends_with_test $!
	disco-hb -i 100ms dies 3>&- 4>&- &
	local dies=$! stopped
	ends_with_test "$dies"
	disco-hb leaves
	disco-hb touches
	wait_for 5 is_state lives active
	wait_for 5 is_state dies active
	wait_for 5 has held dies locked
	wait_for 5 is_state touches active
	kill -STOP "$MASTER"
	stopped=$(date +%s%3N)
	kill -9 "$dies"
	disco-hb --leave leaves
	touch "$DISCO_SPOOL/hb/touches"
	past() { [ $(($(date +%s%3N) - stopped)) -gt "$1" ]; }
	wait_for 20 past 4500
	kill -CONT "$MASTER"
	wait_for 10 grep -qP '\tresumed\t' -r "$DISCO_SPOOL/events"
	grep -q 'the master was stopped for' -r "$DISCO_SPOOL/events"
	# All that was told before silence was judged again.
	[ "$(cat "$DISCO_SPOOL"/events/* | sed '/\tpaused\t/,/\tresumed\t/!d' | cut -f 3,5 | tr '\t\n' ' ,')" = \
		'paused *,error dies,inactive leaves,resumed *,' ]
	gone() { [ -z "$(field process touches)$(field process dies)$(field process leaves)" ]; }
	wait_for 20 gone
	is_state lives active
	[ "$(told lives)" = 'joined ' ]
	[ "$(told dies)" = 'joined error forgotten ' ]
	[ "$(told leaves)" = 'joined inactive forgotten ' ]
	[ "$(told touches)" = 'joined error forgotten ' ]
}

# wired OPTION...: a master with these, a server, and "remote", $SENDER, who beats through it from a network
# namespace of its own, $NETNS; the wire is a$$ here and b$$ there.
wired() {
	ip netns add "disco-$$" 2>/dev/null || cannot 'no network namespaces'
	NETNS=disco-$$
	ip link add "a$$" type veth peer name "b$$" netns "$NETNS"
	ip addr add 198.18.77.1/30 dev "a$$"
	ip link set "a$$" up
	ip -n "$NETNS" addr add 198.18.77.2/30 dev "b$$"
	ip -n "$NETNS" link set "b$$" up
	start_master "$@"
	LISTEN=198.18.77.1:0 start_serve --insecure
	ip netns exec "$NETNS" disco-hb -u "$URL" -i 200ms remote 2>"$BATS_TEST_TMPDIR/err" 3>&- 4>&- &
	SENDER=$!
	ends_with_test "$SENDER"
	wait_for 10 is_state remote active
}

@test "a network that is cut: the sender keeps on, and is back when it is mended" {
	wired -w 2s -e 4s
	ip link set "a$$" down
	wait_for 20 is_state remote error
	[[ $(field reason remote) == 'silent '* ]]
	kill -0 "$SENDER"
	ip link set "a$$" up
	wait_for 60 is_state remote active
	kill -0 "$SENDER"
}

@test "a network without a way: the sender keeps on, and is back when there is one" {
	local kind
	wired -w 1s -e 2s
	# One that swallows, and one that says so.
	for kind in blackhole unreachable; do
		ip -n "$NETNS" route add "$kind" 198.18.77.1/32
		wait_for 20 is_state remote error
		[[ $(field reason remote) == 'silent '* ]]
		ip -n "$NETNS" route del "$kind" 198.18.77.1/32
		wait_for 60 is_state remote active
		kill -0 "$SENDER"
	done
}

@test "a network that is slow is not dead" {
	start_master -w 2s -e 4s
	start_serve
	python3 "$BATS_TEST_DIRNAME/slow.py" "${URL##*:}" >"$BATS_TEST_TMPDIR/port" 3>&- 4>&- &
	ends_with_test $!
	wait_for 10 test -s "$BATS_TEST_TMPDIR/port"
	disco-hb -u "http://127.0.0.1:$(cat "$BATS_TEST_TMPDIR/port")" -i 200ms remote 3>&- 4>&- &
	ends_with_test $!
	counted() { [ "$(disco-ls -j remote | jq .counter)" -ge 8 ]; }
	wait_for 30 counted
	[ "$(told remote)" = 'joined ' ]
}

@test "without a watch to be had the master says what to raise" {
	unshare -Ur true 2>/dev/null || cannot 'no user namespaces'
	# shellcheck disable=SC2016
	local without='echo 0 >/proc/sys/user/max_inotify_watches && exec disco-master "$@"'
	run -3 unshare -Ur sh -c "$without" - -t 100ms
	[[ $output == *'no inotify watches left; raise fs.inotify.max_user_watches' ]]
}

@test "whatever a foreign program has written of a heartbeat, its row is the old one or says what is there" {
	start_master
	python3 "$BATS_TEST_DIRNAME/halves.py" "$DISCO_SPOOL" "$MASTER_LOG"
}

@test "a master that has no watches for its spool made anew says so, and recovers" {
	unshare -Ur true 2>/dev/null || cannot 'no user namespaces'
	MASTER_LOG=$BATS_TEST_TMPDIR/master.log
	# In a user namespace of its own, where a file says how many there are.
	# shellcheck disable=SC2016
	unshare -Ur sh -c 'disco-master -t 100ms >"$1/out" & trap "kill $!; wait; exit" TERM
		while sleep 0.02; do read -r most <"$1/most" && echo "$most" >/proc/sys/user/max_inotify_watches && echo "$most" >"$1/set"; done' \
		- "$BATS_TEST_TMPDIR" 2>"$MASTER_LOG" 3>&- 4>&- &
	ends_with_test $!
	watches() {
		echo "$1" >"$BATS_TEST_TMPDIR/next"
		mv "$BATS_TEST_TMPDIR/next" "$BATS_TEST_TMPDIR/most"
		wait_for 5 grep -qx "$1" "$BATS_TEST_TMPDIR/set"
	}
	: >"$BATS_TEST_TMPDIR/set"
	watches 100
	wait_for 10 grep -q ready "$BATS_TEST_TMPDIR/out"
	disco-hb before
	wait_for 5 is_state before active
	watches 0
	rm -r "$DISCO_SPOOL" || true # the master may be quicker
	said() { grep -q "can't be made anew yet: .*no inotify watches left; raise fs.inotify.max_user_watches" "$MASTER_LOG"; }
	wait_for 10 said || {
		cat "$MASTER_LOG"
		return 1
	}
	disco-hb -a h:1 meanwhile
	watches 100
	wait_for 10 grep -q 'made anew$' "$MASTER_LOG"
	wait_for 5 grep -q '^meanwhile	' "$DISCO_SPOOL/table"
	disco-hb -a h:2 meanwhile
	wait_for 5 has address meanwhile h:2
	is_state before inactive
	[ "$(grep -c 'no inotify watches' "$MASTER_LOG")" = 1 ]
}

@test "descriptors that are out for long: said once, the others beat on, and well again without a restart" {
	start_master -w 1s -e 2s
	disco-hb -i 100ms before 3>&- 4>&- &
	ends_with_test $!
	wait_for 5 has held before locked
	local holder=$! first=1024 fd from
	# The first that is free whenever no table is being written.
	for _ in {1..50}; do
		for ((fd = 0; fd < first; fd++)); do
			[ -e "/proc/$MASTER/fd/$fd" ] || first=$fd
		done
	done
	prlimit --pid "$MASTER" --nofile="$first:1024"
	mkdir "$BATS_TEST_TMPDIR/new"
	for i in {1..200}; do printf 'address=h:%d\n' "$i" >"$BATS_TEST_TMPDIR/new/n$i"; done
	mv "$BATS_TEST_TMPDIR"/new/n* "$DISCO_SPOOL/hb"
	wait_for 10 grep -q 'hb/n.*: Too many open files' "$MASTER_LOG"
	# For longer than silence is borne: nobody is accused, though no table can be written either.
	from=$(date +%s%3N)
	time_has_passed() { [ $(($(date +%s%3N) - from)) -gt 2500 ]; }
	wait_for 10 time_has_passed
	[ "$(told before)" = 'joined ' ]
	[ "$(grep -c 'hb/.*: Too many open files' "$MASTER_LOG")" = 1 ]
	[ "$(grep -c 'Too many open files' "$MASTER_LOG")" -le 2 ]
	[ -z "$(told n1)" ]
	prlimit --pid "$MASTER" --nofile=1024:1024
	all_in() { [ "$(grep -c '^n[0-9].*	h:' "$DISCO_SPOOL/table")" = 200 ]; }
	wait_for 10 all_in
	[ "$(told before)" = 'joined ' ]
	# And a death is still seen at once.
	kill -9 "$holder"
	wait_for 5 is_state before error
}

@test "of two masters that start at the same instant one wins" {
	DISCO_BUILD=$DISCO_BUILD python3 "$BATS_TEST_DIRNAME/race.py" 40
}

@test "what another user does to the spool harms nobody" {
	place
	start_master -t 1s -w 1s -e 2s
	chmod 755 "$DISCO_SPOOL"
	disco-hb -i 200ms -a h:1 mine 3>&- 4>&- &
	ends_with_test $!
	wait_for 5 is_state mine active
	run -3 other disco-hb -a evil:1 mine
	[ "$output" = 'disco-hb: mine: this heartbeat belongs to user root' ]
	run -3 other disco-hb --leave mine
	run ! other rm -f "$DISCO_SPOOL/hb/mine"
	run ! other mv "$DISCO_SPOOL/hb/mine" "$DISCO_SPOOL/hb/gone"
	run ! other sh -c 'echo state=error >"$1"' - "$DISCO_SPOOL/hb/mine"
	# A beat is in the table at the next tick, now perhaps at the one after, by which such a table is
	# being written; and that takes its time on a busy machine.
	python3 "$BATS_TEST_DIRNAME/delay.py" 4000 "$BATS_TEST_TMPDIR/flooded" >"$BATS_TEST_TMPDIR/delays" 3>&- &
	local delays=$!
	ends_with_test "$delays"
	wait_for 5 grep -q begun "$BATS_TEST_TMPDIR/delays"
	other env PATH=/usr/bin:/bin python3 - "$DISCO_SPOOL/hb" <<-'END'
		import fcntl, os, signal, sys, time
		os.chdir(sys.argv[1])
		os.symlink("/etc/passwd", "link")
		os.symlink("mine", "link2")
		os.mkfifo("fifo")
		os.mkdir("folder")
		for i in range(100000):
		    open("n%d" % i, "w").close()
		open("x" * 128, "w").close()
		open("y" * 129, "w").close()
		open("-z", "w").close()
		open("bad", "w").write("address\n")
		# A lease keeps others from opening it at once.
		open("leased", "w").close()
		lease = os.open("leased", os.O_WRONLY)
		fcntl.fcntl(lease, fcntl.F_SETLEASE, fcntl.F_WRLCK)
		signal.signal(signal.SIGIO, signal.SIG_IGN)
		open("large", "w").write("#" * 20000)
		try:
		    os.link("mine", "hard")
		except PermissionError: # fs.protected_hardlinks
		    os.link("bad", "hard")
		# Until the leased one was refused too.
		until = time.monotonic() + 60
		while " refused=10 " not in open("../table").readline().replace("\n", " ") and time.monotonic() < until:
		    time.sleep(0.05)
	END
	# All that may have a row: these, the two that beat, x, and the leased one when nobody leases it any more.
	header() { sed -n '1s/$/ /p' "$DISCO_SPOOL/table" | grep -q " $1 "; }
	wait_for 60 header rows=100004
	: >"$BATS_TEST_TMPDIR/flooded"
	wait "$delays" || {
		cat "$BATS_TEST_TMPDIR/delays"
		return 1
	}
	[ -n "$(field state "$(printf 'x%.0s' {1..128})")" ]
	[ -n "$(field state leased)" ]
	# Of names that none may have only the first is told.
	for name in link link2 fifo folder bad hard large leased "$(printf 'y%.0s' {1..129})"; do
		[ "$(grep -c "hb/$name: .*; ignored" "$MASTER_LOG")" = 1 ]
	done
	for name in link link2 fifo folder bad hard large; do
		[ -z "$(field state "$name")" ]
	done
	# These, and the names y and -z.
	wait_for 5 header refused=9
	# Its beats were seen all the while.
	run ! grep -P '\t(warning|error)\t[a-z]*\tmine\t' -r "$DISCO_SPOOL/events"
	has address mine h:1
}

@test "touches that come faster than they can be looked at hide no death, and stop no tick" {
	start_master -w 1m -e 2m
	disco-hb -i 1h held 3>&- 4>&- &
	local holder=$! load=$DISCO_BUILD/tests/bench/load trace=$BATS_TEST_TMPDIR/trace
	wait_for 5 is_state held active
	"$load" make "$DISCO_SPOOL/hb" 1001
	wait_for 10 is_state app_0000999 active
	# Who is traced is slow, so the queue of beats is hardly ever empty.
	strace -qq -o "$trace" -p "$MASTER" 3>&- 4>&- &
	ends_with_test $!
	wait_for 5 grep -q 'TracerPid:	[1-9]' "/proc/$MASTER/status"
	for _ in 1 2; do
		"$load" touch "$DISCO_SPOOL/hb" 1001 0 120 >"$BATS_TEST_TMPDIR/load" 3>&- 4>&- &
		ends_with_test $!
	done
	reads() { [ "$(grep -c '^read(.* = 65[0-9]*$' "$trace")" -gt 60 ]; }
	wait_for 60 reads
	kill -9 "$holder"
	wait_for 10 is_state held error
	# It looks at no more at a time than was there when it asked: an event of these names has 32 bytes.
	awk -v most="$(($(</proc/sys/fs/inotify/max_queued_events) * 32 / 65536 + 2))" '
		/^ppoll|FIONREAD/ { reads = 0 }
		/^read\(.* = 65[0-9]*$/ && ++reads > most { print "more than " most; exit 1 }' "$trace"
}
