#!/usr/bin/env bats
# The dashboard, in a real browser, against the real server.  Each test is a script in
# tests/browser.
load helper

browse() {
	[ -d "$DISCO_BUILD/tests/browser/node_modules/playwright-core" ] || cannot "no playwright-core"
	[ -d "$DISCO_BUILD/share/disco/web/vendor" ] || cannot "the dashboard was built without npm"
	CHROMIUM=$(command -v chromium) || cannot "no chromium"
	export CHROMIUM DISCO_BUILD URL SERVE MASTER
	node "$BATS_TEST_DIRNAME/browser/$1.js"
}

@test "rows appear, change and go by themselves" {
	start_master
	start_serve
	browse rows
}

@test "the empty page says how to begin" {
	start_master
	start_serve
	browse empty
}

@test "who is killed turns red, who falls silent orange and then red" {
	start_master -w 1s -e 3s
	start_serve
	browse states
}

@test "states, search, services and groups filter, and live in the address" {
	start_master
	start_serve
	browse filters
}

@test "the page says when the server is gone or silent, and resumes" {
	start_master
	start_serve
	browse resume
}

@test "the page says when the master is gone" {
	start_master
	start_serve
	browse master
}

@test "the drawer tells all of one process" {
	start_master
	start_serve
	browse drawer
}

@test "everything can be done with the keyboard" {
	start_master
	start_serve
	browse keyboard
}

@test "no row moves under the pointer, and a click copies an address" {
	start_master
	start_serve
	browse hold
}

@test "notifications come when asked for, and one for many" {
	start_master
	start_serve
	browse notify
}

@test "nothing serious for axe, in light and dark, and on a phone" {
	start_master
	start_serve
	browse access
}

@test "without JavaScript the page says what to do" {
	start_master
	start_serve
	browse noscript
}

@test "markup in a heartbeat is only text" {
	start_master
	start_serve
	browse hostile
}

@test "ten thousand rows" {
	start_master
	start_serve
	browse many
}

@test "over TLS and with a token it shows what that may see, and no more" {
	start_master
	disco-hb -s web -a web:1 web_1
	disco-hb -s db -a db:1 db_1
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost \
		-keyout "$BATS_TEST_TMPDIR/key" -out "$BATS_TEST_TMPDIR/cert" 2>/dev/null
	(umask 077 && echo "web $(printf a-secret | sha256sum | cut -d' ' -f1) read:web" >"$BATS_TEST_TMPDIR/tokens")
	start_serve --cert "$BATS_TEST_TMPDIR/cert" --key "$BATS_TEST_TMPDIR/key" --tokens "$BATS_TEST_TMPDIR/tokens"
	browse token
}

@test "without npm there is a plain page" {
	start_master
	mkdir "$BATS_TEST_TMPDIR/bin"
	local tool
	for tool in sh install rm mv dirname; do
		ln -s "$(command -v "$tool")" "$BATS_TEST_TMPDIR/bin"
	done
	PATH=$BATS_TEST_TMPDIR/bin run "$BATS_TEST_DIRNAME/../web/install" "$BATS_TEST_TMPDIR/web"
	[ "$status" -eq 0 ]
	[ "$output" = "web: no npm: the dashboard is the plain page" ]
	[ ! -e "$BATS_TEST_TMPDIR/web/vendor" ]
	start_serve --web "$BATS_TEST_TMPDIR/web"
	browse plain
}
