#!/usr/bin/env bats
# disco-ls as its users meet it.

load helper

# A spool whose table is written by the test; someone holds the master's lock.
names=$'process\tservice\tstate\tsince\tlastHb\tcounter\tip\taddress\thost\tpid\tversion\tuser\tvia\treason\twarnAfter\terrorAfter\tforgetAfter\theld\tevery\tboot\tstart\tseq\tmeta'

stamp() {
	date -u -d "@$(($(date +%s) - $1))" +%Y-%m-%dT%H:%M:%S.000Z
}

# row NAME SERVICE STATE SINCE_S LAST_S COUNTER ADDRESS REASON SEQ
row() {
	printf '%s\t%s\t%s\t%s\t%s\t%s\t192.0.2.1\t%s\tvm\t812\t\troot\t\t%s\t30\t90\t600\t\t\t\t\t%s\tzone=a\n' \
		"$1" "$2" "$3" "$(stamp "$4")" "$(stamp "$5")" "$6" "$7" "$8" "$9"
}

# event SEQ EVENT FROM ROW...: a line of the log, of a row as row() has it.
event() {
	printf '%s\t%s\t%s\t%s\t' "$1" "$(stamp 0)" "$2" "$3"
	row "${@:4}"
}

# table ROWS: writes it; the rows must be in name order.
table() {
	mkdir -p "$DISCO_SPOOL/hb" "$DISCO_SPOOL/events"
	{
		echo "#disco-table 1 seq=100 time=$(stamp 0) rows=$(printf '%s' "$1" | grep -c .) tick=1000 warnAfter=30 errorAfter=90 forgetAfter=600 log=100:0 later=yes"
		printf '%s\n' "$names"
		[ -z "$1" ] || printf '%s\n' "$1"
	} >"$DISCO_SPOOL/table"
}

hold_lock() {
	python3 - "$DISCO_SPOOL/master.lock" >"$BATS_TEST_TMPDIR/held" 3>&- 4>&- <<-'PY' &
		import fcntl, sys, time
		lock = open(sys.argv[1], "w")
		fcntl.lockf(lock, fcntl.LOCK_EX)
		print("held", flush=True)
		time.sleep(600)
	PY
	ends_with_test $!
	wait_for 10 grep -q held "$BATS_TEST_TMPDIR/held"
}

four() {
	table "$(
		row a_1 a active 100 1 9 h:1 '' 1
		row a_2 a warning 20 40 10 h:2 'silent 30 s' 2
		row b_1 b inactive 300 300 2 '' left 3
		row b_2 b error 60 61 3 '' "dead's \"end\"" 4
	)"
	hold_lock
}

# on_terminal COLUMNS COMMAND...: its output there.
on_terminal() {
	python3 - "$@" <<-'PY'
		import fcntl, os, pty, struct, sys, termios
		pid, fd = pty.fork()
		if pid == 0:
		    fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 24, int(sys.argv[1]), 0, 0))
		    os.environ["TERM"] = "xterm"
		    os.execvp(sys.argv[2], sys.argv[2:])
		out = b""
		while True:
		    try:
		        part = os.read(fd, 65536)
		    except OSError:
		        break
		    if not part:
		        break
		    out += part
		os.waitpid(pid, 0)
		sys.stdout.buffer.write(out.replace(b"\r\n", b"\n"))
	PY
}

@test "the worst come first, then those that have been so for longest" {
	four
	run disco-ls
	[ "$status" = 0 ]
	[[ ${lines[0]} =~ ^PROCESS\ +SERVICE\ +STATE\ +SINCE\ +LAST\ +COUNT\ +ADDRESS\ +HOST\ +REASON$ ]]
	[[ ${lines[1]} =~ ^b_2\ +b\ +error\ +6[0-9]s\ +6[0-9]s\ +3\ +vm\ +dead.*end ]]
	[[ ${lines[2]} =~ ^a_2\ +a\ +warning ]]
	[[ ${lines[3]} =~ ^a_1\ +a\ +active ]]
	[[ ${lines[4]} =~ ^b_1\ +b\ +inactive ]]
	[ "${#lines[@]}" = 5 ]
}

@test "patterns, services and states choose; nothing chosen is 1 without a word" {
	four
	[ "$(disco-ls -H -t -o process 'a_*')" = $'a_1\na_2' ]
	[ "$(disco-ls -H -t -o process b)" = $'b_1\nb_2' ]
	[ "$(disco-ls -H -t -o process a_1 b_2)" = $'a_1\nb_2' ]
	[ "$(disco-ls -H -t -o process -s 'b*')" = $'b_1\nb_2' ]
	[ "$(disco-ls -H -t -o process -S error,warning)" = $'a_2\nb_2' ]
	[ "$(disco-ls -H -t -o process -S error a)" = '' ]
	for mode in '' -j -t -1; do
		# shellcheck disable=SC2086
		run disco-ls $mode nobody
		[ "$status" = 1 ]
		[ -z "$output" ]
	done
}

@test "-t prints all columns as they stand in the table" {
	four
	[ "$(disco-ls -t)" = "$(sed 1d "$DISCO_SPOOL/table")" ]
	[ "$(disco-ls -t -o PROCESS,lastHB,Meta a_1 | head -1)" = $'process\tlastHb\tmeta' ]
	[ "$(disco-ls -t -H -o age a_1)" -lt 60 ]
}

@test "-j prints JSON objects that jq reads, with numbers, booleans and null" {
	four
	[ "$(disco-ls -j | jq -r .process | xargs)" = 'a_1 a_2 b_1 b_2' ]
	[ "$(disco-ls -j b_2 | jq -c '[.state,.active,.error,.counter,.address,.reason,.meta,.handle]')" = \
		'["error",false,true,3,null,"dead'\''s \"end\"",{"zone":"a"},null]' ]
	[ "$(disco-ls -j a_1 | jq 'keys_unsorted[:10] | join(" ")' -r)" = \
		'process handle ip address pid counter lastHb active warning error' ]
	disco-ls -j | jq -e 'select(.age < 0 or (.age | type) != "number")' && false
	true
}

@test "-k sorts numbers as numbers, -r reverses" {
	four
	[ "$(disco-ls -H -t -o process -k counter | xargs)" = 'b_1 b_2 a_1 a_2' ]
	[ "$(disco-ls -H -t -o process -r -k counter | xargs)" = 'a_2 a_1 b_2 b_1' ]
	[ "$(disco-ls -H -o process -k address | xargs)" = 'b_1 b_2 a_1 a_2' ]
	[ "$(disco-ls -H -t -o process -r | xargs)" = 'b_2 b_1 a_2 a_1' ]
	[ "$(disco-ls -H -o process -r | xargs)" = 'b_1 a_1 a_2 b_2' ]
}

@test "a heading of the list names its column" {
	four
	[ "$(disco-ls -H -t -o process -k count | xargs)" = 'b_1 b_2 a_1 a_2' ]
	[ "$(disco-ls -H -t -o process -k LAST | xargs)" = "$(disco-ls -H -t -o process -k lastHb | xargs)" ]
	[ "$(disco-ls -o last,Count a_1 | head -1 | xargs)" = 'LAST COUNT' ]
	[ "$(disco-ls -t -o last,count a_1 | head -1)" = $'lastHb\tcounter' ]
}

@test "-1 prints the address of an active one, and in time of each" {
	table "$(
		row a_1 a active 1 1 1 h:1 '' 1
		row a_2 a active 1 1 1 h:2 '' 2
		row a_3 a error 1 1 1 h:3 '' 3
		row a_4 a active 1 1 1 '' '' 4
	)"
	hold_lock
	seen=$(for _ in {1..40}; do disco-ls -1 a; done | sort -u | xargs)
	[ "$seen" = 'h:1 h:2' ]
	[ "$(disco-ls -1 -o host,pid a_1)" = $'vm\t812' ]
	[ "$(disco-ls -1 -S error a)" = h:3 ]
	run ! disco-ls -1 a_3
	run disco-ls -1 a_4
	[ "$status" = 1 ]
	[ -z "$output" ]
}

@test "asked wrongly: 2, and what is right" {
	four
	run disco-ls -o process,nope
	[ "$status" = 2 ]
	[[ $output == *'no column nope'*lastHb*age* ]]
	run disco-ls -k nope
	[ "$status" = 2 ]
	run disco-ls -S dead
	[ "$status" = 2 ]
	[[ $output == *'active, warning, error or inactive'* ]]
	run disco-ls --why 'a_*'
	[ "$status" = 2 ]
	[ "$output" = 'disco-ls: --why takes one name, no pattern' ]
	for wrong in -x '-1 -j' '-j -o pid' '--why a b' '--why a/b' "''"; do
		eval "run disco-ls $wrong"
		[ "$status" = 2 ]
		[ -n "$output" ]
	done
}

@test "without a spool: 3, and what to do" {
	run disco-ls
	[ "$status" = 3 ]
	[ "$output" = "disco-ls: $DISCO_SPOOL: no spool here; start disco-master, or name another with -d" ]
	run --separate-stderr disco-ls --check
	[ "$status" = 3 ]
	[ -z "$stderr" ]
	[[ $output == 'DISCO UNKNOWN - '*': no spool here; start disco-master'* ]]
}

@test "a table that is torn, binary or of another version is refused" {
	four
	good=$(cat "$DISCO_SPOOL/table")
	refused() {
		run disco-ls
		[ "$status" = 3 ]
		[[ $output == *'not a table of this version' ]]
		run disco-ls -1 -s a
		[ "$status" = 3 ]
		[[ $output == *'not a table of this version' ]]
	}
	printf '%s' "$good" >"$DISCO_SPOOL/table"
	refused
	printf '%s\n' "$good" | head -5 >"$DISCO_SPOOL/table"
	refused
	printf '%s\n' "$good" | sed '4s/warning.*/warning/' >"$DISCO_SPOOL/table"
	refused
	printf '%s\n' "$good" | sed '5s/inactive.*//' >"$DISCO_SPOOL/table"
	refused
	printf '%s\n' "$good" | sed '1s/table 1/table 2/' >"$DISCO_SPOOL/table"
	refused
	printf '%s\n' "$good" | sed '3s/vm/v\x00/' >"$DISCO_SPOOL/table"
	refused
	: >"$DISCO_SPOOL/table"
	refused
	rm "$DISCO_SPOOL/table"
	ln -s /etc/passwd "$DISCO_SPOOL/table"
	refused
}

@test "events after the table count, torn ones do not" {
	four
	{
		event 101 error active a_1 a error 0 1 9 h:1 boom 101
		event 102 forgotten inactive b_1 b inactive 300 300 2 '' left 3
		event 103 joined '' c_1 c active 0 0 1 h:9 '' 103 | head -c 77
	} >"$DISCO_SPOOL/events/00000000000000000100"
	[ "$(disco-ls -H -t -o process,state,reason | head -1)" = $'a_1\terror\tboom' ]
	[ "$(disco-ls -H -t -o process | xargs)" = 'a_1 a_2 b_2' ]
}

@test "who asks for a service has it as the events after the table left it" {
	table "$(
		row a_1 a active 100 1 9 h:1 '' 1
		row a_2 a active 100 1 9 h:2 '' 2
		row a_3 a active 100 1 9 h:3 '' 3
		row b_1 b active 100 1 9 h:4 '' 4
		row b_2 b active 100 1 9 h:5 '' 104
	)"
	hold_lock
	{
		event 101 changed active a_1 b active 100 1 9 h:1 '' 101
		event 102 forgotten active a_2 a active 100 1 9 h:2 '' 2
		event 103 changed active b_2 a active 100 1 9 h:5 '' 103
		event 104 changed active b_2 b active 100 1 9 h:5 '' 104
		event 105 changed active b_1 a active 100 1 9 h:4 '' 105
		event 106 forgotten active a_3 a active 100 1 9 h:3 '' 3
	} >"$DISCO_SPOOL/events/00000000000000000100"
	[ "$(disco-ls -H -t -s a -o process | xargs)" = b_1 ]
	[ "$(disco-ls -1 -s a)" = h:4 ]
	[ "$(disco-ls -H -t -s b -o process | xargs)" = 'a_1 b_2' ]
	[ "$(disco-ls -H -t -o process | xargs)" = 'a_1 b_1 b_2' ]
	run ! disco-ls -1 a_2
}

@test "a terminal shows colours, and cuts where it ends" {
	four
	on_terminal 40 disco-ls >"$BATS_TEST_TMPDIR/out"
	grep -q $'\033\[31merror\033\[0m' "$BATS_TEST_TMPDIR/out"
	while read -r line; do
		[ "${#line}" -le 40 ]
	done < <(sed 's/\x1b\[[0-9;]*m//g' "$BATS_TEST_TMPDIR/out")
	grep -q '…' "$BATS_TEST_TMPDIR/out"
	NO_COLOR=1 on_terminal 200 disco-ls -o process,state,reason >"$BATS_TEST_TMPDIR/out"
	run ! grep -q $'\033' "$BATS_TEST_TMPDIR/out"
	[ "$(cat "$BATS_TEST_TMPDIR/out")" = "$(disco-ls -o process,state,reason)" ]
}

@test "a narrow terminal loses whole columns, and no address is cut" {
	long=a_name_that_is_forty_three_bytes_long_indeed
	table "$(
		row "$long" "$long" error 10 10 1 192.0.2.17:5010 'closed without leaving the room' 1
		row b_1 b active 10 10 1 192.0.2.17:5011 '' 2
	)"
	hold_lock
	head_() { NO_COLOR=1 on_terminal "$1" disco-ls | head -1 | xargs; }
	[ "$(head_ 200)" = 'PROCESS SERVICE STATE SINCE LAST COUNT ADDRESS HOST REASON' ]
	[ "$(head_ 120)" = 'PROCESS STATE SINCE LAST COUNT ADDRESS REASON' ]
	[ "$(head_ 80)" = 'PROCESS STATE SINCE LAST REASON' ]
	[ "$(head_ 24)" = 'PROCESS STATE' ]
	NO_COLOR=1 on_terminal 80 disco-ls | grep -q 'error .* closed without leaving …'
	for width in {1..180..11}; do
		NO_COLOR=1 on_terminal "$width" disco-ls >"$BATS_TEST_TMPDIR/out"
		run ! grep -E '192[^ ]*…|^.* [A-Z]+…' "$BATS_TEST_TMPDIR/out"
		[ "$(wc -L <"$BATS_TEST_TMPDIR/out")" -le "$width" ]
	done
	[ "$(NO_COLOR=1 on_terminal 60 disco-ls -o process,host,reason | head -1 | xargs)" = \
		'PROCESS HOST REASON' ]
}

@test "a terminal has bold headings, and is told that there is nothing" {
	four
	[[ $(on_terminal 80 disco-ls | head -1) == $'\033[1mPROCESS '*$'REASON\033[0m' ]]
	[ "$(on_terminal 80 disco-ls nobody)" = $'\033[2mno process\033[0m' ]
	[ "$(NO_COLOR=1 on_terminal 80 disco-ls nobody)" = 'no process' ]
	[ "$(on_terminal 80 sh -c 'disco-ls nobody 2>/dev/null; echo $?')" = 1 ]
	run disco-ls nobody
	[ -z "$output" ]
}

@test "hostile values can't command the terminal" {
	table "$(row a_1 a active 1 1 1 $'h:\033[31m' $'\302\233x\033]0;y\007' 1)"
	hold_lock
	run ! grep -q $'[\033\007]' <(disco-ls)
	disco-ls -j | jq -e .reason
	run ! grep -q $'[\033\007]' <(disco-ls -j)
}

@test "--check answers as a plug-in" {
	four
	run disco-ls --check
	[ "$status" = 2 ]
	[ "$output" = 'DISCO CRITICAL - 1 error, 1 warning, 1 active, 1 inactive: b_2 (dead'\''s "end"), a_2 (silent 30 s) | active=1 warning=1 error=1 inactive=1' ]
	run disco-ls --check a_1
	[ "$status" = 0 ]
	[ "$output" = 'DISCO OK - 1 active | active=1 warning=0 error=0 inactive=0' ]
	run disco-ls --check a
	[ "$status" = 1 ]
	run disco-ls --check nobody
	[ "$status" = 3 ]
}

@test "--check names five at most" {
	table "$(for i in 1 2 3 4 5 6 7; do row "a_$i" a error 1 1 1 '' '' "$i"; done)"
	hold_lock
	[[ $(disco-ls --check) == *': a_1, a_2, a_3, a_4, a_5, ... |'* ]]
}

@test "--check names the worst first, with a reason that ends no sooner than it should" {
	table "$(
		row a_1 a error 10 10 1 '' 'a | b' 1
		row a_2 a error 99 99 1 '' $'gone\033[31m' 2
		row a_3 a warning 300 300 1 '' slow 3
	)"
	hold_lock
	[[ $(disco-ls --check) == *': a_2 (gone?[31m), a_1 (a / b), a_3 (slow) | active=0'* ]]
}

@test "-q runs a jq program over each row" {
	four
	[ "$(disco-ls -q '.process')" = $'a_1\na_2\nb_1\nb_2' ]
	[ "$(disco-ls -q '{process,counter}' a_1)" = '{"process":"a_1","counter":9}' ]
	run disco-ls -q 'select(false)'
	[ "$status" = 1 ]
	[ -z "$output" ]
}

@test "-q: a bad program is 2, one that must be stopped is 3" {
	four
	run disco-ls -q '.['
	[ "$status" = 2 ]
	[[ $output == 'disco-ls: -q: syntax error'* ]]
	run disco-ls -q input
	[ "$status" = 2 ]
	[ "$output" = 'disco-ls: -q: a_1: there is no input here' ]
	run disco-ls -q ''
	[ "$status" = 2 ]
	[ -z "$DISCO_SANITIZED" ] || return 0 # it has no limits
	run disco-ls -q 'reduce range(1e6) as $i (null;[.]) | length'
	[ "$status" = 3 ]
	[[ $output == 'disco-ls: -q: stopped: '* ]]
}

@test "a full disk under the output is 3" {
	four
	for mode in '' -j -t -1 --check '--why a_1' '-q .'; do
		status=0
		# shellcheck disable=SC2086
		disco-ls $mode 2>"$BATS_TEST_TMPDIR/err" >/dev/full || status=$?
		[ "$status" = 3 ]
		grep -q 'No space left' "$BATS_TEST_TMPDIR/err"
	done
}

@test "a reader that has enough is no error" {
	table "$(for i in {100..400}; do row "a_$i" a active 1 1 1 '' '' "$i"; done)"
	hold_lock
	[ "$(disco-ls -j 2>&1 | head -1 | jq -r .process)" = a_100 ]
	[ "$(disco-ls -q .process 2>&1 | head -1)" = a_100 ]
}

@test "without a master the heartbeat files are judged, and it is said" {
	start_master
	disco-hb -s rdb -a h:1 fx_rdb
	wait_for 5 is_state fx_rdb active
	stop_master
	disco-hb -s rdb -a h:2 later
	disco-hb --state warning --reason 'disk 5 %' fx_rdb
	run --separate-stderr disco-ls -H -t -o process,state,reason
	[ "$status" = 0 ]
	[ "$output" = $'fx_rdb\twarning\tdisk 5 %\nlater\tactive\t' ]
	[[ $stderr == *'no master runs since '*'judged from the heartbeat files' ]]
	disco-hb -s other -a h:3 fx_rdb
	[ "$(disco-ls -1 -s other 2>/dev/null)" = h:3 ]
	run disco-ls --check later
	[ "$status" = 3 ]
	[[ $output == 'DISCO UNKNOWN - no master runs; '* ]]
}

@test "a master that hangs is told from one that runs" {
	start_master
	disco-hb fx_rdb
	wait_for 5 is_state fx_rdb active
	kill -STOP "$MASTER"
	is_told() { disco-ls 2>&1 >/dev/null | grep -q 'the master is stuck since'; }
	wait_for 5 is_told
	kill -CONT "$MASTER"
	isnt_told() { ! is_told; }
	wait_for 5 isnt_told
}

@test "--why tells why, by what, and what comes next" {
	start_master -w 40s
	disco-hb -s rdb -w 45s -e 5m fx_rdb
	disco-hb --state error --reason 'out of disk' ill
	wait_for 5 is_state ill error
	run disco-ls --why fx_rdb
	[ "$status" = 0 ]
	[[ $output == *'fx_rdb is active since 20'* ]]
	[[ $output == *"by the change time of $DISCO_SPOOL/hb/fx_rdb, stamped by the kernel"* ]]
	[[ $output == *"belongs to $(id -un) and is not held"* ]]
	[[ $output == *'a warning after 45 s (its sender asks for it), an error after 5 min (its sender asks for it)'* ]]
	[[ $output == *'Without a beat it turns warning in '*', error in '* ]]
	run disco-ls --why ill
	[[ $output == *'ill is error since '*': out of disk.'* ]]
	[[ $output == *"a warning after 40 s (the master's default)"* ]]
	[[ $output == *'is forgotten in '* ]]
}

@test "--why: who says that it is silent is not judged by silence" {
	start_master -w 1s -e 2s -f 1h
	disco-hb --state error --reason 'silent 12 s' -w 1h -e 2h -f 3h said
	disco-hb --state error -w 1h -e 2h -f 3h bare
	disco-hb fell
	wait_for 5 is_state said error
	wait_for 5 is_state bare error
	for name in said bare; do
		run disco-ls --why $name
		[[ $output == *'A mere beat does not end this.'* ]]
	done
	wait_for 5 is_state fell warning
	[[ $(disco-ls --why fell) == *'A beat would make it active again.'* ]]
	wait_for 5 is_state fell error
	[[ $(disco-ls --why fell) == *'A beat would make it active again.'* ]]
	[[ $(disco-ls --why said) == *'A mere beat does not end this.'* ]]
}

@test "--why: of the messenger's health only where silence judges" {
	start_master
	start_serve
	disco-hb -u "$URL" well
	disco-hb -u "$URL" --state error --reason 'connection closed' said
	wait_for 5 is_state said error
	wait_for 5 is_state well active
	[[ $(disco-ls --why well) == *'Its beats come through disco-serve'*', so while that is not active it goes no further than warning.'* ]]
	run disco-ls --why said
	[[ $output == *'Its beats come through disco-serve'* ]]
	[[ $output != *'no further than warning'* ]]
	[[ $output == *'if its sender holds a connection there, the end of that is noticed at once.'* ]]
}

@test "--why counts in two units" {
	table "$(
		row a_1 a active 11530 0 1 '' '' 1
		row a_2 a inactive 273700 273700 1 '' left 2
	)"
	hold_lock
	run disco-ls --why a_1
	[[ $output == *', 3h12m ago: it beats.'* ]]
	[[ $output =~ 'and is forgotten in 9m5'[0-9]s,\ at ]]
	[[ $(disco-ls --why a_2) == *', 3d4h ago: left.'* ]]
}

@test "--why on a terminal breaks its lines between words" {
	table "$(row a_1 a error 60 60 1 '' 'größer als die Platte, die wir haben' 1)"
	hold_lock
	disco-ls --why a_1 | tr '\n' ' ' | sed 's/[0-9:.]*[0-9][dhmsZ]//g' >"$BATS_TEST_TMPDIR/piped"
	on_terminal 50 disco-ls --why a_1 >"$BATS_TEST_TMPDIR/out"
	[ "$(tr '\n' ' ' <"$BATS_TEST_TMPDIR/out" | sed 's/[0-9:.]*[0-9][dhmsZ]//g')" = "$(cat "$BATS_TEST_TMPDIR/piped")" ]
	[ "$(grep -v / "$BATS_TEST_TMPDIR/out" | wc -L)" -le 50 ]
	[ "$(grep -v / "$BATS_TEST_TMPDIR/out" | wc -L)" -gt 40 ]
}

@test "--why of a held process, one whose file is refused, and nobody" {
	start_master
	disco-hb -i 10s held 3>&- &
	ends_with_test $!
	wait_for 5 has held held locked
	run disco-ls --why held
	[[ $output == *'is held: when its sender closes it, it is error at once'* ]]
	[[ $output == *'It promises a beat every 10 s.'* ]]
	[[ $output == *'it is not forgotten'* ]]
	echo nonsense >"$DISCO_SPOOL/hb/broken"
	ln -s /etc/passwd "$DISCO_SPOOL/hb/linked"
	for name in broken linked; do
		run disco-ls --why "$name"
		[ "$status" = 1 ]
		[[ $output == *"$name is no heartbeat"*:* ]]
	done
	run disco-ls --why nobody
	[ "$status" = 1 ]
	[ -z "$output" ]
	on_terminal 80 disco-ls --why nobody >"$BATS_TEST_TMPDIR/out" || true
	[ "$(tr -d '\r' <"$BATS_TEST_TMPDIR/out")" = 'disco-ls: nobody: no such process' ]
}

@test "bash completes processes, columns and states" {
	four
	complete_() {
		bash -c 'source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _disco_ls; echo "${COMPREPLY[*]}"' \
			"$BATS_TEST_DIRNAME/../lib/completion/disco.bash" "$@"
	}
	[ "$(complete_ disco-ls b_)" = 'b_1 b_2' ]
	[ "$(complete_ disco-ls -k las)" = lastHb ]
	[ "$(complete_ disco-ls -S error,wa)" = error,warning ]
	zsh -n "$BATS_TEST_DIRNAME/../lib/completion/_disco"
}

@test "bash and zsh complete every option of every program" {
	local program option file
	for program in disco-hb disco-ls disco-watch disco-master disco-serve disco-http; do
		[ "$(bash -c 'source "$0"; complete -p "$1"' "$BATS_TEST_DIRNAME/../lib/completion/disco.bash" "$program")" ]
		grep -q "^#compdef.* $program" "$BATS_TEST_DIRNAME/../lib/completion/_disco"
		for option in $("$program" --help | grep -oE -e '--[a-z-]+' | sort -u); do
			for file in disco.bash _disco; do
				grep -qE -e "(^|[^a-z-])$option([^a-z-]|\$)" "$BATS_TEST_DIRNAME/../lib/completion/$file" || {
					echo "$file: $program $option"
					return 1
				}
			done
		done
	done
}

@test "a master that has begun and has no table yet hides nothing" {
	start_master -t 1h
	kill -STOP "$MASTER"
	disco-hb -s a f_1
	disco-hb -s b f_2
	run disco-ls
	[ "$status" = 1 ] # it has a table, and did not see them
	rm "$DISCO_SPOOL/table"
	[ "$(disco-ls -j 2>&1 | jq -r .process)" = "$(printf 'f_1\nf_2')" ]
	[ "$(disco-ls -j -s b | jq -r .process)" = f_2 ]
	kill -CONT "$MASTER"
}
