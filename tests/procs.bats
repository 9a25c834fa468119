#!/usr/bin/env bats
# Stored procedures: those that we ship, what one may do, and who may call it.
load helper

JQ=$DISCO_BUILD/libexec/disco/disco-jq
LIB=$BATS_TEST_DIRNAME/../lib/procs
WORLD=$BATS_TEST_DIRNAME/procs

# proc NAME [TEXT]: a procedure of our own, renamed into place as an editor does.
proc() {
	mkdir -p "$BATS_TEST_TMPDIR/procs"
	if [ $# = 2 ]; then printf '%s\n' "$2"; else cat; fi >"$BATS_TEST_TMPDIR/procs/.new"
	mv "$BATS_TEST_TMPDIR/procs/.new" "$BATS_TEST_TMPDIR/procs/$1.jq"
}

ls_proc() {
	disco-ls --procs-dir "$BATS_TEST_TMPDIR/procs" --proc "$@"
}

# over_world NAME [ARG...]: a shipped procedure over rows that wish us ill.
over_world() {
	local name=$1
	shift
	python3 "$WORLD/call.py" "$JQ" "$LIB/$name.jq" "$@" <"$WORLD/rows.in"
}

get() {
	local path=$1
	shift
	curl -sS --max-time 30 "$@" "$URL/v1/proc$path"
}

status() {
	get "$@" -o /dev/null -w '%{http_code}'
}

# many N: so many letters.
many() {
	head -c "$1" /dev/zero | tr '\0' a
}

# says STATUS WORDS PATH [OPTIONS]: so it is answered.
says() {
	local status=$1 words=$2
	shift 2
	get "$@" -w '\n%{http_code}' >"$BATS_TEST_TMPDIR/said"
	cat "$BATS_TEST_TMPDIR/said"
	[ "$(tail -1 "$BATS_TEST_TMPDIR/said")" = "$status" ]
	grep -qF -- "$words" "$BATS_TEST_TMPDIR/said"
}

# fails STATUS WORDS NAME [ARGS]: so disco-ls ends.
fails() {
	local wanted=$1 words=$2
	shift 2
	run ls_proc "$@"
	echo "$status: $output"
	[ "$status" = "$wanted" ]
	[[ $output == *"$words"* ]]
}

rows() {
	start_master
	disco-hb -s rdb -a 10.0.0.1:5010 -m env=prod rdb_1
	disco-hb -s rdb -a 10.0.0.1:5011 rdb_2
	disco-hb -s gw --state error --reason 'no disk' gw_1
	wait_for 5 is_state gw_1 error
	wait_for 5 is_state rdb_2 active
}

# served [OPTIONS]: a server with our own procedures, which knows the rows.
served() {
	mkdir -p "$BATS_TEST_TMPDIR/procs"
	start_serve --procs "$BATS_TEST_TMPDIR/procs" "$@"
	wait_for 5 is_state "disco-serve*" active
}

keeper() {
	pgrep -P "$SERVE"
}

workers() {
	pgrep -P "$(keeper)"
}

gone() {
	! kill -0 "$1" 2>/dev/null
}

# A worker computes.
busy() {
	local pid
	for pid in $(workers); do
		[ "$(awk '{print $3}' "/proc/$pid/stat" 2>/dev/null)" = R ] && return
	done
	return 1
}

unlimited() {
	[ -z "$DISCO_SANITIZED" ] || skip "the limits are off under a sanitizer"
}

@test "each procedure that we ship gives what is due, whatever the rows say" {
	for file in "$LIB"/*.jq; do
		name=${file##*/}
		name=${name%.jq}
		args=()
		if grep -q '^# args: service$' "$file"; then args=(service=rdb); fi
		over_world "$name" "${args[@]}" >"$BATS_TEST_TMPDIR/$name"
		diff -u "$WORLD/$name.expected" "$BATS_TEST_TMPDIR/$name"
	done
	[ "$(find "$LIB" -name '*.jq' | wc -l)" = "$(find "$WORLD" -name '*.expected' | wc -l)" ]
	[ "$(find "$LIB" -name '*.jq' | wc -l)" -ge 9 ]
}

@test "what goes to a shell, /etc/hosts or haproxy has the form of it in each line" {
	over_world env >"$BATS_TEST_TMPDIR/env"
	[ -s "$BATS_TEST_TMPDIR/env" ]
	run ! grep -Ev "^DISCO_[A-Z0-9_]+_ADDRESS(ES)?='[][A-Za-z0-9.: -]+'\$" "$BATS_TEST_TMPDIR/env"
	cd "$BATS_TEST_TMPDIR"
	rm -f /tmp/owned
	[ "$(sh -c '. ./env; echo "$DISCO_RDB_ADDRESSES|$PATH"')" = \
		"10.0.0.1:5010 alpha.example:5010|$PATH" ]
	[ ! -e /tmp/owned ]
	over_world hosts >etc-hosts
	run ! grep -Ev $'^[0-9a-f.:]+\t[a-z0-9.-]+$' etc-hosts
	over_world haproxy service=rdb >backend
	run ! grep -Ev '^server [A-Za-z0-9_.:-]+ [A-Za-z0-9.]+:[0-9]+ check( backup)?$' backend
	run ! grep -F 6.6.6.6 etc-hosts backend env
}

@test "an argument chooses" {
	[ "$(over_world prometheus-sd service=hdb | jq -c 'map(.targets)')" = '[["10.0.0.2:5012"]]' ]
	[ "$(over_world env service=gw)" = $'DISCO_GW_ADDRESS=\'[fe80::1]:9001\'\nDISCO_GW_ADDRESSES=\'[fe80::1]:9001\'' ]
	[ "$(over_world haproxy service=gw)" = 'server gw:401:2ba:3ab [fe80::1]:9001 check' ]
	[ -z "$(over_world haproxy 'service=r*')" ]
}

@test "no row is no trouble" {
	for file in "$LIB"/*.jq; do
		args=()
		if grep -q '^# args: service$' "$file"; then args=(service=rdb); fi
		python3 "$WORLD/call.py" "$JQ" "$file" "${args[@]}" </dev/null
	done
}

@test "the result is the same by disco-ls, HTTP, and disco-ls -u" {
	rows
	served
	for call in addresses:service=rdb by-service: by-host: env: haproxy:service=rdb hosts: \
		prometheus-sd: summary:; do
		name=${call%%:*} arg=${call#*:}
		here=$(ls_proc "$name" ${arg:+--arg "$arg"})
		[ -n "$here" ]
		[ "$(get "/$name${arg:+?$arg}")" = "$here" ]
		[ "$(disco-ls -u "$URL" --proc "$name" ${arg:+--arg "$arg"})" = "$here" ]
	done
	[ "$(get /late | jq -c '.[0] | [.process, .reason]')" = '["gw_1","no disk"]' ]
	[ "$(disco-ls --procs -j --procs-dir "$BATS_TEST_TMPDIR/procs")" = "$(get '')" ]
	[ "$(disco-ls -u "$URL" --procs)" = "$(get '')" ]
}

@test "by name order, with the members of the table" {
	rows
	proc names $'# type: text/plain\n.[].process'
	proc keys '.[0] | keys_unsorted'
	served
	[[ $(get /names) == *$'gw_1\nrdb_1\nrdb_2' ]]
	[ "$(get /keys)" = "$(curl -sS "$URL/v1/table" | jq -c '.[0] | keys_unsorted')" ]
	[ "$(get /keys)" = "$(ls_proc keys)" ]
	[ "$(get /keys | jq 'index("age") > 0')" = true ]
}

@test "patterns, -s and -S narrow the rows that disco-ls gives" {
	rows
	proc names $'# type: text/plain\n.[].process'
	[ "$(ls_proc names 'r*')" = $'rdb_1\nrdb_2' ]
	[ "$(ls_proc names -s gw)" = gw_1 ]
	[ "$(ls_proc names -S error)" = gw_1 ]
	[ "$(ls_proc names -r -k process 'r*')" = $'rdb_1\nrdb_2' ]
	fails 1 '' names nobody
}

@test "bash completes their names" {
	# shellcheck source=/dev/null
	source "$BATS_TEST_DIRNAME/../lib/completion/disco.bash"
	COMP_WORDS=(disco-ls --proc su) COMP_CWORD=2
	_disco_ls
	[ "${COMPREPLY[*]}" = summary ]
}

@test "types: strings come raw, JSON compact, each with its newline; none is an empty answer" {
	rows
	proc text $'# type: text/plain; charset=utf-8\n"a\\nb", [1, "x"], null'
	proc json $'"a\\nb", [1, "x"], {"b": 1, "a": 2}'
	proc none $'empty'
	served
	[ "$(ls_proc text)" = $'a\nb\n[1,"x"]\nnull' ]
	[ "$(get /text)" = $'a\nb\n[1,"x"]\nnull' ]
	[ "$(ls_proc json)" = $'"a\\nb"\n[1,"x"]\n{"b":1,"a":2}' ]
	[ "$(get /json)" = $'"a\\nb"\n[1,"x"]\n{"b":1,"a":2}' ]
	get /text -D "$BATS_TEST_TMPDIR/head" -o /dev/null
	grep -qi '^content-type: text/plain; charset=utf-8' "$BATS_TEST_TMPDIR/head"
	grep -qi "^content-security-policy: sandbox" "$BATS_TEST_TMPDIR/head"
	fails 1 '' none
	[ "$(get /none -w '%{http_code}')" = 200 ]
	get /text -I >"$BATS_TEST_TMPDIR/head"
	grep -qi '^content-length: 17' "$BATS_TEST_TMPDIR/head"
}

@test "arguments: missing, unknown, twice, too long, too many" {
	rows
	# shellcheck disable=SC2016
	proc two $'# Says what it is given.\n# args: one two?\n$args'
	served
	[ "$(ls_proc two --arg one=a=b)" = '{"one":"a=b","two":null}' ]
	[ "$(get '/two?one=%22%0A%C3%A9&two=')" = '{"one":"\"\né","two":""}' ]
	fails 2 'two: the argument one is missing; it takes one, two?' two
	fails 2 'two: x: no such argument' two --arg one=1 --arg x=1
	fails 2 'two: one: given twice' two --arg one=1 --arg one=1
	fails 2 'write name=value' two --arg one
	run -2 disco-ls --arg one=1
	[[ $output == *'--arg goes with --proc'* ]]
	run -2 disco-ls --proc two -j
	run -2 disco-ls -u "$URL" --proc two --arg one=1 'rdb*'
	[[ $output == *'no patterns'* ]]
	says 400 'two: the argument one is missing; it takes one, two?' /two
	says 400 'two: x: no such argument' '/two?one=1&x=1'
	says 400 'two: one: given twice' '/two?one=1&one=1'
	says 400 'two: one: more than 4096 bytes' "/two?one=$(many 5000)"
	says 400 'more than 64 arguments' "/two?one=1$(printf '&a=%s' {1..64})"
	says 400 "can't be read" '/two?one=%00'
	[ "$(get '' | jq -c '.[] | select(.name == "two")')" = \
		'{"name":"two","words":"Says what it is given.","args":[{"name":"one","optional":false},{"name":"two","optional":true}],"type":"application/json"}' ]
}

@test "names: no path is made of them" {
	rows
	proc good 1
	served
	echo 1 >"$BATS_TEST_TMPDIR/secret.jq"
	[ "$(get /good)" = 1 ]
	for name in ../secret %2e%2e%2fsecret ..%2Fsecret good%2F .new good.jq %2E %00 nosuch \
		"$(many 200)"; do
		[[ $(status "/$name" --path-as-is) == 40[04] ]]
	done
	fails 2 'begin with a dot' ../secret
	fails 2 'no such procedure' nosuch
	fails 2 'letters, digits' 'a/b'
	run -2 disco-ls -u "$URL" --proc nosuch
	[ "$output" = "disco-ls: $URL: $(get /nosuch | jq -r .error)" ]
	[[ $output == *"no such procedure"* ]]
}

@test "a folder of procedures that is named must be there" {
	start_master
	run -3 disco-ls --procs --procs-dir "$BATS_TEST_TMPDIR/nosuch"
	[ "$output" = "disco-ls: $BATS_TEST_TMPDIR/nosuch: No such file or directory" ]
	DISCO_PROCS=/dev/null run -3 disco-ls --procs
	[ "$output" = 'disco-ls: /dev/null: Not a directory' ]
	run -3 disco-ls --procs-dir "$BATS_TEST_TMPDIR/nosuch" --proc summary
	DISCO_PROCS='' disco-ls --procs
}

@test "an own procedure comes before one of ours; what is new is seen; what is bad is said" {
	rows
	served
	[ "$(get /by-host | jq length)" = 1 ]
	proc by-host '"mine"'
	[ "$(get /by-host)" = '"mine"' ]
	[ "$(ls_proc by-host)" = '"mine"' ]
	printf '"changed"\n' >"$BATS_TEST_TMPDIR/procs/by-host.jq"
	[ "$(get /by-host)" = '"changed"' ]
	[ "$(DISCO_PROCS=$BATS_TEST_TMPDIR/procs disco-ls --proc by-host)" = '"changed"' ]
	rm "$BATS_TEST_TMPDIR/procs/by-host.jq"
	[ "$(get /by-host | jq length)" = 1 ]
	proc type $'# type: text/html\r\n# type: x\n1'
	proc args $'# args: a-b\n1'
	proc word nosuch
	ln -s /etc/passwd "$BATS_TEST_TMPDIR/procs/link.jq"
	mkfifo "$BATS_TEST_TMPDIR/procs/fifo.jq"
	head -c 70000 /dev/zero | tr '\0' ' ' >"$BATS_TEST_TMPDIR/procs/large.jq"
	says 500 'type: not a content type' /type
	says 500 'a name has letters' /args
	says 500 'not a regular file' /link
	says 500 'not a regular file' /fifo
	says 500 'larger than 64 KiB' /large
	says 500 'word: nosuch/0 is not defined' /word
	fails 3 'not a regular file' link
	fails 3 'word: nosuch/0 is not defined' word
	grep -q 'link.jq: not a regular file' "$SERVE_LOG"
	[ "$(get '' | jq -c 'map(.name) | index("word", "link")')" = $'9\nnull' ] ||
		[ "$(get '' | jq 'any(.name == "link")')" = false ]
}

@test "it can read no file, no environment, no further input, and end nothing" {
	rows
	echo '{"secret":1}' >"$BATS_TEST_TMPDIR/d.json"
	echo 'def map(f): "mine";' >"$BATS_TEST_TMPDIR/.jq"
	proc import "import \"d\" as \$d {search:\"$BATS_TEST_TMPDIR\"}; \$d"
	proc include "include \"x\"; 1"
	# shellcheck disable=SC2016
	proc env '[$ENV, env]'
	# shellcheck disable=SC2016
	proc loc '$__loc__, input_filename, input_line_number, get_search_list'
	proc map '[1] | map(. + 1)'
	proc input input
	proc inputs '[inputs]'
	proc halt halt
	proc halts '"x" | halt_error'
	proc meta '"d" | modulemeta'
	proc path '.[0] | getpath(["meta"])'
	proc std '"x" | stderr'
	proc error 'error("no\u001b[31m")'
	export HOME=$BATS_TEST_TMPDIR
	served
	for call in import:500:3 include:500:3 input:422:2 inputs:422:2 halt:422:2 halts:422:2 meta:422:2 \
		error:422:2; do
		IFS=: read -r name http code <<<"$call"
		says "$http" "" "/$name"
		words=$(get "/$name" | jq -r .error)
		[ -n "$words" ]
		[[ $words != *secret* ]]
		fails "$code" "disco-ls: $words" "$name"
	done
	[ "$(get /error | jq -r .error)" = 'error: no?[31m' ]
	[ "$(SECRET=1 ls_proc env)" = '[{},{}]' ]
	[ "$(get /env)" = '[{},{}]' ]
	[ "$(get /loc | tail -3)" = $'null\nnull\n[]' ]
	[ "$(ls_proc map)" = '[2]' ]
	[ "$(ls_proc path)" = '{}' ]
	[ "$(get /std)" = '"x"' ]
	run --separate-stderr ls_proc std
	[ -z "$stderr" ]
}

@test "debug is said where somebody reads it, in clean lines" {
	rows
	proc talk '[range(200) | "a\u001b[31m" | debug] | length'
	served
	[ "$(get /talk)" = 200 ]
	wait_for 5 grep -q 'talk: debug: ' "$SERVE_LOG"
	[ "$(grep -c 'talk: debug: ' "$SERVE_LOG")" -le 20 ]
	run ! grep $'\033' "$SERVE_LOG"
	run --separate-stderr ls_proc talk
	[ "$output" = 200 ]
	[[ ${stderr_lines[0]} == 'disco-ls: talk: debug: '* ]]
	[[ $stderr != *$'\033'* ]]
}

@test "what wants too much is stopped, in the same words, and others are served meanwhile" {
	unlimited
	rows
	proc deep 'reduce range(1e6) as $i (null; [.]) | length'
	proc recurse 'def f: 1 + f; f'
	proc giga $'# type: text/plain\nrange(1e9) | "0123456789012345678901234567890123456789"'
	proc spin 'def f: f; f'
	proc hog 'reduce range(99) as $i ("a"; . + .)'
	proc quick '"quick"'
	served --proc-timeout 3s --proc-memory 64
	[ "$(get /quick)" = '"quick"' ]
	for call in deep:503:3 recurse:503:3 giga:422:2; do
		IFS=: read -r name http code <<<"$call"
		says "$http" "" "/$name"
		fails "$code" "disco-ls: $(get "/$name" | jq -r .error)" "$name"
	done
	says 503 'too much memory' /hog
	get /spin -w '\n%{http_code}' >"$BATS_TEST_TMPDIR/spin" &
	spin=$!
	wait_for 5 busy
	for _ in 1 2 3; do [ "$(get /quick --max-time 2)" = '"quick"' ]; done
	[ "$(curl -sS "$URL/healthz")" = ok ]
	wait "$spin"
	grep -q 'spin: stopped: it took longer than 3 s' "$BATS_TEST_TMPDIR/spin"
	[ "$(tail -1 "$BATS_TEST_TMPDIR/spin")" = 503 ]
	[ "$(get /quick)" = '"quick"' ]
	(ulimit -t 1 && fails 3 'spin: stopped: it took too much processor time' spin)
}

@test "a worker that is killed is replaced; without the keeper all else goes on" {
	rows
	proc quick '"quick"'
	served
	[ "$(get /quick)" = '"quick"' ]
	first=$(workers)
	[ -n "$first" ]
	# shellcheck disable=SC2086
	kill -9 $first
	wait_for 5 gone "$first"
	again() { [ "$(get /quick)" = '"quick"' ]; }
	wait_for 5 again
	[ "$(workers)" != "$first" ]
	worker=$(workers)
	kill -9 "$(keeper)"
	wait_for 5 grep -q 'their keeper has ended' "$SERVE_LOG"
	wait_for 5 gone "$worker"
	says 503 "procedures can't be run" /quick
	[ "$(curl -sS "$URL/healthz")" = ok ]
	[ "$(get '' | jq 'length > 8')" = true ]
	curl -sS "$URL/metrics" | grep -q '^disco_proc_workers 0'
}

@test "workers hold nothing of the server: no descriptor, no environment" {
	unlimited
	rows
	proc quick '"quick"'
	SECRET=1 served
	get /quick >/dev/null
	for pid in $(keeper) $(workers); do
		[ "$(find "/proc/$pid/fd" -type l | wc -l)" = 3 ]
		[ "$(readlink "/proc/$pid/fd/1" "/proc/$pid/fd/2")" = $'/dev/null\n/dev/null' ]
		run ! grep -q SECRET "/proc/$pid/environ"
		grep -q '^Seccomp:.2' "/proc/$pid/status"
		grep -q '^NoNewPrivs:.1' "/proc/$pid/status"
	done
	stop_serve
	wait_for 5 gone "$pid"
}

@test "they can be switched off" {
	rows
	served --proc-workers 0
	[ -z "$(keeper)" ]
	says 503 'switched off' /summary
	for bad in '--proc-workers x' '--proc-workers 65' '--proc-timeout 0' '--proc-timeout 61s' \
		'--proc-memory 1' '--max-subscriptions x'; do
		# shellcheck disable=SC2086
		run -2 disco-serve --listen 127.0.0.1:0 $bad
	done
}

@test "a worker that lies harms nobody" {
	rows
	prefix=$BATS_TEST_TMPDIR/prefix
	mkdir -p "$prefix/bin" "$prefix/libexec/disco" "$prefix/share"
	cp "$DISCO_BUILD/bin/disco-serve" "$prefix/bin"
	ln -s "$DISCO_BUILD/share/disco" "$prefix/share/disco"
	{
		echo '#!/usr/bin/python3'
		cat "$WORLD/keeper.py"
	} >"$prefix/libexec/disco/disco-jq"
	chmod +x "$prefix/libexec/disco/disco-jq"
	python3 -c 'import os, sys
lies = [b"o" + bytes(3) + b"\xff\xff\xff\xff", b"o" + bytes(3) + b"\1\0\0\1", b"x" + bytes(7),
	b"d" + bytes(3) + b"\xff\xff\0\0", bytes(8), b"o" + bytes(3) + b"\4\0\0\0abcd", b"l" + bytes(7),
	b"f" + bytes(3) + b"\0\0\1\0", os.urandom(100000), (b"d" + bytes(7)) * 10000]
for n, lie in enumerate(lies):
	open(f"{sys.argv[1]}/lie.{n}", "wb").write(lie)' "$BATS_TEST_TMPDIR"
	PATH=$prefix/bin:$PATH served --proc-timeout 1s
	for lie in "$BATS_TEST_TMPDIR"/lie.*; do
		cp "$lie" "$prefix/libexec/disco/answer"
		[[ $(status /summary) == @(200|50[03]) ]]
		[ "$(curl -sS "$URL/healthz")" = ok ]
	done
	# One that says nothing is late.
	: >"$prefix/libexec/disco/answer"
	says 503 'summary: stopped: it took longer than 1 s' /summary
}

secret() {
	printf '%s' "$1" | sha256sum | cut -d' ' -f1
}

# Tokens: alice calls names* and spin and reads rdb, bob calls names and reads all, carol reads all.
tokens() {
	(
		umask 077
		printf '%s\n' "alice $(secret alice) call:names* call:spin read:rdb*" \
			"bob $(secret bob) call:names read:*" "carol $(secret carol) read:*" \
			"$@" >"$BATS_TEST_TMPDIR/tokens"
	)
}

as() {
	local who=$1
	shift
	"$@" -H "Authorization: Bearer $who"
}

@test "who may call what, and over which rows" {
	rows
	proc names $'# type: text/plain\n.[].process'
	tokens
	served --tokens "$BATS_TEST_TMPDIR/tokens"
	[ "$(as alice get /names)" = $'rdb_1\nrdb_2' ]
	[[ $(as bob get /names) == *$'gw_1\nrdb_1\nrdb_2' ]]
	[ "$(as carol status /names)" = 403 ]
	[ "$(as bob status /summary)" = 403 ]
	[ "$(as bob status /nosuch)" = 403 ]
	[ "$(as alice status /names2)" = 404 ]
	[ "$(status /names)" = 401 ]
	[ "$(as alice get '' | jq -c 'map(.name)')" = '["names"]' ]
	[ "$(DISCO_TOKEN=alice disco-ls -u "$URL" --proc names)" = $'rdb_1\nrdb_2' ]
	DISCO_TOKEN=bob run -2 disco-ls -u "$URL" --proc summary
	[[ $output == *'summary: this token may not call it'* ]]
	[ "$(as carol get '')" = '[]' ]
	as carol curl -sS "$URL/metrics" | grep -q '^disco_proc_failures_total 0'
	[ "$(as alice curl -sS "$URL/metrics" | grep -c '^disco_proc_')" = 0 ]
}

@test "one caller whose calls spin does not keep another waiting" {
	rows
	proc names $'# type: text/plain\n.[].process'
	proc spin 'def f: f; f'
	tokens
	served --tokens "$BATS_TEST_TMPDIR/tokens" --proc-timeout 2s
	spins=()
	for _ in 1 2 3 4 5; do
		as alice get /spin >"$BATS_TEST_TMPDIR/spin" &
		spins+=($!)
	done
	wait_for 5 busy
	for _ in 1 2 3; do [[ $(as bob get /names --max-time 2) == *rdb_2* ]]; done
	wait "${spins[@]}"
	grep -q 'longer than 2 s' "$BATS_TEST_TMPDIR/spin"
	# What was queued behind it is not lost on the others, nor for ever.
	[[ $(as alice get /names) == $'rdb_1\nrdb_2' ]]
}

scene() {
	[ -d "$DISCO_BUILD/tests/browser/node_modules/ws" ] || cannot "no package ws"
	export SERVE MASTER BATS_TEST_TMPDIR
	NODE_PATH=$DISCO_BUILD/tests/browser/node_modules timeout 120 \
		node "$BATS_TEST_DIRNAME/ws.js" "$URL" "$1"
}

@test "by WebSocket: calls, and answers that are sent when they have changed" {
	rows
	proc names $'# type: text/plain\n.[].process'
	# shellcheck disable=SC2016
	proc echo $'# args: a b?\n$args'
	proc many 'range(3)'
	proc fails 'error("it says why")'
	proc bad nosuch
	served --max-subscriptions 4
	scene procs
}

@test "by WebSocket: only what the token may" {
	rows
	proc names $'# type: text/plain\n.[].process'
	proc names2 'length'
	tokens "dan $(secret dan) call:names2"
	served --tokens "$BATS_TEST_TMPDIR/tokens"
	scene proctokens
}
