#!/usr/bin/env bats
# disco-watch: each change once, in order, at once.

load helper

# Starts a watcher with its output in $OUT; returns when it has subscribed.
watch() {
	OUT=$BATS_TEST_TMPDIR/watch.out
	disco-watch "$@" >"$OUT" 2>"$BATS_TEST_TMPDIR/watch.err" 3>&- &
	WATCH=$!
	ends_with_test "$WATCH"
	wait_for 5 subscribed "$WATCH"
}

# It sleeps in poll(2), so what it begins with is behind it.
subscribed() {
	grep -q '^7 ' "/proc/$1/syscall"
}

lines() {
	wc -l <"$OUT"
}

has_lines() {
	[ "$(lines)" -ge "$1" ]
}

told() {
	grep -qE "$1" "$OUT"
}

@test "a line per change, with its sign, state, address and reason" {
	start_master
	watch
	disco-hb -a h:1 rdb
	wait_for 5 told '^[0-9:.]{12}  \+ rdb  +active +h:1$'
	disco-hb -a h:1 --state warning --reason 'disk full' rdb
	wait_for 5 told '  ! rdb  +warning +h:1  disk full$'
	disco-hb -a h:2 --state warning --reason 'disk full' rdb
	wait_for 5 told '  ~ rdb  +changed +h:2'
	disco-hb -a h:2 rdb
	wait_for 5 told '  ~ rdb  +active'
	disco-hb --leave rdb
	wait_for 5 told '  - rdb  +inactive .*left$'
	[ "$(lines)" = 5 ]
}

@test "kill -9 of a holder is told" {
	start_master
	watch
	disco-hb -i 1s victim 3>&- &
	ends_with_test $!
	wait_for 5 told '\+ victim'
	kill -9 $!
	wait_for 5 told '! victim +error +.*closed without leaving'
}

@test "-j: event, from, time and the row" {
	start_master
	watch -j
	disco-hb -m dc=ldn rdb
	wait_for 5 is_state rdb active
	disco-hb --leave rdb
	wait_for 5 has_lines 2
	run jq -rs '.[1] | [.event, .from, .process, .state, .reason, .meta.dc, (.seq | type), .handle] | @json' "$OUT"
	[ "$output" = '["inactive","active","rdb","inactive","left","ldn","number",null]' ]
}

@test "filters: patterns, service, state, event" {
	start_master
	watch -s 'r*' -S error 'b*' 'c*'
	for name in a b; do disco-hb -s red --exit 1 "$name"; done
	disco-hb -s red c
	disco-hb -s blue --exit 1 bb
	disco-hb -s red --exit 1 c
	wait_for 5 told ' c '
	run awk '{ print $3 }' "$OUT"
	[ "$output" = $'b\nc' ]
	kill "$WATCH"
	watch --on joined
	disco-hb new
	wait_for 5 is_state new active
	disco-hb --leave new
	disco-hb newer
	wait_for 5 told newer
	[ "$(lines)" = 2 ]
}

@test "asked wrongly: 2, and what is right" {
	mkdir "$DISCO_SPOOL"
	run -2 disco-watch -S broken
	[[ $output == *"write active, warning, error or inactive"* ]]
	run -2 disco-watch --on boom
	[[ $output == *"--on: boom: no such event; write joined"*"resumed, row, sync or beat"* ]]
	run -2 disco-watch -n 0
	run -2 disco-watch --timeout soon
	run -2 disco-watch --since yesterday
	run -2 disco-watch --wait -j
	run -2 disco-watch --since 1 --rows
	run -2 disco-watch --live </dev/null
	[[ $output == *"needs a terminal"* ]]
}

@test "without a spool: 3, and what to do" {
	run -3 disco-watch
	[[ $output == *"no spool; start disco-master"* ]]
}

@test "--rows tells the table, then sync, then goes on" {
	start_master
	disco-hb a
	disco-hb b
	wait_for 5 is_state b active
	watch --rows -j
	disco-hb c
	wait_for 5 has_lines 4
	run jq -rs 'map(.event + " " + (.process // "*")) | join(",")' "$OUT"
	[ "$output" = 'row a,row b,sync *,joined c' ]
}

@test "--beats tells a beat by its row, and touch(1), which nudges twice, once" {
	start_master
	disco-hb -a h:1 a
	wait_for 5 is_state a active
	watch --beats -j
	touch "$DISCO_SPOOL/hb/a"
	wait_for 5 has_lines 1
	disco-hb -a h:1 a
	wait_for 5 has_lines 2
	disco-hb b
	wait_for 5 told '"joined"'
	run jq -rs 'map([.event, .process, .counter, .address]) | @json' "$OUT"
	[ "$output" = '[["beat","a",2,"h:1"],["beat","a",3,"h:1"],["joined","b",1,null]]' ]
}

@test "-n ends it after so many lines, --timeout with 4" {
	start_master
	watch -n 2
	disco-hb a
	disco-hb b
	wait "$WATCH"
	[ "$(lines)" = 2 ]
	run -4 disco-watch --timeout 100ms
}

@test "--wait: 0 when all that match, and at least one, are so; else 4" {
	start_master
	run -4 disco-watch --wait --timeout 100ms 'rdb_*'
	disco-watch --wait --timeout 20s 'rdb_*' 3>&- &
	local waiter=$!
	wait_for 5 subscribed "$waiter"
	disco-hb rdb_1
	wait "$waiter"
	disco-hb --exit 1 rdb_2
	wait_for 5 is_state rdb_2 error
	run -4 disco-watch --wait --timeout 100ms 'rdb_*'
	run -0 disco-watch --wait -S active,error --timeout 5s 'rdb_*'
	[ -z "$output" ]
}

@test "--since goes on after an event; too old or from the future is a reset" {
	start_master
	disco-hb a
	wait_for 5 is_state a active
	local seq
	seq=$(field seq a)
	disco-hb b
	disco-hb c
	wait_for 5 is_state c active
	run -0 disco-watch --since "$seq" -n 2
	[[ ${lines[0]} == *"+ b "* && ${lines[1]} == *"+ c "* ]]
	for asked in 5 9000000000000000; do
		run -4 disco-watch --since "$asked" --timeout 500ms -j
		[ "$(jq -rs 'map(.event) | join(" ")' <<<"$output")" = 'reset sync joined joined joined' ]
	done
}

@test "it and the master have short turns of the processor, what they run has the usual" {
	# turns PID: the nanoseconds of one, its policy and its nice value.
	turns() {
		python3 -c 'import ctypes, struct, sys
attr = ctypes.create_string_buffer(64)
if ctypes.CDLL(None, use_errno=True).syscall(315, int(sys.argv[1]), attr, 64, 0) != 0: sys.exit(1)
size, policy, flags, nice, priority, runtime = struct.unpack_from("IIQiIQ", attr)
print(runtime, policy, nice)' "$1"
	}
	[ "$(uname -m)" = x86_64 ] || skip "another number for the system call"
	[ "$(turns $$ | cut -d' ' -f1)" -gt 0 ] || skip "a kernel before 6.12"
	start_master
	[ "$(turns "$MASTER" | cut -d' ' -f2-)" = "$(turns $$ | cut -d' ' -f2-)" ]
	[ "$(turns "$MASTER" | cut -d' ' -f1)" -lt "$(turns $$ | cut -d' ' -f1)" ]
	usual=$(turns $$)
	nice -n 3 disco-watch --exec "echo \$\$ >'$BATS_TEST_TMPDIR/pid'; exec sleep 60" >/dev/null 3>&- &
	ends_with_test $!
	short() { [ "$(turns "$1" | cut -d' ' -f1)" -lt "${usual%% *}" ]; }
	wait_for 5 short $!
	[ "$(turns $! | cut -d' ' -f3)" = 3 ]
	disco-hb a_1
	wait_for 5 test -s "$BATS_TEST_TMPDIR/pid"
	child=$(cat "$BATS_TEST_TMPDIR/pid")
	[ "$(turns "$child" | cut -d' ' -f1)" = "${usual%% *}" ]
	[ "$(turns "$child" | cut -d' ' -f3)" = 3 ]
	kill "$child"
}

@test "rotation loses and repeats nothing, nor does a master that is killed and started again" {
	start_master --segment-size 1K --segments 3 --log-size 1
	watch -j
	for round in 1 2 3; do
		for i in $(seq 20); do
			disco-hb --state warning --reason "round $round.$i" noisy
			wait_for 5 has reason noisy "round $round.$i"
		done
		stop_master -KILL
		start_master --segment-size 1K --segments 3 --log-size 1
	done
	disco-hb last
	wait_for 5 told '"last"'
	[ "$(find "$DISCO_SPOOL/events" -name '0*' | wc -l)" -ge 2 ]
	run jq -rs 'map(.reason // "" | select(startswith("round")) | ltrimstr("round ")) | join(" ")' "$OUT"
	local expected
	expected=$(for r in 1 2 3; do for i in $(seq 20); do printf '%s.%s ' $r "$i"; done; done)
	[ "$output" = "${expected% }" ]
	run ! grep -q '"reset"' "$OUT"
}

@test "a watcher that was there before the spool's first master misses nothing" {
	mkdir "$DISCO_SPOOL"
	watch
	wait_for 5 grep -q 'no master runs' "$BATS_TEST_TMPDIR/watch.err"
	disco-hb early
	start_master
	wait_for 5 told '\+ early'
	wait_for 5 grep -q 'the master is back' "$BATS_TEST_TMPDIR/watch.err"
}

@test "--exec: the row in the environment and on stdin, one at a time, in order" {
	start_master
	local log=$BATS_TEST_TMPDIR/exec.log
	LOG=$log watch --exec 'echo "$DISCO_EVENT $DISCO_PROCESS $DISCO_ADDRESS $DISCO_FROM $DISCO_WARN_AFTER $(jq -r .service)" >>$LOG; false'
	disco-hb -s 'sp ace' -a h:1 a
	disco-hb -a h:2 b
	wait_for 5 is_state b active
	disco-hb --leave b
	wait_for 5 grep -q inactive "$log"
	run cat "$log"
	[ "$output" = $'joined a h:1  30 sp ace\njoined b h:2  30 b\ninactive b h:2 active 30 b' ]
	[ "$(grep -c -- '--exec: the command exited with 1' "$BATS_TEST_TMPDIR/watch.err")" = 3 ]
	[ "$(lines)" = 0 ]
}

@test "a reader that goes away ends it quietly" {
	start_master
	disco-hb a
	wait_for 5 is_state a active
	# Nothing more happens: it does not wait for what it can't write.
	run -0 timeout 10 bash -o pipefail -c "disco-watch --rows 2>'$BATS_TEST_TMPDIR/err' | head -n 1"
	[[ $output == *a* ]]
	[ ! -s "$BATS_TEST_TMPDIR/err" ]
}

@test "a full disk under the output is 3" {
	start_master
	disco-hb a
	wait_for 5 is_state a active
	run -3 bash -c 'disco-watch --rows -n 1 >/dev/full'
	[[ $output == *"No space left"* ]]
}

@test "hostile values can't command the terminal" {
	mkdir -p "$DISCO_SPOOL/events"
	printf '#disco-table 1 seq=1 time=2026-11-24T03:14:26.230Z rows=1 tick=2 warnAfter=30 errorAfter=90 forgetAfter=600 log=0:0\n' >"$DISCO_SPOOL/table"
	printf 'process\tservice\tstate\tsince\tlastHb\tcounter\tip\taddress\thost\tpid\tversion\tuser\tvia\treason\twarnAfter\terrorAfter\tforgetAfter\theld\tevery\tboot\tstart\tseq\tmeta\n' >>"$DISCO_SPOOL/table"
	printf 'a\ts\tactive\t2026-11-24T03:14:26.230Z\t2026-11-24T03:14:26.230Z\t1\t\t\033[2Jx\t\t\t\t\t\t\\n\\tbell\a\t30\t90\t600\t\t\t\t\t1\t\n' >>"$DISCO_SPOOL/table"
	run -0 --separate-stderr disco-watch --rows -n 1
	[[ $output != *$'\033'* && $output != *$'\a'* ]]
	[ "${#lines[@]}" = 1 ]
}

@test "--live draws the table, follows changes and a new size, and gives the terminal back" {
	start_master
	disco-hb -s red fx_rdb
	wait_for 5 is_state fx_rdb active
	tmux -L "disco$$" -f /dev/null new-session -d -x 100 -y 20 \
		"env DISCO_SPOOL='$DISCO_SPOOL' PATH='$PATH' sh -c 'stty -a >$BATS_TEST_TMPDIR/before; disco-watch --live; echo \$? >$BATS_TEST_TMPDIR/status; stty -a >$BATS_TEST_TMPDIR/after; printf ended; exec cat'" 3>&-
	screen() { tmux -L "disco$$" capture-pane -p; }
	shows() { screen | grep -q "$1"; }
	wait_for 5 shows 'fx_rdb .*active'
	wait_for 5 shows '1 active'
	disco-hb --exit 3 fx_rdb
	wait_for 5 shows 'exit status 3'
	tmux -L "disco$$" resize-window -x 60 -y 10
	for i in $(seq 20); do disco-hb "p$i"; done
	wait_for 5 shows 'and 1[0-9] more'
	tmux -L "disco$$" send-keys q
	wait_for 5 shows ended
	tmux -L "disco$$" kill-server
	[ "$(cat "$BATS_TEST_TMPDIR/status")" = 0 ]
	diff <(grep -o 'icanon\|-icanon\|echo\b' "$BATS_TEST_TMPDIR/before") <(grep -o 'icanon\|-icanon\|echo\b' "$BATS_TEST_TMPDIR/after")
}
