#!/usr/bin/env bats
# disco-serve's WebSocket, as a client sees it that is not ours; the scenes are in ws.js.
load helper

scene() {
	[ -d "$DISCO_BUILD/tests/browser/node_modules/ws" ] || cannot "no package ws"
	[ -n "${MASTER:-}" ] || start_master
	start_serve
	ulimit -n 4096 2>/dev/null || true
	export SERVE MASTER
	NODE_PATH=$DISCO_BUILD/tests/browser/node_modules timeout 120 \
		node "$BATS_TEST_DIRNAME/ws.js" "$URL" "$1"
	run ! grep -v -e master -e ': refused ' "$SERVE_LOG"
}

@test "silence, hello, the rows, beats and changes" {
	scene basics
}

@test "a subscription gives what it asks for, and can be changed" {
	scene subscriptions
}

@test "strips, history, services, and errors for the rest" {
	scene answers
}

@test "the original's page works as it is" {
	scene original
}

@test "fragments and pings; too large, binary, not UTF-8" {
	scene frames
}

@test "malformed frames" {
	scene malformed
}

@test "pages and names of strangers, and old versions" {
	scene strangers
}

@test "a thousand clients, fifty of which stall for a while" {
	scene thousand
}

@test "rows that beat while they come are not sent again" {
	scene overtaken
}

@test "one that never reads costs bounded memory and delays nobody" {
	scene slow
}

@test "one that asks without reading is not heard" {
	scene flood
}

@test "one that asks for much at once costs bounded memory" {
	scene greedy
}

@test "rows that are forgotten by the hundred are gone" {
	# Slow as it may be, all are there before the first goes.
	start_master -t 2s -w 1s -e 3s -f "${DISCO_SANITIZED:+1}6s"
	scene forgotten
}

@test "the server's end is said" {
	scene end
}

@test "the master's end is said" {
	scene master
}
