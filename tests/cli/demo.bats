#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# demo.bats - dure demo: exact under kills, and says when it is not given what it needs

load setup

# the demo's own segments, by the pid in their names
left_behind() {
	ls /dev/shm | grep -F "dure.demo-$1" || true
}

@test "the count is exact while workers are killed" {
	run --separate-stderr -0 "$DURE" demo --seconds 3 --workers 2 --kill-every 5
	[ -z "$stderr" ]
	holds "coreutils say     the same, word for word"
	[[ $output =~ "bytes leaked      0" ]]
	[[ $output =~ "workers killed    "([0-9]+) ]]
	[ "${BASH_REMATCH[1]}" -ge 50 ]
	[[ $output =~ demo-([0-9]+) ]]
	[ -z "$(left_behind "${BASH_REMATCH[1]}")" ]
	[[ $output != *$'\e'* ]]
	[[ $output != *$'\r'* ]]
}

@test "given files are counted, as coreutils would" {
	printf 'one two two\nthree three three\n' >"$T/a"
	mkdir "$T/d"
	printf 'one\n' >"$T/d/b"
	run -0 "$DURE" demo --seconds 0 --kill-every 0 "$T/a" "$T/d"
	holds "2 files" "three 3" "7, 3 distinct" "workers killed    0"
}

@test "quiet is quiet" {
	run -0 "$DURE" demo --quiet --seconds 1 --workers 2 --kill-every 2
	[ -z "$output" ]
}

@test "no text is trouble" {
	run --separate-stderr -2 "$DURE" demo --seconds 1 "$T/nosuch"
	[[ $stderr == "dure: demo: "*"$T/nosuch"* ]]
	: >"$T/empty"
	run --separate-stderr "$DURE" demo --seconds 0 "$T/empty"
	[ "$status" = 2 ]
	[[ $stderr == "dure: demo: "* ]]
}

@test "it can be interrupted, and leaves nothing" {
	"$DURE" demo --seconds 100 --workers 2 >"$T/out" 2>&1 3>&- &
	demo=$!
	within test -s "$T/out"
	kill -KILL "$demo"
	run wait "$demo"
	# workers go with their parent; the memory goes with the last of them
	is_gone() { ! "$DURE" show "demo-$demo" >/dev/null 2>&1; }
	within is_gone
	run -2 "$DURE" show "demo-$demo"
	rm -f /dev/shm/dure."demo-$demo"*
}
