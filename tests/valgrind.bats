#!/usr/bin/env bats
# Each program's main job under valgrind: no error, no leak.

load helper

VALGRIND=(valgrind -q --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite)

vg() {
	"${VALGRIND[@]}" "$@"
}

@test "nothing is read or lost that should not be" {
	[ -z "${DISCO_SANITIZED:-}" ] || skip 'the sanitizers look already'
	local out=$BATS_TEST_TMPDIR/out
	"${VALGRIND[@]}" "$DISCO_BUILD/bin/disco-master" -t 100ms -w 1s -e 2s -f 3s >"$out" 2>"$out.err" 3>&- &
	local master=$!
	ends_with_test "$master"
	wait_for 20 grep -q ready "$out"
	disco-hb -s rdb -a h:1 -m dc=ldn a
	disco-hb -i 100ms -f 1h held 3>&- &
	local held=$!
	ends_with_test "$held"
	mkfifo "$DISCO_SPOOL/hb/fifo"
	wait_for 10 is_state held active
	vg "$DISCO_BUILD/bin/disco-watch" --rows --beats -j -n 5 >/dev/null
	kill -9 "$held"
	wait_for 10 is_state held error
	vg "$DISCO_BUILD/bin/disco-ls" -j >/dev/null
	vg "$DISCO_BUILD/bin/disco-ls" -k address >/dev/null
	vg "$DISCO_BUILD/bin/disco-ls" --why held >/dev/null
	wait_for 10 bash -c '[ ! -e "$DISCO_SPOOL/hb/a" ]'
	kill "$master"
	wait "$master" || { cat "$out.err"; return 1; }
	disco-hb b
	vg "$DISCO_BUILD/bin/disco-ls" b >/dev/null
}
