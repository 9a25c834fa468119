#!/usr/bin/env bats
# The fuzzers, for a moment each: what their corpora have taught holds.  "make fuzz" is the long form.

load helper

@test "whatever is read, what we promise of it holds" {
	[ -z "${DISCO_SANITIZED:-}" ] || skip 'the sanitizers are in it anyway'
	echo 'int main(void) { return 0; }' >"$BATS_TEST_TMPDIR/none.c"
	clang-14 -fsanitize=address,undefined -o "$BATS_TEST_TMPDIR/none" "$BATS_TEST_TMPDIR/none.c" ||
		cannot 'no clang-14 with its sanitizers: apt-get install clang-14 libclang-rt-14-dev'
	cd "$BATS_TEST_DIRNAME/.."
	# It is no part of the make that runs us; and fast code would take longer to make than to run.
	run -0 env -u MAKEFLAGS -u MAKELEVEL make -s -j2 fuzz FUZZ_B="$DISCO_BUILD/fuzz-check" FUZZ_CFLAGS=-O0 \
		SECONDS=1
	echo "$output"
	[ "$(grep -c 'nothing found$' <<<"$output")" = "$(find tests/fuzz -name '*.c' | wc -l)" ]
}
