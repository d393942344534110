#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# recordings.bats - record and replay: what is in the file is what was sent, or it is refused

load setup
load waiting

@test "a queue: recorded, printed, replayed" {
	"$DURE" send --create --type 7 --priority 9 "$N" seven
	printf 'a\0\377' | "$DURE" send "$N"
	"$DURE" send "$N" ""
	run -0 "$DURE" record --timeout 0 "$N" "$T/tape"
	is_figure messages 0
	run -0 "$DURE" replay --json "$T/tape"
	[ "$(jq -c '[.type, .priority, .data, .data_hex]' <<<"$output")" = \
		$'[7,9,"seven",null]\n[1,0,null,"6100ff"]\n[1,0,"",null]' ]
	"$DURE" replay "$T/tape" "$N"
	"$DURE" replay - "$N" <"$T/tape"
	"$DURE" recv --json --follow --timeout 0 "$N" |
		jq -c '[.type, .priority, .data, .data_hex]' | sort >"$T/out"
	[ "$(uniq -c "$T/out" | awk '{print $1}' | xargs)" = "2 2 2" ]
	# an old file is left alone
	run -2 "$DURE" record --timeout 0 "$N" "$T/tape"
	holds "File exists"
	run -1 "$DURE" record --timeout 0 "$N" "$T/none"
	run -0 "$DURE" replay "$T/none" "$N"
}

@test "a topic: recorded until it is told to end, replayed into another one" {
	background "$DURE" record --topic --create --with messages=2000 --history all "$N" "$T/tape"
	until_holds is_figure 'subscribers | length' 1
	seq 1000 | "$DURE" pub --lines "$N"
	until_holds is_figure 'subscribers[0].lag' 0
	kill -TERM "$last"
	status=0
	wait "$last" || status=$?
	[ "$status" = 0 ] || [ "$status" = 4 ]
	"$DURE" replay --json "$T/tape" >"$T/json"
	[ "$(jq -s 'length + (map(.lost) | add)' "$T/json")" = 1000 ]
	background "$DURE" sub --create --object copy --policy block --lines --count "$(wc -l <"$T/json")" "$N" >"$T/out"
	until_holds sh -c '[ "$("$1" queues --json "$2" | jq "[.channels[].subscribers[]] | length")" = 1 ]' \
		sh "$DURE" "$N"
	"$DURE" replay --object copy "$T/tape" "$N"
	ends "$last" 0
	jq -r .data "$T/json" | cmp - "$T/out"
	run -2 "$DURE" record --topic --type 1 "$N" "$T/tape2"
	run -2 "$DURE" record --block "$N" "$T/tape2"
}

@test "a recorder that is killed loses nothing; its file is cut, and says so" {
	seq 20000 | "$DURE" send --create --lines "$N"
	background "$DURE" record "$N" "$T/tape"
	until_holds sh -c '[ "$(stat -c %s "$1" 2>/dev/null || echo 0)" -gt 10000 ]' sh "$T/tape"
	kill -KILL "$last"
	wait "$last" || true
	run --separate-stderr -4 "$DURE" replay --json "$T/tape"
	[[ $stderr == *"stops before its end"* ]]
	jq -r .data <<<"$output" >"$T/recorded"
	[ -s "$T/recorded" ]
	"$DURE" recv --follow --lines --timeout 0 "$N" >"$T/left" || [ $? = 1 ]
	# the last one may be in both
	sort -nu "$T/recorded" "$T/left" | cmp - <(seq 20000)
	[ "$(sort -n "$T/recorded" "$T/left" | uniq -d | wc -l)" -le 1 ]
}

@test "a file that cannot be written keeps no message from the queue" {
	seq 3 | "$DURE" send --create --lines "$N"
	run -2 bash -c "'$DURE' record --timeout 0 '$N' - >/dev/full"
	holds "cannot be written"
	is_figure messages 3
	run -2 "$DURE" record "$N" "$T/no/such/file"
	is_figure messages 3
	# the first fits, the second not: it is cut behind the first
	head -c 100000 /dev/zero | "$DURE" send "$N"
	run -2 bash -c "ulimit -f 8; trap '' XFSZ; '$DURE' record --timeout 0 '$N' '$T/tape'"
	is_figure messages 1
	run -4 "$DURE" replay --json "$T/tape"
	[ "$(jq -r 'select(.data).data' <<<"${output%dure:*}" 2>/dev/null | xargs)" = "1 2 3" ]
}

@test "a file cut at any byte gives its whole records; a changed one gives nothing" {
	printf '%s\n' alpha beta | "$DURE" send --create --lines "$N"
	"$DURE" record --timeout 0 "$N" "$T/tape"
	bytes=$(stat -c %s "$T/tape")
	# $T/cut.AT has so many bytes, $T/bad.AT another one there
	python3 - "$T" <<-'END'
		import sys
		tape = open(sys.argv[1] + '/tape', 'rb').read()
		for at in range(len(tape)):
		    open('%s/cut.%d' % (sys.argv[1], at), 'wb').write(tape[:at])
		    bad = tape[:at] + bytes([tape[at] ^ 1 << at % 8]) + tape[at + 1:]
		    open('%s/bad.%d' % (sys.argv[1], at), 'wb').write(bad)
	END
	for ((at = 0; at < bytes; at++)); do
		status=0
		"$DURE" replay "$T/cut.$at" "$N" 2>"$T/err" || status=$?
		[ $status = 4 ] || [ $status = 2 -a $at -le 60 ]
		[ -s "$T/err" ]
	done
	"$DURE" recv --follow --lines --timeout 0 "$N" | sort | uniq -c | awk '{print $2}' | xargs >"$T/out"
	[ "$(cat "$T/out")" = "alpha beta" ]
	for ((at = 0; at < bytes; at++)); do
		status=0
		"$DURE" replay "$T/bad.$at" "$N" 2>"$T/err" || status=$?
		[ $status = 2 ]
	done
	is_figure messages 0
	for file in /dev/null "$DURE" "$T"; do
		run -2 "$DURE" replay "$file" "$N"
	done
	{ cat "$T/tape"; echo; } >"$T/longer"
	run -2 "$DURE" replay "$T/longer" "$N"
	holds "behind the end"
	is_figure messages 0
}

@test "replay keeps time when it is asked to" {
	"$DURE" send --create "$N" one
	background "$DURE" record --count 2 "$N" "$T/tape"
	until_holds is_figure messages 0
	sleep 0.4
	"$DURE" send "$N" two
	ends "$last" 0
	"$DURE" replay --json "$T/tape" | jq -s '.[1].at_ns - .[0].at_ns >= 400000000' | grep -q true
	before=$(date +%s%N)
	"$DURE" replay --speed 1 "$T/tape" "$N"
	[ $((($(date +%s%N) - before) / 1000000)) -ge 400 ]
	"$DURE" replay --speed 1000 "$T/tape" "$N"
	is_figure messages 4
	run -2 "$DURE" replay --speed fast "$T/tape" "$N"
}
