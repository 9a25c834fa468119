#!/usr/bin/env bats
# disco-master: what its readers see of what its senders did.

load helper

hb() {
	printf '%s/hb/%s' "$DISCO_SPOOL" "$1"
}

events_of() {
	cat "$DISCO_SPOOL"/events/* | awk -F'\t' -v p="$1" '$5 == p && $3 != "row" && $3 != "sync" { print $3 }'
}

has_event() {
	events_of "$1" | grep -qx "$2"
}

no_row() {
	[ -z "$(field process "$1")" ]
}

# When its file last beat, as the table says it.
ctime_of() {
	date -u -d "@$(stat -c %.9Z "$(hb "$1")")" +%FT%T.%3NZ
}

seq_now() {
	sed -n '1s/.* seq=\([0-9]*\) .*/\1/p' "$DISCO_SPOOL/table"
}

refused_is() {
	grep -q "^#disco-table.* refused=$1\( \|\$\)" "$DISCO_SPOOL/table"
}

# A process that holds its heartbeat until it is killed; its pid is $HOLDER.
hold() {
	disco-hb -i 200ms "$@" 3>&- &
	HOLDER=$!
	ends_with_test "$HOLDER"
}

@test "ready comes when everything that was there is in the table" {
	mkdir -p "$DISCO_SPOOL/hb"
	for i in $(seq 500); do printf 'service=s\n' >"$(hb "p$i")"; done
	start_master
	[ "$(grep -c '^p' "$DISCO_SPOOL/table")" = 501 ] # and the line of column names
}

@test "of many files, some of them odd, the first look makes the same rows as one after the other" {
	mkdir -p "$DISCO_SPOOL/hb" "$DISCO_SPOOL/tmp"
	disco-hb -i 1h -a h:1 held 3>&- 4>&- &
	ends_with_test $!
	wait_for 5 test -e "$DISCO_SPOOL/hb/held"
	python3 - "$DISCO_SPOOL/hb" <<-'END'
		import os, sys
		os.chdir(sys.argv[1])
		def put(name, text):
		    with open(name, "w") as f:
		        f.write(text)
		for i in range(1200):
		    put("p%04d" % i, "" if i % 7 == 0 else "service=s%d\naddress=h:%d\nmeta.n=%d\n" % (i % 9, i, i))
		for i in range(0, 1200, 100):
		    put("bad%d" % i, "no line\n")
		    put("long%d" % i, "service=long\n" + "".join("meta.k%d=%s\n" % (n, "x" * 50) for n in range(40)))
		    put("larger%d" % i, "#" * 20000)
		    put("free%d" % i, "held=yes\naddress=h:2\n")
		    put("aa_via%d" % i, "via=gateway\ntoken=t\n")
		    put("says%d" % i, "state=warning\nreason=so\n")
		    os.symlink("p0001", "link%d" % i)
		    os.mkfifo("fifo%d" % i)
		put("gateway", "service=gateway\n")
	END
	rows() { disco-ls -H -t -o process,service,address,state,reason,held,via,user,meta; }
	rows 2>/dev/null >"$BATS_TEST_TMPDIR/by_files"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/by_files")" -gt 1200 ]
	start_master
	rows | diff "$BATS_TEST_TMPDIR/by_files" -
	[ "$(field held held)" = locked ]
	# And again with rows that are there already.
	stop_master -KILL
	start_master
	rows | diff "$BATS_TEST_TMPDIR/by_files" -
}

@test "one master per spool: the second names the first one's pid" {
	start_master
	run -3 disco-master
	[[ $output == *"a master runs already, pid $MASTER"* ]]
}

@test "a lock that a mere reader holds keeps no master from starting" {
	mkdir "$DISCO_SPOOL"
	: >"$DISCO_SPOOL/master.lock"
	python3 -c 'import fcntl, sys, time
f = open(sys.argv[1])
fcntl.lockf(f, fcntl.LOCK_SH)
print("locked", flush=True)
time.sleep(60)' "$DISCO_SPOOL/master.lock" >"$BATS_TEST_TMPDIR/reader" 3>&- &
	ends_with_test $!
	wait_for 5 grep -q locked "$BATS_TEST_TMPDIR/reader"
	start_master
	run -3 disco-master
	[[ $output == *"a master runs already, pid $MASTER"* ]]
}

@test "wrong options are refused with 2 and a word on what is right" {
	run -2 disco-master -w soon
	[[ $output == "disco-master: -w soon: not a duration"* ]]
	run -2 disco-master -w 90s -e 30s
	run -2 disco-master --segments 1
	run -2 disco-master nonsense
	[[ $output == usage:* ]]
}

@test "a folder that can't be made is 3 and named" {
	DISCO_SPOOL=/proc/nowhere run -3 disco-master
	[[ $output == *"/proc/nowhere"* ]]
}

@test "touch alone joins and beats" {
	start_master
	touch "$(hb bare)"
	wait_for 5 is_state bare active
	touch "$(hb bare)"
	wait_for 5 has counter bare 2
	has service bare bare
}

@test "what the shell writes in place is taken whole, and truncating it is no news until it is closed" {
	start_master
	printf 'service=rdb\naddress=h:1\n' >"$(hb shell)"
	wait_for 5 has address shell h:1
	[ "$(events_of shell)" = joined ]
	exec 7>"$(hb shell)"
	wait_for 5 has counter shell 2
	has address shell h:1
	printf 'service=rdb\naddress=h:2\n' >&7
	exec 7>&-
	wait_for 5 has address shell h:2
	: >"$(hb shell)"
	wait_for 5 has address shell ''
}

@test "a half-written line keeps what is known and is told of once, when closed" {
	start_master
	printf 'address=h:1\n' >"$(hb half)"
	wait_for 5 has address half h:1
	printf 'address=h:' >"$(hb half)"
	wait_for 5 grep -q 'hb/half: ' "$MASTER_LOG"
	has address half h:1
	touch "$(hb half)"
	wait_for 5 has lastHb half "$(ctime_of half)"
	[ "$(grep -c 'hb/half: ' "$MASTER_LOG")" = 1 ]
	wait_for 5 refused_is 1
	printf 'address=h:3\n' >"$(hb half)"
	wait_for 5 has address half h:3
}

@test "what is no heartbeat is ignored, said once and counted; the rest goes on" {
	start_master
	ln -s /etc/passwd "$(hb link)"
	mkfifo "$(hb fifo)"
	mkdir "$(hb dir)"
	: >"$BATS_TEST_TMPDIR/one" && ln "$BATS_TEST_TMPDIR/one" "$(hb hard)"
	# Whole at once: an empty file would be a heartbeat.
	bad() { cat >"$BATS_TEST_TMPDIR/bad" && mv "$BATS_TEST_TMPDIR/bad" "$(hb "$1")"; }
	head -c 100000 /dev/zero | tr '\0' a | bad huge
	head -c 300 /dev/urandom | bad binary
	printf 'service=a\nservice=b\n' | bad twice
	printf 'service=\377\n' | bad utf8
	printf 'nonsense\n' | bad noequals
	printf 'pid=-1\n' | bad pid
	: >"$DISCO_SPOOL/hb/.hidden"
	: >"$DISCO_SPOOL/hb/white space"
	disco-hb good
	wait_for 5 is_state good active
	wait_for 5 refused_is 12
	for name in link fifo dir hard huge binary twice utf8 noequals pid; do
		[ "$(grep -c "hb/$name: .*; ignored" "$MASTER_LOG")" = 1 ]
		no_row "$name"
	done
	rm "$(hb link)" "$(hb fifo)" "$DISCO_SPOOL/hb/.hidden"
	wait_for 5 refused_is 9
}

@test "silence is warning, then error, then forgotten, with its file" {
	# Each state lasts long enough to be looked at.
	start_master -w 300ms -e 3s -f 6s
	disco-hb quiet
	wait_for 10 is_state quiet warning
	has reason quiet 'silent 300 ms'
	wait_for 10 is_state quiet error
	has reason quiet 'silent 3 s'
	wait_for 10 no_row quiet
	[ ! -e "$(hb quiet)" ]
	[ "$(events_of quiet | tr '\n' ' ')" = 'joined warning error forgotten ' ]
}

@test "a beat ends silence" {
	start_master -w 300ms -e 60s
	disco-hb back
	wait_for 10 is_state back warning
	touch "$(hb back)"
	wait_for 5 is_state back active
	has reason back ''
}

@test "thresholds in the heartbeat beat the master's" {
	start_master
	disco-hb -w 45s -e 5m -f 7d mine
	disco-hb -e 26h nightly
	disco-hb -w 45s partly
	wait_for 5 is_state partly active
	[ "$(field warnAfter,errorAfter,forgetAfter mine)" = $'45\t300\t604800' ]
	[ "$(field warnAfter,errorAfter,forgetAfter nightly)" = $'93600\t93600\t655200' ]
	[ "$(field warnAfter,errorAfter,forgetAfter partly)" = $'45\t135\t945' ]
}

@test "kill -9 of a holder is an error at once" {
	start_master
	hold victim
	wait_for 5 has held victim locked
	kill -9 "$HOLDER"
	wait_for 5 is_state victim error
	has reason victim 'closed without leaving'
	counter=$(field counter victim)
	touch "$(hb victim)" # a touch does not raise the dead
	wait_for 5 has counter victim $((counter + 1))
	is_state victim error
	disco-hb victim
	wait_for 5 is_state victim active
}

@test "a holder that dies while no master runs is found dead by the next" {
	start_master
	hold victim
	wait_for 5 has held victim locked
	stop_master -KILL
	kill -9 "$HOLDER"
	wait "$HOLDER" || true
	start_master
	is_state victim error
	has reason victim 'closed without leaving'
}

@test "who was reported about while no master runs is not taken for dead by the next" {
	start_master
	disco-hb -i 1h p 3>&- 4>&- &
	ends_with_test $!
	wait_for 5 has held p locked
	stop_master
	disco-hb --state warning --reason so p
	start_master
	has reason p so
	is_state p warning
}

@test "leaving is inactive, also when the file is then removed; removing alone is, too" {
	start_master
	disco-hb leaver
	disco-hb other
	wait_for 5 is_state other active
	disco-hb --leave leaver
	wait_for 5 is_state leaver inactive
	has reason leaver left
	rm "$(hb leaver)" "$(hb other)"
	wait_for 5 is_state other inactive
	has reason other removed
	has reason leaver left
	disco-hb other
	wait_for 5 is_state other active
}

@test "the sender's own word stands: state and reason" {
	start_master
	disco-hb --state warning --reason 'disk 91 %' me
	wait_for 5 is_state me warning
	has reason me 'disk 91 %'
	disco-hb --exit 3 me
	wait_for 5 is_state me error
	has reason me 'exit status 3'
	disco-hb me
	wait_for 5 is_state me active
}

@test "a restart is told as one, and counts anew" {
	start_master
	printf 'boot=b\nstart=1\npid=10\n' >"$(hb again)"
	wait_for 5 has pid again 10
	touch "$(hb again)"
	wait_for 5 has counter again 2
	printf 'boot=b\nstart=2\npid=11\n' >"$(hb again)"
	wait_for 5 has pid again 11
	has counter again 1
	events_of again
	[ "$(events_of again | tr '\n' ' ')" = 'joined restarted ' ]
}

@test "two that beat under one name are a conflict until one has been silent" {
	start_master -w 600ms -e 1200ms
	hold fought
	local first=$HOLDER
	wait_for 5 has pid fought "$first"
	hold fought
	wait_for 5 is_state fought warning
	[[ $(field reason fought) == "conflict: pid "*" and pid "* ]]
	[[ $(field reason fought) == *"$first"* && $(field reason fought) == *"$HOLDER"* ]]
	kill -9 "$first"
	wait_for 10 is_state fought active
	has pid fought "$HOLDER"
}

@test "when most fall silent at once the master doubts itself, once" {
	start_master -w 800ms -e 60s
	for i in 1 2 3 4 5 6; do disco-hb "p$i"; done
	wait_for 5 is_state p6 active
	for i in 1 2 3 4 5 6; do touch "$(hb "p$i")"; done
	wait_for 5 has counter p6 2
	wait_for 10 has_event '*' paused
	is_state p1 active
	wait_for 10 has_event '*' resumed
	wait_for 10 is_state p1 warning
	[ "$(events_of '*' | tr '\n' ' ')" = 'paused resumed ' ]
}

@test "a row whose gateway is unwell goes no further than warning" {
	start_master -w 400ms -e 800ms -f 1h
	hold gateway
	wait_for 5 is_state gateway active
	printf 'via=gateway\ntoken=alice\n' >"$(hb remote)"
	wait_for 5 has via remote gateway
	has user remote alice
	kill -9 "$HOLDER"
	wait_for 5 is_state gateway error
	disco-hb -f 1h witness
	wait_for 10 is_state witness error
	is_state remote warning
}

@test "via and token of somebody who is not the gateway's owner do not count" {
	[ "$(id -u)" = 0 ] || cannot 'needs root to be two users'
	start_master
	disco-hb gateway
	printf 'via=gateway\ntoken=alice\n' >"$(hb liar)"
	chown daemon "$(hb liar)"
	touch "$(hb liar)"
	printf 'via=gateway\ntoken=alice\nversion=2\n' >"$(hb liar)"
	wait_for 5 has version liar 2
	has via liar ''
	has user liar daemon
}

@test "counters, since and states survive kill -9 of the master, and seq never goes back" {
	start_master
	disco-hb keeper
	wait_for 5 is_state keeper active
	disco-hb --leave keeper
	wait_for 5 is_state keeper inactive
	hold holder
	wait_for 5 has counter holder 3
	local since seq
	since=$(field since keeper) seq=$(seq_now)
	for i in 1 2 3 4 5; do
		stop_master -KILL
		start_master
		[ "$(seq_now)" -ge "$seq" ]
		seq=$(seq_now)
		has since keeper "$since"
		is_state keeper inactive
		[ "$(field counter holder)" -ge 3 ]
	done
	[ "$(events_of keeper | tr '\n' ' ')" = 'joined inactive ' ]
}

@test "beats and files that came while no master ran are taken up" {
	start_master
	disco-hb stays
	disco-hb goes
	wait_for 5 is_state goes active
	stop_master -KILL
	touch "$(hb stays)"
	rm "$(hb goes)"
	disco-hb comes
	start_master
	has counter stays 2
	is_state goes inactive
	has reason goes removed
	is_state comes active
}

@test "a torn last line of the log is cut off and the log goes on" {
	start_master
	disco-hb one
	wait_for 5 has_event one joined
	stop_master -KILL
	printf '123\t2026' >>"$(ls "$DISCO_SPOOL"/events/*)"
	start_master
	disco-hb two
	wait_for 5 has_event two joined
	run ! grep -q '^123' "$DISCO_SPOOL"/events/*
}

@test "the log rotates, keeps what it is told to, and every segment can be read alone" {
	start_master --segment-size 2K --segments 3 --log-size 1
	for i in $(seq 60); do
		disco-hb --state warning --reason "round $i" noisy
		wait_for 5 has reason noisy "round $i"
	done
	stop_master
	[ "$(find "$DISCO_SPOOL/events" -type f | wc -l)" -le 3 ]
	[ "$(find "$DISCO_SPOOL/events" -type f | wc -l)" -ge 2 ]
	for segment in "$DISCO_SPOOL"/events/*; do
		awk -F'\t' -v name="$(basename "$segment")" '
			NR == 1 { if ($0 !~ /^#disco-events 1 seq=/) exit 1; next }
			NR == 2 { if ($1 != "seq") exit 1; next }
			!synced { if ($1 + 0 != name + 0) exit 1 }
			$3 == "sync" { synced = 1; last = $1; next }
			synced { if ($1 != last + 1) exit 1; last = $1 }
			END { if (!synced) exit 1 }' "$segment"
	done
}

@test "--state brings back what was down before a reboot took the spool" {
	local state=$BATS_TEST_TMPDIR/state
	start_master --state "$state"
	disco-hb -a h:1 down
	disco-hb --exit 3 down
	hold alive
	wait_for 5 is_state down error
	local seq
	seq=$(seq_now)
	stop_master
	kill -9 "$HOLDER"
	# The reboot: tmpfs is empty, and the boot id another.
	rm -r "$DISCO_SPOOL"
	sed -i '1s/boot=[^ ]*/boot=another/' "$state/table"
	start_master --state "$state"
	is_state down error
	has reason down 'exit status 3'
	[ -n "$(field process alive)" ]
	run ! has reason alive removed
	[ "$(seq_now)" -ge "$seq" ]
}

@test "--state: a folder that fails is said and does not stop the master" {
	[ "$(id -u)" = 0 ] || cannot 'needs root to mount a small disk'
	local state=$BATS_TEST_TMPDIR/state
	mkdir "$state"
	mount -t tmpfs -o size=4k tmpfs "$state" || cannot 'no mount here'
	start_master --state "$state"
	for i in 1 2 3; do disco-hb "p$i"; done
	wait_for 5 is_state p3 active
	wait_for 5 grep -q "$state" "$MASTER_LOG"
	stop_master
	umount "$state"
}

@test "a queue that overflowed while the master was stopped is made good by a scan" {
	# A stop that is short beside the tick is no absence, after which it would scan in any case.
	start_master -t 3s
	disco-hb a
	wait_for 5 is_state a active
	kill -STOP "$MASTER"
	# Whoever watches the same, and reads as late, is told when the queue holds no more.
	python3 - "$DISCO_SPOOL/hb" <<-'PY'
		import ctypes, os, struct, sys
		IN_CLOSE_WRITE, IN_ATTRIB, IN_Q_OVERFLOW = 0x8, 0x4, 0x4000
		libc = ctypes.CDLL(None)
		def watch(mask):
		    fd = libc.inotify_init1(os.O_NONBLOCK)
		    assert libc.inotify_add_watch(fd, sys.argv[1].encode(), mask) > 0
		    return fd
		def overflowed(fd):
		    while True:
		        events, at = os.read(fd, 1 << 20), 0
		        while at < len(events):
		            _, mask, _, length = struct.unpack_from("iIII", events, at)
		            if mask & IN_Q_OVERFLOW:
		                return True
		            at += 16 + length
		queues = [watch(IN_CLOSE_WRITE), watch(IN_ATTRIB)]
		most = int(open("/proc/sys/fs/inotify/max_queued_events").read())
		for i in range(most // 2 + 100):
		    for p in ("x", "y"): # the same event twice running is one
		        f = f"{sys.argv[1]}/{p}"
		        open(f, "a").close()
		        os.utime(f)
		open(f"{sys.argv[1]}/late", "w").write("address=h:9\n")
		os.unlink(f"{sys.argv[1]}/a")
		assert all(overflowed(fd) for fd in queues)
	PY
	kill -CONT "$MASTER"
	wait_for 10 has address late h:9
	wait_for 5 is_state x active
	wait_for 5 is_state a inactive
	run ! has_event '*' paused
}

@test "content that was moved in is read, though it lies in the inode that was there before" {
	start_master
	printf 'version=1\n' >"$DISCO_SPOOL/tmp/x"
	printf 'version=2\n' >"$DISCO_SPOOL/tmp/y"
	mv "$DISCO_SPOOL/tmp/x" "$(hb swapped)"
	wait_for 5 has version swapped 1
	kill -STOP "$MASTER"
	# Out, written to, and in again, all before the master looks.
	mv "$(hb swapped)" "$DISCO_SPOOL/tmp/x"
	mv "$DISCO_SPOOL/tmp/y" "$(hb swapped)"
	printf 'version=3\n' >"$DISCO_SPOOL/tmp/x"
	mv "$DISCO_SPOOL/tmp/x" "$(hb swapped)"
	kill -CONT "$MASTER"
	wait_for 5 has version swapped 3
}

@test "a heartbeat that no row can hold is refused and stops nobody" {
	mkdir -p "$DISCO_SPOOL/hb"
	python3 -c 'print("meta.a=" + "\\" * 16370)' >"$(hb huge)"
	disco-hb other
	start_master
	is_state other active
	wait_for 5 grep -q 'hb/huge: more than a row can hold; ignored' "$MASTER_LOG"
	no_row huge
}

@test "--state: who writes the copy may die, and is begun again" {
	start_master --state "$BATS_TEST_TMPDIR/state"
	disco-hb one
	wait_for 5 is_state one active
	kill -9 "$(pgrep -P "$MASTER")"
	disco-hb two
	wait_for 5 is_state two active
	disco-hb three
	wait_for 5 grep -q '^three	' "$BATS_TEST_TMPDIR/state/table"
}

@test "--state: half an event of a master that died does not stay in the copy" {
	local state=$BATS_TEST_TMPDIR/state segment
	start_master --state "$state"
	disco-hb one
	wait_for 5 is_state one active
	kill -STOP "$MASTER"
	segment=$(basename "$DISCO_SPOOL"/events/*)
	printf '12345\t2026-12-01T00:00:00.000Z\tjoi' >>"$DISCO_SPOOL/events/$segment"
	stop_master -KILL
	wait_for 5 cmp "$DISCO_SPOOL/events/$segment" "$state/events/$segment"
	start_master --state "$state"
	disco-hb two
	wait_for 5 is_state two active
	stop_master
	cmp "$DISCO_SPOOL/events/$segment" "$state/events/$segment"
}

@test "a master that was stopped judges nobody for a warning period" {
	start_master -w 1500ms -e 3s
	hold patient
	wait_for 5 is_state patient active
	kill -STOP "$MASTER" "$HOLDER"
	# Longer than every threshold, without waiting: the clock of the stopped runs on below.
	sleep_until_silent() { [ $(($(date +%s%3N) - $(date -d "$(field lastHb patient)" +%s%3N))) -gt 3500 ]; }
	wait_for 20 sleep_until_silent
	kill -CONT "$MASTER"
	wait_for 5 has_event '*' paused
	kill -CONT "$HOLDER"
	wait_for 10 has_event '*' resumed
	is_state patient active
	[ "$(events_of patient)" = joined ]
}

# A master whose clocks are what the file $CLOCK says: seconds ahead, for the time of day and for sleep.
start_shifted_master() {
	CLOCK=$BATS_TEST_TMPDIR/clock
	echo 0 0 >"$CLOCK"
	ASAN_OPTIONS=verify_asan_link_order=0 LD_PRELOAD=$DISCO_BUILD/tests/clock.so \
		DISCO_CLOCK_FILE=$CLOCK disco-master -t 100ms "$@" >"$BATS_TEST_TMPDIR/out" 2>&1 3>&- &
	ends_with_test $!
	wait_for 5 grep -q ready "$BATS_TEST_TMPDIR/out"
}

# The table's own time, in seconds.
table_time() {
	date -d "$(sed -n '1s/.* time=\([^ ]*\).*/\1/p' "$DISCO_SPOOL/table")" +%s
}

# table_is_ahead SECONDS: give or take a minute.
table_is_ahead() {
	local off=$(($(table_time) - $(date +%s) - $1))
	((off > -60 && off < 60))
}

# table_is_past TIME
table_is_past() {
	[ "$(table_time)" -gt "$1" ]
}

# shift_clock SECONDS: so far ahead of ours.
shift_clock() {
	echo "$1" 0 >"$CLOCK.new"
	mv "$CLOCK.new" "$CLOCK"
	wait_for 5 table_is_ahead "$1"
}

# A holder that has joined, when the grace of the start is over: somebody else is judged.
hold_steady() {
	hold steady
	wait_for 5 has_event steady joined
	disco-hb -w 300ms silent
	wait_for 10 has_event silent warning
}

# judge NAME: a whole round of judging.
judge() {
	disco-hb -w 200ms -e 1h "$1"
	wait_for 5 has_event "$1" warning
	touch "$(hb "$1")"
	rm "$(hb "$1")"
}

@test "steps of the clock accuse nobody: a second, an hour, a day" {
	start_shifted_master -w 1s -e 2s
	hold_steady
	local shift
	for shift in 1 0 -1 0 3600 0 -3600 0 86400 0 -86400 0; do
		shift_clock "$shift"
		judge "after$shift"
	done
	[ "$(events_of steady)" = joined ]
}

@test "a clock that runs over midnight, and over both changes of summer time, accuses nobody" {
	export TZ=America/New_York
	start_shifted_master -w 1s -e 2s
	hold_steady
	local at midnight
	midnight=$(date -d '2027-01-15 00:00' +%s)
	# The local one, that of UTC, to winter and to summer.
	for at in "$midnight" "$(TZ=UTC date -d '2027-01-15 00:00' +%s)" \
		"$(date -d '2026-11-01 01:00 EST' +%s)" "$(date -d '2027-03-14 03:00 EDT' +%s)"; do
		# It may take a moment until the master sees it; the loop sees that it was in time.
		for _ in 1 2 3; do
			shift_clock $((at - 2 - $(date +%s)))
			table_is_past $((at - 1)) || break
		done
		run ! table_is_past $((at - 1))
		wait_for 10 table_is_past "$at"
		judge "after$at"
	done
	[ "$(events_of steady)" = joined ]
}

@test "a machine that slept: all are looked at, and nobody is judged for a warning period" {
	start_shifted_master -w 2s -e 4s
	hold sleeper
	# Nobody is told of what is written through memory: only a look finds it.
	python3 - "$DISCO_SPOOL/hb" 3>&- <<-'END' &
		import mmap, os, signal, sys
		os.chdir(sys.argv[1])
		signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
		with open("unseen", "w+") as f:
		    f.write("address=h:1\n")
		    f.flush()
		    memory = mmap.mmap(f.fileno(), 0)
		signal.sigwait({signal.SIGUSR1})
		memory[10:11] = b"2"
		signal.pause()
	END
	local writer=$!
	ends_with_test "$writer"
	wait_for 5 has_event sleeper joined
	wait_for 5 has address unseen h:1
	slept() { grep -q 'this machine slept for 3600 s' "$DISCO_SPOOL"/events/*; }
	silent_for() { [ $(($(date +%s%3N) - $(date -d "$(field lastHb sleeper)" +%s%3N))) -gt "$1" ]; }
	# The grace of the start is over when somebody else is judged.
	disco-hb -w 300ms judged
	wait_for 10 has_event judged warning
	kill -STOP "$HOLDER"
	wait_for 10 silent_for 1000
	kill -USR1 "$writer"
	has address unseen h:1
	echo 3600 3600 >"$CLOCK.new"
	mv "$CLOCK.new" "$CLOCK"
	wait_for 5 slept
	wait_for 5 has address unseen h:2
	wait_for 5 silent_for 2200
	is_state sleeper active
	run ! has_event '*' resumed
	kill -CONT "$HOLDER"
	wait_for 10 has_event '*' resumed
	# A whole round of judging after that.
	disco-hb -w 200ms witness
	wait_for 10 has_event witness warning
	is_state sleeper active
	[ "$(events_of sleeper)" = joined ]
}

@test "--scan sees all without being told of anything" {
	start_master --scan
	disco-hb -a h:1 seen
	wait_for 5 has address seen h:1
	disco-hb -a h:2 seen
	wait_for 5 has address seen h:2
	rm "$(hb seen)"
	wait_for 5 is_state seen inactive
}

@test "a spool that is removed under it is made anew" {
	start_master
	disco-hb before
	wait_for 5 is_state before active
	rm -r "$DISCO_SPOOL" || true # the master may be quicker
	wait_for 5 test -d "$DISCO_SPOOL/hb"
	disco-hb after
	wait_for 5 is_state after active
	is_state before inactive
}

@test "a spool that is moved away, or whose lock is removed, is made anew" {
	start_master
	disco-hb before
	wait_for 5 is_state before active
	mv "$DISCO_SPOOL" "$DISCO_SPOOL.away"
	wait_for 5 test -d "$DISCO_SPOOL/hb"
	disco-hb after
	wait_for 5 is_state after active
	[ ! -e "$DISCO_SPOOL.away/hb/after" ]
	rm "$DISCO_SPOOL/master.lock"
	wait_for 5 test -e "$DISCO_SPOOL/master.lock"
	run -3 disco-master
	[[ $output == *"a master runs already, pid $MASTER"* ]]
	is_state after active
}

@test "a master that takes its spool up again goes on behind what another one wrote meanwhile" {
	start_master
	disco-hb first
	wait_for 5 is_state first active
	local former=$MASTER seq
	kill -STOP "$former"
	rm "$DISCO_SPOOL/master.lock"
	start_master
	for state in warning error warning active; do
		disco-hb --state "$state" first
		wait_for 5 is_state first "$state"
	done
	stop_master
	seq=$(field seq first)
	kill -CONT "$former"
	wait_for 5 grep -q 'made anew' "$MASTER_LOG"
	disco-hb --state error first
	wait_for 5 is_state first error
	[ "$(field seq first)" -gt "$seq" ]
	seq_is_there() { [ "$(seq_now)" -ge "$(field seq first)" ]; }
	wait_for 5 seq_is_there
}

@test "one that is ended when its spool is gone, and a table half written, ends" {
	mkdir -p "$DISCO_SPOOL"
	strace -D -o /dev/null -P "$DISCO_SPOOL/.table.next" -e trace=open,openat \
		-e inject=open,openat:delay_exit=300000 \
		"$DISCO_BUILD/bin/disco-master" >/dev/null 2>"$BATS_TEST_TMPDIR/err" 3>&- 4>&- &
	local master=$!
	ends_with_test "$master"
	wait_for 10 test -s "$DISCO_SPOOL/table"
	disco-hb x
	wait_for 10 test -e "$DISCO_SPOOL/.table.next"
	rm -r "$DISCO_SPOOL"
	kill "$master"
	ended() { ! kill -0 "$master" 2>/dev/null; }
	wait_for 10 ended
	local status=0
	wait "$master" || status=$?
	[ "$status" = 3 ]
}

@test "what senders left in tmp is swept after an hour, unless it is locked" {
	mkdir -p "$DISCO_SPOOL/tmp" "$DISCO_SPOOL/hb"
	: >"$DISCO_SPOOL/tmp/young"
	start_master
	[ -e "$DISCO_SPOOL/tmp/young" ]
	stop_master
	ASAN_OPTIONS=verify_asan_link_order=0 LD_PRELOAD=$DISCO_BUILD/tests/clock.so \
		DISCO_CLOCK_REAL=7200 disco-master -t 100ms \
		>"$BATS_TEST_TMPDIR/out" 2>&1 3>&- &
	ends_with_test $!
	wait_for 5 test ! -e "$DISCO_SPOOL/tmp/young"
}

@test "an idle master does nothing but touch its lock once a tick" {
	start_master
	disco-hb idle
	wait_for 5 is_state idle active
	more() {
		grep -vE 'ppoll|utimensat|clock_gettime|\+\+\+|strace|resumed|detached|^[0-9]+ +restart_syscall' \
			"$BATS_TEST_TMPDIR/trace"
	}
	# If the machine kept it from running it has reason to do more, but not each time.
	for _ in {1..10}; do
		timeout 2 strace -f -o "$BATS_TEST_TMPDIR/trace" -p "$MASTER" || true
		more || break
	done
	run grep -cE 'ppoll|utimensat' "$BATS_TEST_TMPDIR/trace"
	[ "$output" -gt 20 ]
	run ! more
}

@test "a new segment is in the table's head by the next tick, though nobody beats" {
	local n newest
	start_master --segment-size 1
	disco-hb quiet
	# shellcheck disable=SC2317
	agree() {
		newest=$(basename "$(ls "$DISCO_SPOOL"/events/* | tail -n 1)")
		[ "$(sed -n '1s/.* log=\([0-9]*\):.*/\1/p' "$DISCO_SPOOL/table")" = "$newest" ]
	}
	for n in 1 2 3 4; do
		disco-hb -a "h:$n" quiet
		wait_for 5 has address quiet "h:$n"
		wait_for 5 agree
	done
}

@test "a master that looks at many files at its start says that it lives" {
	mkdir -p "$DISCO_SPOOL/hb"
	(cd "$DISCO_SPOOL/hb" && printf 'n%d\n' {1..2100} | xargs touch)
	MASTER_LOG=$BATS_TEST_TMPDIR/log
	timeout 20 strace -o "$BATS_TEST_TMPDIR/trace" -e trace=utimensat,write disco-master \
		>"$MASTER_LOG" 2>&1 3>&- &
	MASTER=$!
	ends_with_test "$MASTER"
	wait_for 10 grep -q ready "$MASTER_LOG"
	[ "$(sed '/ready/q' "$BATS_TEST_TMPDIR/trace" | grep -c '^utimensat')" -ge 3 ]
}

@test "SIGTERM: what is there is taken up and written, exit 0" {
	start_master
	disco-hb last
	kill "$MASTER"
	wait "$MASTER"
	grep -q '^last	' "$DISCO_SPOOL/table"
}

@test "SIGHUP: with nothing to read again it goes on" {
	start_master
	kill -HUP "$MASTER"
	disco-hb x
	wait_for 5 is_state x active
	kill "$MASTER"
	wait "$MASTER"
	[ ! -s "$MASTER_LOG" ]
}

@test "a service manager is told" {
	local socket=$BATS_TEST_TMPDIR/notify
	python3 - "$socket" >"$BATS_TEST_TMPDIR/told" 3>&- <<-'PY' &
		import socket, sys
		s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
		s.bind(sys.argv[1])
		print(s.recv(100).decode(), flush=True)
		print(s.recv(100).decode(), flush=True)
	PY
	ends_with_test $!
	wait_for 5 test -S "$socket"
	NOTIFY_SOCKET=$socket start_master
	wait_for 5 grep -qx READY=1 "$BATS_TEST_TMPDIR/told"
	stop_master
	wait_for 5 grep -qx STOPPING=1 "$BATS_TEST_TMPDIR/told"
}

@test "a file that is gone when its row was to be forgotten is not told as removed" {
	start_master -w 100ms -e 200ms -f 1m
	disco-hb a
	wait_for 10 is_state a error
	# As if it had died between the removal and the word of it; the next one is an hour later.
	stop_master -KILL
	rm "$DISCO_SPOOL/hb/a"
	ASAN_OPTIONS=verify_asan_link_order=0 LD_PRELOAD=$DISCO_BUILD/tests/clock.so \
		DISCO_CLOCK_REAL=3600 disco-master -t 100ms -w 100ms -e 200ms -f 1m \
		>"$BATS_TEST_TMPDIR/out" 3>&- &
	MASTER=$!
	ends_with_test "$MASTER"
	wait_for 10 grep -q '^ready' "$BATS_TEST_TMPDIR/out"
	is_state a error
	run ! grep -qP '\tinactive\t' -r "$DISCO_SPOOL/events"
}
