#!/usr/bin/env bats
# disco-jq: programs that others wrote, run over rows.

load helper

jq_() {
	printf '%s\n' '{"process":"a","counter":3,"tags":["x"]}' '{"process":"b","counter":4,"tags":[]}' |
		HOME=$BATS_TEST_TMPDIR "$DISCO_BUILD/libexec/disco/disco-jq" "$@"
}

# fails STATUS WORDS PROGRAM
fails() {
	run jq_ "$3"
	echo "$output"
	[ "$status" = "$1" ]
	[[ $output == *"$2"* ]]
}

@test "results, one a line: strings raw, all else compact" {
	[ "$(jq_ .process)" = $'a\nb' ]
	[ "$(jq_ '.counter,.tags,null')" = $'3\n["x"]\nnull\n4\n[]\nnull' ]
	[ "$(jq_ '.tags[]')" = x ]
	[ "$(jq_ '.process|test("b")')" = $'false\ntrue' ]
}

@test "no result at all is 1" {
	fails 1 '' 'select(false)'
	[ -z "$output" ]
}

@test "a last line without its newline counts" {
	[ "$(printf '{"a":1}' | "$DISCO_BUILD/libexec/disco/disco-jq" .a)" = 1 ]
}

@test "a bad program is 2, in one clean line" {
	fails 2 'syntax error' '.['
	[ "${#lines[@]}" = 1 ]
	fails 2 'nosuch/0 is not defined' nosuch
	fails 2 usage ''
}

@test "an error in a row is said once, and the others go on" {
	run jq_ 'if .counter == 3 then error("no\u001b[31m\nx") else .process end'
	[ "$status" = 2 ]
	[ "$output" = $'disco-jq: a: no?[31m\nb' ]
	run jq_ '.process|tonumber'
	[ "${#lines[@]}" = 1 ]
}

@test "it knows nothing of the environment, of files and of other rows" {
	[ "$(SECRET=1 jq_ '[env, $ENV] | tojson' | head -1)" = '[{},{}]' ]
	echo 'def map(f): "mine";' >"$BATS_TEST_TMPDIR/.jq"
	[ "$(jq_ '[1] | map(.)' | head -1)" = '[1]' ]
	fails 2 'unexpected include' 'include "x"; .'
	echo '{"a":1}' >"$BATS_TEST_TMPDIR/d.json"
	fails 2 '' "import \"d\" as \$d {search:\"$BATS_TEST_TMPDIR\"}; \$d"
	[[ $output != *'"a"'* ]]
	fails 2 '' input
	[ "$(jq_ '[inputs]' 2>/dev/null | head -1)" = '[]' ] || fails 2 '' '[inputs]'
}

@test "it writes nothing but results" {
	run --separate-stderr jq_ '"x" | stderr | debug'
	[ "$status" = 0 ]
	[ "$output" = $'x\nx' ]
	[ -z "$stderr" ]
}

@test "endless programs and those that want too much are stopped" {
	[ -z "$DISCO_SANITIZED" ] || skip "the limits are off under a sanitizer"
	status=0
	(ulimit -t 1 && jq_ 'def f: f; f') || status=$?
	[ "$status" -gt 128 ]
	run jq_ '[limit(1e9; repeat("aaaaaaaaaaaaaaaaaaaa"))]'
	[ "$status" -ge 3 ]
	run jq_ 'reduce range(1e6) as $i (null;[.]) | length'
	[ "$status" -ge 3 ]
}

@test "a full disk is 3" {
	status=0
	jq_ . >/dev/full 2>"$BATS_TEST_TMPDIR/err" || status=$?
	[ "$status" = 3 ]
	grep -q 'No space left' "$BATS_TEST_TMPDIR/err"
}
