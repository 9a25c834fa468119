#!/usr/bin/env bats
# Each system call that fails, in short; "make fault" is all of it.

load ../helper

setup_file() {
	strace -o /dev/null true || cannot 'no strace'
}

# kept JOB: no promise is broken in the jobs whose names have this in them.
kept() {
	[ "${DISCO_SANITIZED:-}" = "" ] || skip 'a sanitizer has calls of its own'
	DISCO_BUILD=$DISCO_BUILD python3 "$BATS_TEST_DIRNAME/fault.py" --brief --job "$1"
}

@test "whatever call of disco-hb fails, a heartbeat is the old one or the new one, and 0 means delivered" {
	kept disco-hb
}

@test "whatever call of disco-ls fails, 0 means that all was listed" {
	kept 'disco-ls: no master'
}

@test "whatever call of disco-watch fails, 0 means that what was waited for is there" {
	kept disco-watch
}

@test "whatever call of disco-token fails, the file is the old one or the new one" {
	kept disco-token
}

@test "whatever call of disco-master fails, nothing that was accepted is lost" {
	kept disco-master
}

@test "whatever call of disco-jq fails, 0 means that each row was asked" {
	kept 'disco-jq: rows'
}
