#!/usr/bin/env bats
# The fuzzers, for a while each: what their corpora have taught holds.  "make fuzz" is the long form.

load helper

@test "whatever is read, what we promise of it holds" {
	[ -z "${DISCO_SANITIZED:-}" ] || skip 'the sanitizers are in it anyway'
	echo 'int main(void) { return 0; }' >"$BATS_TEST_TMPDIR/none.c"
	clang-14 -fsanitize=address,undefined -o "$BATS_TEST_TMPDIR/none" "$BATS_TEST_TMPDIR/none.c" ||
		cannot 'no clang-14 with its sanitizers: apt-get install clang-14 libclang-rt-14-dev'
	cd "$BATS_TEST_DIRNAME/.."
	# It is no part of the make that runs us, and gives way to the tests that run beside it.
	local dir=$DISCO_BUILD/fuzz-check
	env -u MAKEFLAGS -u MAKELEVEL nice make -s -j2 fuzz-build FUZZ_B="$dir"
	local files=(duration events heartbeat name notify query said table talk text token) rest
	mapfile -t rest < <(basename -s .c tests/fuzz/*.c | grep -vxF "$(printf '%s\n' "${files[@]}")")
	run -0 nice tests/fuzz/run -s 20 "$dir" "${files[@]}"
	echo "$output"
	[ "$(grep -c 'nothing found$' <<<"$output")" = "${#files[@]}" ]
	run -0 nice tests/fuzz/run -s 2 "$dir" "${rest[@]}"
	echo "$output"
	[ "$(grep -c 'nothing found$' <<<"$output")" = "${#rest[@]}" ]
	[ $((${#files[@]} + ${#rest[@]})) = "$(find tests/fuzz -name '*.c' | wc -l)" ]
}
