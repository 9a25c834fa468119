#!/usr/bin/env bats
# disco-master --owners and --max-per-user: whose heartbeats count.

load helper

eval "common_$(declare -f setup)"
setup() {
	common_setup
	[ "$(id -u)" = 0 ] || cannot 'needs root to be two users'
	# Where others may go.
	PLACE=$(mktemp -d /var/tmp/disco-test.XXXXXX)
	chmod 755 "$PLACE"
	cp "$DISCO_BUILD/bin/disco-hb" "$PLACE"
	export DISCO_SPOOL=$PLACE/spool
	OWNERS=$BATS_TEST_TMPDIR/owners
}

eval "common_$(declare -f teardown)"
teardown() {
	common_teardown
	[ -z "${PLACE:-}" ] || rm -r "$PLACE"
}

# as USER COMMAND...: here they are daemon and bin.
as() {
	local user=$1
	shift
	setpriv --reuid="$user" --clear-groups "$@"
}

beat() {
	as "$1" "$PLACE/disco-hb" "${@:2}"
}

# Who holds a heartbeat as a user; its pid is $HOLDER.
hold_as() {
	setpriv --reuid="$1" --clear-groups "$PLACE/disco-hb" -i 200ms "${@:2}" 3>&- 4>&- &
	HOLDER=$!
	ends_with_test "$HOLDER"
}

no_row() {
	[ -z "$(field process "$1")" ]
}

# The header does not speak of none.
refused_is() {
	[ "$(sed -n '1s/.* refused=\([0-9]*\).*/\1/p' "$DISCO_SPOOL/table")" = "${1#0}" ]
}

# told NAME WORDS TIMES
told() {
	[ "$(grep -cF "disco-master: hb/$1: $2" "$MASTER_LOG")" = "$3" ]
}

counter_above() {
	[ "$(field counter "$1")" -gt "$2" ]
}

@test "only its owner's heartbeat counts; a stranger's is said once and counted" {
	echo 'fx_* daemon' >"$OWNERS"
	start_master --owners "$OWNERS"
	beat bin fx_a
	wait_for 5 refused_is 1
	beat bin fx_a
	touch "$DISCO_SPOOL/hb/fx_a"
	beat bin other
	beat daemon fx_b
	wait_for 5 is_state fx_b active
	wait_for 5 is_state other active
	no_row fx_a
	told fx_a 'belongs to bin, see --owners' 1
	has user fx_b daemon
	may_be_refused() {
		[[ $(disco-ls --why fx_a) == "$DISCO_SPOOL/hb/fx_a is a heartbeat that the master has not taken. It may refuse it, "*' disco-master(8).' ]]
	}
	wait_for 5 may_be_refused
	# It goes, and the owner's comes.
	rm "$DISCO_SPOOL/hb/fx_a"
	wait_for 5 refused_is 0
	beat daemon fx_a
	wait_for 5 has user fx_a daemon
}

@test "a stranger who takes a name that was left does not get its row" {
	echo 'fx_* daemon' >"$OWNERS"
	start_master --owners "$OWNERS"
	hold_as daemon fx_a
	wait_for 5 is_state fx_a active
	# The folder is sticky: while the file is there nobody else may replace it.
	run -3 beat bin --state error fx_a
	is_state fx_a active
	kill "$HOLDER"
	wait_for 5 is_state fx_a inactive
	rm "$DISCO_SPOOL/hb/fx_a"
	local seq
	seq=$(field seq fx_a)
	hold_as bin fx_a
	wait_for 5 refused_is 1
	kill "$HOLDER"
	wait "$HOLDER" || true
	beat bin --state error fx_a
	# Whatever came before this one was seen.
	beat bin witness
	wait_for 5 is_state witness active
	is_state fx_a inactive
	has user fx_a daemon
	has seq fx_a "$seq"
	# A name of no line may be taken over.
	beat daemon other
	wait_for 5 has user other daemon
	rm "$DISCO_SPOOL/hb/other"
	wait_for 5 is_state other inactive
	beat bin other
	wait_for 5 has user other bin
	is_state other active
}

@test "SIGHUP: a row whose owner may not have it any more beats no more, and silence judges it" {
	echo 'fx_* daemon' >"$OWNERS"
	start_master --owners "$OWNERS" -w 1s -e 2s
	hold_as daemon fx_a
	wait_for 5 counter_above fx_a 2
	beat bin fx_b
	wait_for 5 refused_is 1
	printf '# theirs\nfx_* bin\n' >"$OWNERS"
	kill -HUP "$MASTER"
	# The one comes in without another beat.
	wait_for 5 is_state fx_b active
	wait_for 5 told fx_a 'belongs to daemon, see --owners' 1
	refused_is 1
	wait_for 10 is_state fx_a error
	has reason fx_a 'silent 2 s'
	[ "$(grep -cxF "disco-master: $OWNERS: read again: 1 line" "$MASTER_LOG")" = 1 ]
	printf 'fx_* daemon bin\nother bin\n' >"$OWNERS"
	kill -HUP "$MASTER"
	wait_for 5 grep -qxF "disco-master: $OWNERS: read again: 2 lines" "$MASTER_LOG"
	wait_for 5 is_state fx_a active
	wait_for 5 refused_is 0
}

@test "a row is forgotten though it is beaten for; what is refused stays where it is" {
	echo 'fx_* daemon' >"$OWNERS"
	start_master --owners "$OWNERS" -w 500ms
	hold_as daemon -w 500ms -e 800ms -f 1s fx_a
	wait_for 5 is_state fx_a active
	echo 'fx_* bin' >"$OWNERS"
	kill -HUP "$MASTER"
	wait_for 10 no_row fx_a
	[ -e "$DISCO_SPOOL/hb/fx_a" ]
	wait_for 5 refused_is 1
	kill -0 "$HOLDER"
}

@test "a master that starts: rows that are there, and files that came meanwhile" {
	start_master
	beat daemon fx_a
	beat bin fx_b
	wait_for 5 is_state fx_a active
	wait_for 5 is_state fx_b active
	stop_master
	beat bin fx_c
	echo 'fx_* daemon' >"$OWNERS"
	start_master --owners "$OWNERS"
	refused_is 2
	no_row fx_c
	# Silence will judge it.
	is_state fx_b active
	told fx_b 'belongs to bin, see --owners' 1
	told fx_c 'belongs to bin, see --owners' 1
}

@test "a bad file is 2 with its line at the start, and said at a reload" {
	printf '# ours\nfx_* daemon\nfx_ nobody_here\n' >"$OWNERS"
	run -2 disco-master --owners "$OWNERS"
	[ "$output" = "disco-master: $OWNERS:3: nobody_here: no such user" ]
	[ ! -e "$DISCO_SPOOL" ]
	run -3 disco-master --owners "$OWNERS.none"
	[ "$output" = "disco-master: $OWNERS.none: No such file or directory" ]
	echo 'fx_* daemon' >"$OWNERS"
	start_master --owners "$OWNERS"
	echo 'fx_* nobody_here' >"$OWNERS"
	kill -HUP "$MASTER"
	wait_for 5 grep -qxF "disco-master: $OWNERS:1: nobody_here: no such user; the former owners stay in force" "$MASTER_LOG"
	beat bin fx_a
	wait_for 5 refused_is 1
	rm "$OWNERS"
	kill -HUP "$MASTER"
	wait_for 5 grep -qxF "disco-master: $OWNERS: No such file or directory; the former owners stay in force" "$MASTER_LOG"
	beat daemon fx_b
	wait_for 5 is_state fx_b active
	no_row fx_a
}

@test "--max-per-user: one more is refused, said once a user, and comes in when there is room" {
	start_master --max-per-user 2 -w 500ms
	hold_as daemon a
	hold_as daemon -w 500ms -e 800ms -f 1s b
	local b=$HOLDER
	wait_for 5 is_state a active
	wait_for 5 is_state b active
	beat daemon -f 1h c
	beat daemon -f 1h d
	beat bin x
	beat bin y
	wait_for 5 refused_is 2
	wait_for 5 is_state y active
	no_row c
	no_row d
	[ "$(grep -cF 'daemon has 2 processes already, see --max-per-user' "$MASTER_LOG")" = 1 ]
	# Root has no limit.
	for name in r1 r2 r3; do
		disco-hb -f 1h "$name"
		wait_for 5 has user "$name" root
	done
	kill "$b"
	# It is forgotten, and one of the others comes in without another beat.
	wait_for 10 no_row b
	wait_for 5 refused_is 1
	[ -n "$(field process c)$(field process d)" ]
	[ "$(grep -cF 'see --max-per-user' "$MASTER_LOG")" = 1 ]
}

@test "--max-per-user: rows that are there at the start stay, and are counted before others come" {
	start_master
	for name in a b c; do
		beat daemon "$name"
		wait_for 5 is_state "$name" active
	done
	stop_master
	# Names on both sides of theirs, in whatever order the folder is.
	beat daemon 0
	beat daemon z
	start_master --max-per-user 3
	refused_is 2
	no_row 0
	no_row z
	beat daemon a
	wait_for 5 counter_above a 1
	[ "$(field process '[abc]' | wc -l)" = 3 ]
}

@test "wrong numbers are 2" {
	for wrong in 0 -1 many ''; do
		run -2 disco-master --max-per-user "$wrong"
		[[ $output == "disco-master: --max-per-user $wrong: "* ]]
	done
}
