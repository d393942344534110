#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# messages.bats - send, recv, peek, pub, sub, call, serve and queues

load setup
load waiting

# -- queues ------------------------------------------------------------------------------------

@test "what is sent is received, once, in its order" {
	"$DURE" send --create "$N" one
	"$DURE" send "$N" two
	"$DURE" send --priority 7 "$N" first
	run -0 "$DURE" recv --lines --count 3 "$N"
	[ "$output" = $'first\none\ntwo' ]
	run -1 "$DURE" recv --timeout 0 "$N"
	[ -z "$output" ]
}

@test "any bytes, of any length, none included, are the same afterwards" {
	head -c 3000000 /dev/urandom >"$T/long"
	printf 'a\0b\n\377\033[31m\n\n' >"$T/odd"
	: >"$T/empty"
	for file in long odd empty; do
		"$DURE" send --create "$N" <"$T/$file"
		"$DURE" peek "$N" | cmp - "$T/$file"
		"$DURE" recv "$N" | cmp - "$T/$file"
	done
	"$DURE" send "$N" ""
	run -0 "$DURE" recv --json "$N"
	[ "$(jq -c '[.bytes, .data]' <<<"$output")" = '[0,""]' ]
}

@test "lines and NULs part messages on both sides" {
	printf 'one\n\nthree' | "$DURE" send --create --lines "$N"
	"$DURE" recv --null --count 3 "$N" >"$T/three"
	printf 'one\0\0three\0' | cmp - "$T/three"
	"$DURE" send --null "$N" <"$T/three"
	run -0 "$DURE" recv --lines --follow --timeout 0 "$N"
	[ "$output" = $'one\n\nthree' ]
	: | "$DURE" send --lines "$N"
	run -1 "$DURE" recv --timeout 0 "$N"
}

@test "JSON has the facts, and bytes that are no text as hex" {
	"$DURE" send --create --type 42 --priority 3 "$N" $'quo"te\e'
	printf '\377\0' | "$DURE" send "$N"
	"$DURE" recv --json --count 2 "$N" >"$T/json"
	[ "$(jq -c 'select(.type == 42) | [.priority, .deliveries, .bytes, .data]' "$T/json")" = \
		'[3,1,7,"quo\"te\u001b"]' ]
	[ "$(jq -r 'select(.type == 1) | .data_hex' "$T/json")" = ff00 ]
	run ! grep -q $'\e' "$T/json"
}

@test "selectors" {
	for type in 3 1 2 1; do
		"$DURE" send --create --type $type "$N" "$type"
	done
	run -0 "$DURE" peek --type 2 "$N"
	[ "$output" = 2 ]
	run -0 "$DURE" peek --type -2 "$N"
	[ "$output" = 1 ]
	run -0 "$DURE" peek --type ^3 "$N"
	[ "$output" = 1 ]
	run -0 "$DURE" peek --type ^1 "$N"
	[ "$output" = 3 ]
	run -1 "$DURE" peek --type 9 "$N"
	for wrong in "" x 0 -0 ^ ^^1 --1 1x 1.5 99999999999999999999 " 1" +1; do
		for command in recv peek; do
			run --separate-stderr -2 "$DURE" $command --type "$wrong" "$N"
			[ -z "$output" ]
			[[ $stderr == "dure: $command: --type "* ]]
		done
	done
	for wrong in 0 -1 ^1 x ""; do
		run --separate-stderr -2 "$DURE" send --type "$wrong" "$N" text
		[[ $stderr == "dure: send: --type "* ]]
	done
	run -2 "$DURE" send --priority 32768 "$N" text
	run -2 "$DURE" recv --timeout soon "$N"
	is_figure messages 4
}

@test "peek leaves messages where they are" {
	printf '%s\n' a b c | "$DURE" send --create --lines "$N"
	run -0 "$DURE" peek --index 1 "$N"
	[ "$output" = b ]
	run -0 "$DURE" peek --count 0 --lines "$N"
	[ "$output" = $'a\nb\nc' ]
	run -1 "$DURE" peek --index 3 "$N"
	"$DURE" send "$N" $'red \e[31m and\nmore'
	run -0 "$DURE" peek --list "$N"
	[ "${#lines[@]}" = 5 ]
	holds "ID TYPE PRIORITY" "red .[31m and.more"
	run -4 "$DURE" peek --index 3 --max 3 "$N"
	[ "$output" = red ]
	[[ $output != *$'\e'* ]]
	is_figure messages 4
}

@test "a receiver that is killed while it writes gives the message back" {
	head -c 1000000 /dev/zero | "$DURE" send --create "$N"
	"$DURE" send "$N" second
	piped "$T/pipe" "$DURE" recv "$N"
	# it has begun to write, and the pipe is full
	head -c 1000 <&"$pipe" | wc -c
	until_holds is_figure taken 1
	[ "$(figure holders[0].process)" = "$last" ]
	run -0 "$DURE" queues "$N"
	holds "pid $last: message 1, type 1, delivery 1"
	kill -KILL "$last"
	ends "$last" 137
	exec {pipe}<&-
	"$DURE" recv --json "$N" | jq -c '[.id, .bytes, .deliveries]' >"$T/facts"
	[ "$(cat "$T/facts")" = '[1,1000000,2]' ]
	run -0 "$DURE" recv "$N"
	[ "$output" = second ]
	run -1 "$DURE" recv --timeout 0 "$N"
}

@test "receivers that are killed at any time lose nothing" {
	seq 30000 | "$DURE" send --create --lines "$N"
	for ((kills = 0; kills < 20; kills++)); do
		background "$DURE" recv --follow --lines "$N" >"$T/out.$kills"
		# when it has received some, but not at a moment of our choice
		until_holds test -s "$T/out.$kills" -o "$(figure messages)" = 0
		kill -KILL "$last"
		ends "$last" 137 2>/dev/null
	done
	"$DURE" recv --follow --lines --timeout 0 "$N" >"$T/out.last" || [ $? = 1 ]
	sort -nu "$T"/out.* | cmp - <(seq 30000)
	# each of the dead may have written one that it could not acknowledge any more
	[ "$(cat "$T"/out.* | wc -l)" -le $((30000 + kills)) ]
}

@test "on a terminal a newline ends what does not end with one" {
	for text in text $'line\n'; do
		"$DURE" send --create "$N" "$text"
		run script -qec "'$DURE' recv '$N'; echo end" /dev/null
		[ "$output" = "${text%$'\n'}"$'\r\nend\r' ]
	done
}

@test "who closes the output, or has none, gives the message back" {
	"$DURE" send --create "$N" kept
	run -2 bash -c "'$DURE' recv '$N' >/dev/full"
	holds "cannot be written"
	is_figure messages 1
	run bash -c "trap '' PIPE; { sleep 0.2; exec '$DURE' recv '$N'; } 2>'$T/err' | true; echo \${PIPESTATUS[0]}"
	[ "$output" = 2 ]
	grep -q "cannot be written" "$T/err"
	run bash -c "{ sleep 0.2; exec '$DURE' recv '$N'; } 2>'$T/err' | true; echo \${PIPESTATUS[0]}"
	[ "$output" = 141 ]
	[ ! -s "$T/err" ]
	run -0 "$DURE" recv "$N"
	[ "$output" = kept ]
}

@test "two receivers share: each message goes to one of them" {
	seq 5000 | "$DURE" send --create --lines "$N"
	background "$DURE" recv --follow --lines "$N" >"$T/one"
	one=$last
	background "$DURE" recv --follow --lines "$N" >"$T/two"
	two=$last
	seq 5001 10000 | "$DURE" send --lines --shut "$N"
	ends "$one" 0
	ends "$two" 0
	sort -n "$T/one" "$T/two" | cmp - <(seq 10000)
	# each of them has its part in order
	sort -nc "$T/one"
	sort -nc "$T/two"
}

@test "waiting: until something comes, or until the time is up" {
	"$DURE" send --create "$N" nothing
	"$DURE" recv "$N" >/dev/null
	background "$DURE" recv --lines "$N" >"$T/out"
	until_holds is_asleep "$last"
	"$DURE" send "$N" something
	ends "$last" 0
	[ "$(cat "$T/out")" = something ]
	run -1 "$DURE" recv --timeout 50ms "$N"
	[ -z "$output" ]
}

@test "limits: no room in time is 1, what never fits is 2" {
	"$DURE" send --create --with messages=2,bytes=100,message=60 "$N" one
	"$DURE" send "$N" two
	run --separate-stderr -1 "$DURE" send --timeout 0 "$N" three
	[[ $stderr == *"no room"* ]]
	run -1 "$DURE" send --timeout 0.05 "$N" three
	run -2 "$DURE" send --timeout 0 "$N" "$(printf '%061d' 0)"
	# a sender that waits is let in by a receiver
	background "$DURE" send "$N" three
	until_holds is_asleep "$last"
	"$DURE" recv "$N" >/dev/null
	ends "$last" 0
	is_figure messages 2
	run -2 "$DURE" send --create --with messages=x "$N" four
	run -2 "$DURE" send --create --with nosuch=1 "$N" four
	run -2 "$DURE" send --create --with mode=8 "$N" four
	run -2 "$DURE" send --create --with subscribers=1 "$N" four
	run -2 "$DURE" send --with messages=9 "$N" four
	run -2 "$DURE" send --create sysv:2147483647 four
}

@test "--create makes what was said, and no more than once" {
	"$DURE" send --create --with size=8M,mode=0640 "$N" one
	[ "$(stat -c %a "/dev/shm/dure.$N")" = 640 ]
	[ "$("$DURE" show --json "$N" | jq .segment.size_bytes)" -le $((8 << 20)) ]
	"$DURE" send --create "$N" two
	is_figure messages 2
	is_figure object queue
	# an object's limits are its own: an endless input ends
	"$DURE" send --create --with message=100000 --object small "$N" three
	head -c 100000 /dev/zero | "$DURE" send --object small "$N"
	head -c 100001 /dev/zero >"$T/long"
	for words in "" --lines --null; do
		run -2 "$DURE" send --object small $words "$N" < <(tr '\0' x <"$T/long")
		holds "more than 100000 bytes"
	done
	run -2 "$DURE" send --object small "$N" </dev/zero
	run -2 "$DURE" send --object small --lines "$N" </dev/zero
	[ "$("$DURE" queues --json "$N" | jq '[.channels[].messages] | add')" = 4 ]
}

@test "a shut queue: what is in it is received, then 3" {
	"$DURE" send --create --shut "$N" last
	run --separate-stderr -3 "$DURE" send "$N" more
	[[ $stderr == *"is shut"* ]]
	run -3 "$DURE" recv --count 2 "$N"
	[ "$output" = last ]
	run -3 "$DURE" recv "$N"
	run -0 "$DURE" recv --follow "$N"
	[ "$("$DURE" queues --json "$N" | jq '.channels[0].shut')" = true ]
}

@test "a receiver that waits is told that the queue is shut" {
	"$DURE" send --create "$N" nothing
	"$DURE" recv "$N" >/dev/null
	background "$DURE" recv "$N"
	until_holds is_asleep "$last"
	: | "$DURE" send --lines --shut "$N"
	ends "$last" 3
}

@test "what is cut off is 4" {
	"$DURE" send --create "$N" 1234567890
	run -4 "$DURE" recv --max 4 "$N"
	[ "$output" = 1234 ]
	run -1 "$DURE" recv --timeout 0 "$N"
}

@test "messages expire, and become dead letters after so many deliveries" {
	"$DURE" send --create --with deliveries=1 --expire 10ms "$N" late
	sleep 0.05
	run -1 "$DURE" recv --timeout 0 "$N"
	"$DURE" send "$N" poison
	run bash -c "{ sleep 0.2; exec '$DURE' recv '$N'; } | true; echo \${PIPESTATUS[0]}"
	[ "$output" = 141 ]
	run -1 "$DURE" recv --timeout 0 "$N"
	run -0 "$DURE" peek --dead-letters "$N"
	[ "$output" = poison ]
	run -0 "$DURE" recv --dead-letters "$N"
	[ "$output" = poison ]
}

@test "names: none, of another kind, several" {
	for command in send recv peek pub sub call; do
		run --separate-stderr -2 "$DURE" $command "$N" </dev/null
		[[ $stderr == "dure: $command: "*"$N"* ]]
		[ "${#stderr_lines[@]}" = 1 ]
	done
	"$DURE" send --create "$N" text
	for command in pub sub; do
		run -2 "$DURE" $command "$N" </dev/null
		holds "has no topic"
	done
	run -2 "$DURE" call "$N" </dev/null
	holds "has no service"
	run -2 "$DURE" pub --object queue "$N" </dev/null
	run -2 "$DURE" recv --object nosuch "$N"
	holds nosuch
	"$DURE" send --create --object other "$N" text2
	run -2 "$DURE" recv "$N"
	holds "2 queues" "queue" "other"
	run -0 "$DURE" recv --object other "$N"
	[ "$output" = text2 ]
	run -2 "$DURE" recv --object "" "$N"
	run -2 "$DURE" recv --object "$(printf '%0256d' 0)" "$N"
}

@test "a file segment, and a System V one" {
	"$DURE" send --create "$T/segment" text
	run -0 "$DURE" recv "$T/segment"
	[ "$output" = text ]
	"$DURE" rm "$T/segment"
}

@test "escape sequences in names are harmless" {
	name=$'\e]0;title\a\e[2J'
	"$DURE" send --create --object "$name" "$N" text
	"$DURE" send --create --object other "$N" text
	for words in "recv $N" "queues $N" "queues --json $N"; do
		run "$DURE" $words
		[[ $output != *$'\e'* && $output != *$'\a'* ]]
	done
	run -0 "$DURE" recv --object "$name" "$N"
	run -2 "$DURE" record --object "$name" "$N" "$T/no/such"
	[[ $output != *$'\e'* ]]
	"$DURE" send --object "$name" "$N" again
	"$DURE" record --timeout 0 --object "$name" "$N" "$T/tape"
	run -0 "$DURE" replay --json "$T/tape"
	[[ $output != *$'\e'* ]]
}

# -- topics ------------------------------------------------------------------------------------

@test "what is published goes to every subscriber, and history to who asks" {
	"$DURE" pub --create "$N" before
	background "$DURE" sub --lines "$N" >"$T/one"
	one=$last
	background "$DURE" sub --lines --history all "$N" >"$T/two"
	two=$last
	until_holds is_figure 'subscribers | length' 2
	printf '%s\n' a '' c | "$DURE" pub --lines "$N"
	printf 'odd\0\377' | "$DURE" pub --shut "$N"
	ends "$one" 0
	ends "$two" 0
	printf 'a\n\nc\nodd\0\377\n' | cmp - "$T/one"
	printf 'before\na\n\nc\nodd\0\377\n' | cmp - "$T/two"
	run -3 "$DURE" pub "$N" more
}

@test "what is lost is counted on stderr, and is 4" {
	"$DURE" pub --create --with messages=4 "$N" 0
	piped "$T/pipe" "$DURE" sub --lines "$N" 2>"$T/err"
	until_holds is_figure 'subscribers | length' 1
	# it is stuck at the first one, which no pipe has room for
	head -c 1000000 /dev/zero | "$DURE" pub "$N"
	until_holds is_figure 'subscribers[0].loans' 1
	seq 5000 | "$DURE" pub --lines --shut "$N"
	[ "$(figure 'subscribers[0].lag')" = 5000 ]
	tail -c +1000002 <&"$pipe" >"$T/out"
	ends "$last" 4
	exec {pipe}<&-
	# what it lost is what it has not got, and the end it has
	lost=$(sed -n "s/^dure: sub: $N: lost here: //p" "$T/err")
	[ "$lost" -gt 0 ]
	cmp "$T/out" <(seq $((lost + 1)) 5000)
}

@test "policies: block holds the publisher up, evict ends the subscription" {
	"$DURE" pub --create --with messages=4 "$N" 0
	piped "$T/block" "$DURE" sub --policy block "$N"
	block=$last
	piped "$T/evict" "$DURE" sub --policy evict "$N" 2>"$T/err"
	evict=$last
	until_holds is_figure 'subscribers | length' 2
	head -c 1000000 /dev/zero | "$DURE" pub "$N"
	until_holds is_figure 'subscribers | map(.loans) | add' 2
	run -1 "$DURE" pub --lines --timeout 0 "$N" < <(seq 5000)
	holds "no room in time"
	kill -KILL "$block"
	# the dead hold up nobody
	seq 5000 | "$DURE" pub --lines --shut --timeout 20 "$N"
	cat <&"$pipe" >/dev/null
	ends "$evict" 4
	grep -q evicted "$T/err"
	exec {pipe}<&-
	run -2 "$DURE" sub --policy nosuch "$N"
}

@test "sub --create comes first; --count and --timeout end it" {
	background "$DURE" sub --create --count 2 --json "$N" >"$T/out"
	until_holds is_figure 'subscribers | length' 1
	printf '%s\n' one two three | "$DURE" pub --lines "$N"
	ends "$last" 0
	[ "$(jq -c '[.sequence, .lost, .data]' "$T/out")" = $'[0,0,"one"]\n[1,0,"two"]' ]
	run -1 "$DURE" sub --timeout 0 "$N"
	run -0 "$DURE" sub --timeout 0 --history 1 --lines "$N"
	[ "$output" = three ]
	run -2 "$DURE" sub --history some "$N"
}

# -- services ----------------------------------------------------------------------------------

@test "a program answers requests, of any bytes" {
	background "$DURE" serve --create "$N" -- tr a-z A-Z
	until_holds is_figure users 1
	run -0 "$DURE" call "$N" hello
	[ "$output" = HELLO ]
	printf 'a\0\377\n' | "$DURE" call "$N" >"$T/out"
	printf 'A\0\377\n' | cmp - "$T/out"
	run -0 "$DURE" call "$N" ""
	[ -z "$output" ]
	head -c 3000000 /dev/urandom >"$T/long"
	"$DURE" call "$N" <"$T/long" | cmp - <(tr a-z A-Z <"$T/long")
}

@test "the program is told the type and the attempt; options behind -- are its own" {
	background "$DURE" serve --create "$N" -- sh -c 'echo "$DURE_TYPE $DURE_ATTEMPT $1"' -n -n
	until_holds is_figure users 1
	run -0 "$DURE" call --type 9 "$N" ""
	[ "$output" = "9 1 -n" ]
	run -2 "$DURE" serve "$N" -n 1 -- cat
	run -2 "$DURE" serve "$N"
	run -2 "$DURE" serve "$N" --
}

@test "a program that fails refuses; with --retry it is tried again" {
	background "$DURE" serve --create --count 1 "$N" -- sh -c 'exit 3' 2>"$T/err"
	until_holds is_figure users 1
	run --separate-stderr -4 "$DURE" call "$N" x
	[[ $stderr == *refused* ]]
	ends "$last" 4
	grep -q "exit status 3" "$T/err"
	background "$DURE" serve --retry 3 "$N" -- sh -c 'echo $DURE_ATTEMPT; [ $DURE_ATTEMPT = 3 ]' 2>"$T/err"
	until_holds is_figure users 1
	run -0 "$DURE" call "$N" x
	[ "$output" = 3 ]
	kill "$last"
	wait "$last" || true
	background "$DURE" serve --kill-after 50ms --count 1 "$N" -- sleep 60 2>"$T/err"
	until_holds is_figure users 1
	run -4 "$DURE" call "$N" x
	grep -q "took too long" "$T/err"
}

@test "a program that cannot be run is the server's trouble, not the client's" {
	"$DURE" serve --create --timeout 0 "$N" -- cat || [ $? = 1 ]
	background "$DURE" call "$N" x >"$T/out"
	until_holds is_figure messages 1
	run -2 timeout 20 "$DURE" serve "$N" -- "$T/nosuch"
	holds "$T/nosuch"
	"$DURE" serve --count 1 "$N" -- cat
	ends "$last" 0
	[ "$(cat "$T/out")" = x ]
}

@test "a server that is killed: another one answers, or the call fails, as its client said" {
	background "$DURE" serve --create "$N" -- sleep 60
	server=$last
	until_holds is_figure users 1
	background "$DURE" call "$N" patient >"$T/patient"
	patient=$last
	until_holds is_figure taken 1
	[ "$(figure holders[0].process)" = "$server" ]
	kill -KILL "$server"
	wait "$server" || true
	"$DURE" serve --count 1 "$N" -- cat
	ends "$patient" 0
	[ "$(cat "$T/patient")" = patient ]

	background "$DURE" serve "$N" -- sleep 60
	server=$last
	until_holds is_figure users 1
	background "$DURE" call --attempts 1 "$N" once 2>"$T/err"
	until_holds is_figure taken 1
	kill -KILL "$server"
	wait "$server" || true
	ends "$last" 4
	grep -q "server died" "$T/err"
}

@test "no server, no time, shut" {
	"$DURE" serve --create --timeout 0 "$N" -- cat || [ $? = 1 ]
	run -1 "$DURE" call --timeout 50ms "$N" x
	holds "no reply in time"
	run -4 "$DURE" call --expire 50ms "$N" x
	holds "no server took it"
	# what nobody waits for is gone
	is_figure messages 0
}

# -- looking -----------------------------------------------------------------------------------

@test "a reply that the segment has no room for is refused" {
	background "$DURE" serve --create --with size=1M --count 1 "$N" -- head -c 40000000 /dev/zero 2>"$T/err"
	until_holds is_figure users 1
	run -4 "$DURE" call "$N" x
	ends "$last" 4
	grep -q "in one piece" "$T/err"
}

@test "queues: figures, rates, columns" {
	"$DURE" send --create "$N" 12345
	"$DURE" send "$N" 67
	run -0 "$DURE" queues --output NAME,KIND,DEPTH,BYTES,IN,STATE --noheadings "$N"
	has "$N queue queue 2 7B 2 open"
	run -0 "$DURE" queues --output name,depth --filter 'depth > 2' --noheadings
	[ -z "$output" ]
	run -2 "$DURE" queues --output nosuch "$N"
	run -2 "$DURE" queues --filter 'nosuch > 1' "$N"
	background sh -c 'while "$1" send "$2" more; do sleep 0.01; done' sh "$DURE" "$N"
	run -0 "$DURE" queues --json --interval 0.5 "$N"
	[ "$(jq '.interval_s >= 0.5 and .channels[0].in_per_s > 0 and .channels[0].out_per_s == 0' \
		<<<"$output")" = true ]
	kill -KILL "$last"
}

@test "queues sees other kinds, the whole host, and who may not be read" {
	make publisher "$N"
	run -0 "$DURE" queues "$N"
	holds "$N pose" topic subscriber "pid $pid: drop, lost 0, on loan 1"
	run -0 "$DURE" queues --summary
	holds "$N pose"
	[[ $output != *subscriber* ]]
	run -2 "$DURE" queues "$N-nosuch"
}

@test "the example says what it should" {
	PATH=$(dirname "$DURE"):$PATH run -0 "$SOURCE/examples/shell.sh"
	[ "$output" = "$(cat "$SOURCE/examples/expected/shell")" ]
}
