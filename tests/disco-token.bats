#!/usr/bin/env bats
# disco-token: the secret once, and the line that makes it known.

load helper

hash_of() {
	printf %s "$1" | sha256sum | cut -d' ' -f1
}

# The command's standard output in $OUT, its standard error in $ERR.
both() {
	"$@" >"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/err"
	OUT=$(cat "$BATS_TEST_TMPDIR/out") ERR=$(cat "$BATS_TEST_TMPDIR/err")
}

@test "the secret is on standard output, the line with its SHA-256 on standard error" {
	both disco-token ops 'read:*' publish:fx_?
	[[ $OUT =~ ^[A-Za-z0-9_-]{43}$ ]]
	[ "$ERR" = "ops $(hash_of "$OUT") read:* publish:fx_?" ]
	# They are 32 bytes, and others each time.
	[ "$(tr _- /+ <<<"$OUT=" | base64 -d | wc -c)" = 32 ]
	local first=$OUT
	both disco-token ops admin
	[ "$OUT" != "$first" ]
}

@test "-f makes a file for nobody else and puts the line into it" {
	cd "$BATS_TEST_TMPDIR"
	umask 022
	both disco-token -f tokens one admin
	[ "$(stat -c %a tokens)" = 600 ]
	[ -z "$ERR" ]
	[ "$(cat tokens)" = "one $(hash_of "$OUT") admin" ]
	both disco-token -f tokens two call:x
	[ "$(tail -n 1 tokens)" = "two $(hash_of "$OUT") call:x" ]
	[ "$(wc -l <tokens)" = 2 ]
	[ "$(find . -name 'tokens*' | wc -l)" = 1 ]
}

@test "a name that is there is refused, and nothing changes, but -r replaces it in its place" {
	cd "$BATS_TEST_TMPDIR"
	printf '# ours\none - admin\n  two - read:a\nlast - admin' >tokens
	chmod 640 tokens
	[ "$(id -u)" != 0 ] || chown daemon:daemon tokens
	local was
	was=$(stat -c '%a %u %g' tokens)
	cp tokens before
	run -1 disco-token -f tokens two admin
	[ "$output" = 'disco-token: tokens: two is there already; -r replaces it, -a adds a secret' ]
	cmp tokens before
	both disco-token -f tokens -r two 'read:*'
	[ "$(cat tokens)" = "# ours
one - admin
two $(hash_of "$OUT") read:*
last - admin" ]
	[ "$(stat -c '%a %u %g' tokens)" = "$was" ]
	# One that is not there is added, and behind a line that was cut short.
	disco-token -f tokens -r tw admin
	printf 'cut - admin' >>tokens
	disco-token -c -f tokens new admin
	[ "$(tail -n 2 tokens)" = 'cut - admin
new - admin' ]
}

@test "-a adds a secret to a line, which keeps its rights and the secrets that it has" {
	cd "$BATS_TEST_TMPDIR"
	umask 022
	both disco-token -f tokens other admin
	both disco-token -f tokens ops 'read:*' publish:fx_?
	local digests all
	digests=$(hash_of "$OUT")
	sed -i 's/^ops /  ops\t/; s/?$/?  # ours/' tokens
	chmod 640 tokens
	all=$(cat tokens)
	for _ in 2 3 4 5 6 7 8; do
		both disco-token -a -f tokens ops
		[[ $OUT =~ ^[A-Za-z0-9_-]{43}$ ]]
		[ -z "$ERR" ]
		all=${all/"$digests"/"$digests,$(hash_of "$OUT")"}
		digests=$digests,$(hash_of "$OUT")
		[ "$(cat tokens)" = "$all" ]
	done
	[ "$(stat -c %a tokens)" = 640 ]
	run -2 disco-token --add -f tokens ops
	[ "$output" = 'disco-token: tokens: ops has 8 secrets already; take old ones away first' ]
	[ "$(cat tokens)" = "$all" ]
	both disco-token -r -f tokens ops admin
	[ "$(tail -n 1 tokens)" = "ops $(hash_of "$OUT") admin" ]
}

@test "-a needs a line with a secret, and no rights" {
	cd "$BATS_TEST_TMPDIR"
	run -3 disco-token -a -f tokens ops
	[ "$output" = 'disco-token: tokens: No such file or directory' ]
	[ ! -e tokens ]
	disco-token -c -f tokens cert admin
	echo 'bad 1234,5678 admin' >>tokens
	cp tokens before
	run -1 disco-token -a -f tokens ops
	[ "$output" = 'disco-token: tokens: ops is not there; give its rights, without -a' ]
	run -2 disco-token -a -f tokens cert
	[ "$output" = 'disco-token: tokens: cert has a certificate, no secret' ]
	run -3 disco-token -a -f tokens bad
	[ "$output" = 'disco-token: tokens: bad has no SHA-256 in 64 digits' ]
	run -2 disco-token -a -f tokens bad admin
	[ "$output" = 'disco-token: -a: the rights stay as they are; give the name alone' ]
	for options in '-a' '-a -r -f tokens' '-a -c -f tokens'; do
		# shellcheck disable=SC2086
		run -2 disco-token $options bad
		[[ $output == 'disco-token: -a: goes with '* ]]
	done
	cmp tokens before
}

@test "commas where blanks are due are refused; the name of a service may have one" {
	cd "$BATS_TEST_TMPDIR"
	local right
	for right in publish:a,b 'call:a,b' 'read:a,publish:b' 'read:a,read:b' 'read:*,call:x' \
		'read:*,admin' 'publish:fx_*,read:*'; do
		run -2 disco-token -f tokens ops "$right"
		[ "$output" = "disco-token: $right: rights are separated by blanks, not commas" ]
	done
	[ ! -e tokens ]
	disco-token -f tokens ops 'read:tick,plant'
}

@test "-c makes a line for a certificate, without a secret" {
	both disco-token -c ops.example admin
	[ "$OUT" = 'ops.example - admin' ]
	[ -z "$ERR" ]
	both disco-token -c -f "$BATS_TEST_TMPDIR/tokens" ops.example admin
	[ -z "$OUT$ERR" ]
	[ "$(cat "$BATS_TEST_TMPDIR/tokens")" = 'ops.example - admin' ]
}

@test "many at once: none is lost, and each has its own" {
	cd "$BATS_TEST_TMPDIR"
	local i pids=()
	for i in $(seq 20); do
		disco-token -f tokens "t$i" admin >"secret.$i" 3>&- &
		pids+=($!)
	done
	wait "${pids[@]}"
	[ "$(wc -l <tokens)" = 20 ]
	for i in $(seq 20); do
		grep -qx "t$i $(hash_of "$(cat "secret.$i")") admin" tokens
	done
}

@test "a link stays one" {
	cd "$BATS_TEST_TMPDIR"
	mkdir there
	disco-token -c -f there/tokens a admin
	ln -s there/tokens link
	disco-token -c -f link b admin
	[ -L link ]
	[ "$(wc -l <there/tokens)" = 2 ]
}

@test "what is wrong is said, exit 2, and no file is made" {
	cd "$BATS_TEST_TMPDIR"
	local right
	for right in publish: 'read:a b' $'call:a\tb' write:x Admin admin: '' $'call:\377' "read:$(printf '%0257d' 1)"; do
		run -2 disco-token -f tokens ops "$right"
		[[ $output == 'disco-token: '* ]]
	done
	run -2 disco-token -f tokens ops write:x
	[ "$output" = 'disco-token: write:x: a right is publish:GLOB, read:GLOB, call:GLOB or admin' ]
	run -2 disco-token -f tokens 'a b' admin
	[ "$output" = 'disco-token: a name has letters, digits and . _ : @ + - only' ]
	run -2 disco-token -f tokens ops
	run -2 disco-token -r ops admin
	[ ! -e tokens ]
}

@test "a file that can't be had is 3; so is a secret that nobody gets" {
	cd "$BATS_TEST_TMPDIR"
	run -3 disco-token -f nowhere/tokens ops admin
	[ "$output" = 'disco-token: nowhere/tokens: No such file or directory' ]
	run -3 disco-token -f . ops admin
	run -3 bash -c 'disco-token -f tokens ops admin >/dev/full'
	[[ $output == 'disco-token: the secret is lost'* ]]
	disco-token -f tokens -r ops admin
}
