#!/usr/bin/env bats
# The manual pages: their examples run, their options are the programs'.

load helper

# The literal examples of a page, as a script.
examples() {
	python3 - "$1" <<-'PY'
		import re, sys
		section, literal, out = None, False, []
		for line in open(sys.argv[1]):
		    line = line.rstrip("\n")
		    if line.startswith(".Sh "):
		        section = line[4:]
		    wanted = section == "EXAMPLES" or sys.argv[1].endswith("disco.7")
		    if line.startswith(".Bd -literal"):
		        literal = wanted and "-offset" in line
		        continue
		    if line.startswith(".Ed"):
		        literal = False
		    if wanted and (literal or line.startswith(".Dl ")):
		        line = line[4:] if line.startswith(".Dl ") else line
		        line = re.sub(r"\\\(dq", '"', line)
		        line = re.sub(r"\\\(aq", "'", line)
		        line = line.replace(r"\e", "\\").replace(r"\-", "-").replace(r"\&", "")
		        out.append(line)
		print("\n".join(out))
	PY
}

# run_examples PAGE [SED]: runs a page's examples line by line as one script; every command must
# do its work.
run_examples() {
	local page=$BATS_TEST_DIRNAME/../man/$1 script=$BATS_TEST_TMPDIR/examples
	mkdir -p "$BATS_TEST_TMPDIR/bin"
	for stub in logger poller backup mail; do
		printf '#!/bin/sh\nexit 0\n' >"$BATS_TEST_TMPDIR/bin/$stub"
	done
	printf '#!/bin/sh\nexec sleep 1\n' >"$BATS_TEST_TMPDIR/bin/my-server"
	chmod +x "$BATS_TEST_TMPDIR"/bin/*
	{
		echo "PATH=$BATS_TEST_TMPDIR/bin:\$PATH"
		examples "$page" | sed "${2:-}" | sed -E 's/^[0-9*/]+ [0-9*]+ \* \* \*[[:space:]]+//'
	} >"$script"
	[ "$(wc -l <"$script")" -gt 2 ]
	(cd "$BATS_TEST_TMPDIR" && timeout 60 bash -eu "$script" </dev/null) >"$BATS_TEST_TMPDIR/out" 2>&1 3>&- 4>&- ||
		{
			cat "$script" "$BATS_TEST_TMPDIR/out"
			return 1
		}
}

# Some processes for the examples to talk about.
some_processes() {
	disco-hb -s rdb -a 127.0.0.1:9090 fx_rdb
	disco-hb -s hdb -a 127.0.0.1:9091 fx_hdb
	wait_for 5 is_state fx_hdb active
}

# Changes, so that what waits for some sees them.
keep_changing() {
	(
		exec 3>&-
		while :; do
			disco-hb --state warning --reason "at $SECONDS" changing
			disco-hb changing
			sleep 0.1
		done
	) &
	ends_with_test $!
}

@test "the examples of disco-hb(1)" {
	start_master
	some_processes
	run_examples disco-hb.1
}

@test "the examples of disco-ls(1)" {
	start_master
	some_processes
	run_examples disco-ls.1
}

@test "the examples of disco-watch(1)" {
	start_master
	some_processes
	keep_changing
	run_examples disco-watch.1
}

@test "the examples of disco-http(1)" {
	start_master
	start_serve
	some_processes
	# One spool's processes are carried into another one.
	export DISCO_SPOOL=$BATS_TEST_TMPDIR/other
	start_master
	export url=$URL PATH=$PATH:$DISCO_BUILD/libexec/disco
	run_examples disco-http.1 "s|/run/disco|$DISCO_SPOOL|"
}

@test "the examples of disco-token(1)" {
	run_examples disco-token.1
	[ "$(grep -c . "$BATS_TEST_TMPDIR/secret")" = 1 ]
	[ "$(cat "$BATS_TEST_TMPDIR/tokens")" = 'ops.example - admin' ]
}

@test "the examples of disco-spool(5)" {
	start_master
	run_examples disco-spool.5
}

@test "the examples of disco-master(8)" {
	mkdir "$DISCO_SPOOL"
	# Each of its masters has the spool to itself.
	disco-master() { timeout 1 "$DISCO_BUILD/bin/disco-master" "$@" || test $? = 124 -o $? = 3 -o $? = 0; }
	export -f disco-master
	export DISCO_BUILD
	run_examples disco-master.8
}

# Ends what the examples started.
end_servers() {
	for pid in $(disco-ls -H -t -o pid 'disco-serve@*'); do
		kill "$pid"
	done
}

@test "the examples of disco-serve(8)" {
	start_master
	read -r one two < <(python3 -c 'import socket; s, t = socket.socket(), socket.socket(); s.bind(("127.0.0.1", 0)); t.bind(("127.0.0.1", 0)); print(s.getsockname()[1], t.getsockname()[1])')
	run_examples disco-serve.8 "s/9090/$one/; s/9091/$two/"
	wait_for 5 is_state web_1 active
	wait_for 5 has user web_2 web
	end_servers
}

@test "the examples of disco-protocol(5)" {
	start_master
	start_serve
	export URL
	run_examples disco-protocol.5
	wait_for 5 is_state web_1 warning
}

@test "the examples of disco-procs(7)" {
	start_master
	start_serve
	some_processes
	wait_for 5 is_state fx_rdb active
	export URL
	run_examples disco-procs.7
	grep -q '^fx_rdb' <(tail -1 "$BATS_TEST_TMPDIR/out" | tr -d '"')
}

@test "the tour of disco(7)" {
	# Who types is slower than a master on a busy machine.
	run_examples disco.7 's/^disco-ls$/timeout 20 sh -c "until disco-ls; do :; done"/'
	[ -n "$(ls "$DISCO_SPOOL/hb")" ]
	kill "$(cat "$DISCO_SPOOL/master.lock")"
}

@test "every page has what scripts need: exit statuses and examples" {
	for page in "$BATS_TEST_DIRNAME"/../man/*.[1-8]; do
		grep -qx '.Sh EXAMPLES' "$page"
		[[ $page == *.[57] ]] || grep -qx '.Sh EXIT STATUS' "$page"
	done
}

@test "every option that a program knows is in its page" {
	for program in disco-hb.1 disco-http.1 disco-ls.1 disco-token.1 disco-watch.1 disco-master.8 disco-serve.8; do
		for option in $("${program%.*}" --help | grep -oE -- '--[a-z][a-z-]+' | sort -u); do
			grep -qE "Fl -${option#--}( |\$)" "$BATS_TEST_DIRNAME/../man/$program" ||
				{
					echo "$program: $option"
					return 1
				}
		done
	done
}
