# A world for each test: its own spool, and the programs just built.

setup() {
	TOP=$(cd "${BATS_TEST_DIRNAME}/.." && pwd)
	PATH=$TOP/${B:-build}/bin:$PATH
	DISCO_SPOOL=$BATS_TEST_TMPDIR/spool
	export PATH DISCO_SPOOL
	unset NOTIFY_SOCKET WATCHDOG_USEC WATCHDOG_PID
	mkdir "$DISCO_SPOOL"
	PIDS=()
}

teardown() {
	local pid

	for pid in "${PIDS[@]}"; do
		kill -KILL "$pid" 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
	done
}

# wait_for SECONDS command ...: until it succeeds, but no longer.
wait_for() {
	local end=$(($(date +%s%N) + $1 * 1000000000))

	shift
	until "$@"; do
		if [ "$(date +%s%N)" -gt "$end" ]; then
			echo "never came true: $*" >&2
			return 1
		fi
		sleep 0.02
	done
}
