# What every test has: a spool of its own, our programs first in PATH, and
# daemons that are ended with it.
# shellcheck shell=bash

bats_require_minimum_version 1.5.0

DISCO_BUILD=${DISCO_BUILD:-$(cd "${BASH_SOURCE[0]%/*}/.." && pwd)/build}

setup() {
	export DISCO_SPOOL=$BATS_TEST_TMPDIR/spool
	export PATH=$DISCO_BUILD/bin:$PATH
	export LC_ALL=C.UTF-8 TZ=UTC
	unset DISCO_URL NO_COLOR NOTIFY_SOCKET WATCHDOG_USEC WATCHDOG_PID
	PIDS=()
}

teardown() {
	local pid
	# Pipes of a test; what reads one ends with it.
	exec 7>&- 8>&-
	for pid in "${PIDS[@]}"; do
		# In this order: a SIGCONT would wake what LeakSanitizer stops at the end.
		kill -CONT "$pid" 2>/dev/null || true
		kill "$pid" 2>/dev/null || true
	done
	for pid in "${PIDS[@]}"; do
		wait "$pid" 2>/dev/null || true
	done
	# What a sanitizer found in a daemon.
	! grep -h -A20 'ERROR: [A-Za-z]*Sanitizer\|runtime error' "$BATS_TEST_TMPDIR"/*.log 2>/dev/null
}

# cannot REASON: skips a test that this machine can't run; in CI that is a failure.
cannot() {
	if [ "${CI:-}" = true ]; then
		echo "cannot run here: $1" >&2
		return 1
	fi
	skip "$1"
}

# Ends it with the test.
ends_with_test() {
	PIDS+=("$1")
}

# wait_for SECONDS COMMAND...: until the command succeeds, or fail.
wait_for() {
	local limit=$((SECONDS + $1 + 1))
	shift
	until "$@"; do
		if ((SECONDS >= limit)); then
			echo "waited in vain for: $*" >&2
			return 1
		fi
		sleep 0.02
	done
}

# start_master [OPTIONS]: returns when it is ready; $MASTER is its pid, its log $MASTER_LOG.
start_master() {
	MASTER_LOG=$BATS_TEST_TMPDIR/master.log
	local out=$BATS_TEST_TMPDIR/master.out
	: >"$out"
	# Only what runs for long must give its memory back.
	ASAN_OPTIONS=detect_leaks=1 disco-master -t 100ms "$@" >"$out" 2>>"$MASTER_LOG" 3>&- 4>&- &
	MASTER=$!
	ends_with_test "$MASTER"
	wait_for 10 grep -q '^ready' "$out"
}

stop_master() {
	kill "${1:--TERM}" "$MASTER"
	wait "$MASTER" 2>/dev/null || true
}

# field COLUMN NAME: one value of one row, as disco-ls has it.
field() {
	disco-ls -H -t -o "$1" "$2" 2>/dev/null
}

# has COLUMN NAME VALUE
has() {
	[ "$(field "$1" "$2")" = "$3" ]
}

is_state() {
	has state "$1" "$2"
}

# start_serve [OPTIONS]: returns when it is ready; $SERVE is its pid, $URL where it is found.
start_serve() {
	local out=$BATS_TEST_TMPDIR/serve.out
	SERVE_LOG=$BATS_TEST_TMPDIR/serve.log
	: >"$out"
	ASAN_OPTIONS=detect_leaks=1 disco-serve --listen "${LISTEN:-127.0.0.1:0}" "$@" \
		>"$out" 2>>"$SERVE_LOG" 3>&- 4>&- &
	SERVE=$!
	ends_with_test "$SERVE"
	wait_for 10 grep -q '^ready' "$out"
	# shellcheck disable=SC2034
	read -r _ URL _ <"$out"
	export URL
}

stop_serve() {
	kill "${1:--TERM}" "$SERVE"
	wait "$SERVE" 2>/dev/null || true
}
