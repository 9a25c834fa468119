#!/usr/bin/env bats
# Both daemons under load, and killed again and again; "make soak" is the long form.

load helper

@test "whatever is killed, no event is lost or repeated, and the living are not accused" {
	local slow=()
	[ -z "${DISCO_SANITIZED:-}" ] || slow=(--patience 5 --limit 30)
	TMPDIR=$BATS_TEST_TMPDIR timeout 400 "$BATS_TEST_DIRNAME/soak/soak.py" --build "$DISCO_BUILD" \
		--minutes 0.2 --kills 10 --tick 200ms --warn 2 --touched 300 --posted 30 --held 40 \
		--sent 10 --connected 10 --far 3 --watchers 12 --sockets 10 --limit 15 "${slow[@]}" 3>&-
}
