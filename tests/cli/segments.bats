#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# segments.bats - ls, show, check and rm on sound segments, used, left and with a dead participant

load setup

@test "ls shows a segment in use" {
	make posix "$N"
	run -0 "$DURE" ls --noheadings --output NAME,BACKING,LIFETIME,SIZE,ALIVE,DEAD,MODE,STATE
	has "$N posix kernel 4.0M 1 0 0600 ok"
	run -0 "$DURE" ls --output NAME,SIZE --bytes
	has "NAME SIZE" "$N 4194304"
	run -0 "$DURE" ls -n
	[[ $output != *LIFETIME* ]]
}

@test "ls --json is JSON, with numbers where numbers are" {
	make posix "$N"
	run --separate-stderr -0 "$DURE" ls --json
	printf '%s' "$output" | jq -e --arg n "$N" '.objects[] | select(.name == $n) |
		.size == 4194304 and .alive == 1 and .dead == 0 and .objects == 5 and .used > 0 and
		.state == "ok" and .lifetime == "kernel" and .path == "/dev/shm/dure.\($n)" and
		.kind == "segment" and .resident > 0'
	run -0 "$DURE" ls --json --output name,alive
	printf '%s' "$output" | jq -e --arg n "$N" \
		'.objects[] | select(.name == $n) | keys == ["alive", "name"]'
}

@test "ls of a directory with nothing of ours in it" {
	touch "$T/other"
	run -0 "$DURE" ls "$T"
	[[ $output != *other* ]]
	run -0 "$DURE" ls --json "$T"
	printf '%s' "$output" | jq -e '.objects | type == "array"'
}

@test "a process-lifetime segment is gone with its user" {
	make process "$N"
	run -0 "$DURE" ls -n -o NAME,LIFETIME,ALIVE,STATE
	has "$N process 1 ok"
	run -0 "$DURE" show "$N"
	kill -KILL "$maker"
	wait "$maker" || true
	run -2 "$DURE" show "$N"
	holds "does not exist"
}

@test "a file segment goes by its path, a System V segment by its identifier" {
	make_file seg
	run -0 "$DURE" check "$T/seg"
	run -0 "$DURE" show --json "$T/seg"
	printf '%s' "$output" | jq -e '.segment.backing == "file" and .segment.lifetime == "filesystem"'
	run -0 "$DURE" rm "$T/seg"
	[ ! -e "$T/seg" ]

	key=$((0x64600000 + $$ % 65536))
	make sysv "$key"
	id=$("$DURE" ls --json | jq -r --argjson p "$pid" \
		'.objects[] | select(.kind == "segment" and (.name | startswith("sysv:"))) | .name' | while read -r name; do
		"$DURE" show --json "$name" | jq -e --argjson p "$pid" \
			'.participants[] | select(.process == $p)' >/dev/null && echo "$name"
	done)
	[[ $id == sysv:* ]]
	run -0 "$DURE" check "$id"
	run -1 "$DURE" rm "$id"
	leave
	run -0 "$DURE" rm "$id"
	run -2 "$DURE" show "$id"
}

@test "a System V segment of another program is left alone" {
	id=$(ipcmk -M 4096 | tr -cd 0-9)
	before=$(ls /dev/shm)
	for command in show check rm "rm --force"; do
		run "$DURE" $command "sysv:$id"
		[ "$status" = 2 ] || { ipcrm -m "$id"; false; }
	done
	after=$(ls /dev/shm)
	ipcs -m -i "$id" >/dev/null
	ipcrm -m "$id"
	[[ $after != *"id-$id"* ]]
}

@test "show tells of processes, threads, objects and the heap" {
	make posix "$N"
	run -0 "$DURE" show "$N"
	holds "$N: posix, kernel lifetime, mode 0600" Processes Threads Objects Heap "struct shop"
	printf '%s\n' "$output" | grep -qE "^ +[0-9]+ +$pid maker +[a-z_][a-z0-9_-]* +alive"
	printf '%s\n' "$output" | grep -qE "^points +named +struct point +1000 +16K"
	run -0 "$DURE" show --max 2 "$N"
	holds "... and 3 more"
	run -0 "$DURE" show --classes "$N"
	holds BLOCK
}

@test "show --json has the same, as JSON" {
	make posix "$N"
	run -0 "$DURE" show --json "$N"
	printf '%s' "$output" | jq -e --arg n "$N" --argjson p "$pid" '
		.segment.name == $n and .segment.size_bytes == 4194304 and .segment.mode == 384 and
		(.participants | length) == 1 and .participants[0].process == $p and
		.participants[0].alive and .object_count == 5 and (.objects | length) == 5 and
		(.objects[] | select(.name == "points") |
			.count == 1000 and .element_bytes == 16 and .type == "struct point") and
		(.objects[] | select(.kind == "unique") | .type == "struct point") and
		.heap.live_blocks > 0 and (.heap.classes | length) > 0'
}

@test "names of objects are shown harmless, once, and exact in JSON" {
	make posix "$N"
	run -0 "$DURE" show "$N"
	[[ $output != *$'\e'* ]]
	holds 'odd\x0a\x1b[31mname'
	run -0 "$DURE" show --json "$N"
	printf '%s' "$output" | jq -e 'any(.objects[]; .name == "odd\n\u001b[31mname")'
}

@test "show tells who holds a lock and who waits for it" {
	make holder "$N"
	run -0 "$DURE" show --json "$N"
	printf '%s' "$output" | jq -e --argjson p "$pid" '
		(.objects[] | select(.name == "shop") | .ref) as $lock |
		(.threads[] | select(.thread == $p) |
			.in_transaction and .alive and .locks == [$lock] and .waits_for == 0) and
		(.threads[] | select(.thread != $p) |
			.alive and (.in_transaction | not) and .locks == [] and .waits_for == $lock)'
	run -0 "$DURE" show "$N"
	printf '%s\n' "$output" | grep -qE "^ +[0-9]+ +$pid +[0-9]+ attached +yes +\+0x[0-9a-f]+ +[0-9]+$"
}

@test "show tells who shares a lock, and who has units" {
	make sharer "$N"
	run -0 "$DURE" show --json "$N"
	printf '%s' "$output" | jq -e --argjson p "$pid" '
		(.objects[] | select(.name == "hall") | .ref) as $hall |
		(.threads[] | select(.thread == $p) | .locks == [] and .shares == [
			{ "lock": $hall, "kind": "reads", "units": 1 },
			{ "lock": ($hall + 16), "kind": "units", "units": 3 }])'
	run -0 "$DURE" show "$N"
	printf '%s\n' "$output" | grep -qE "\+0x[0-9a-f]+ reads, \+0x[0-9a-f]+ 3 units"
}

@test "show: a topic, and how far its subscribers are" {
	make publisher "$N"
	run -0 "$DURE" show --json "$N"
	printf '%s' "$output" | jq -e --argjson p "$pid" '.topics == [ { "name": "pose",
		"published": 3, "messages": 3, "bytes": 24, "on_loan": 0, "on_loan_bytes": 0,
		"shut": false, "subscribers": [ { "process": $p, "alive": true, "policy": "drop",
			"next": 1, "lag": 2, "taken": 1, "lost": 0, "loans": 1 } ] } ]'
	run -0 "$DURE" show "$N"
	holds "3 published, 3 kept with"
	printf '%s\n' "$output" | grep -qE " alive +drop +2 +1 +0 +1"
}

@test "check: 0 when clean, in use or not" {
	make posix "$N"
	run -0 "$DURE" check "$N"
	holds "5 objects: clean"
	run -0 "$DURE" check --json "$N"
	printf '%s' "$output" | jq -e '.result == "clean" and .mended == 0 and .objects == 5 and
		.findings == [] and .live_blocks > 0'
	run -0 "$DURE" check --quiet "$N"
	[ -z "$output" ]
	leave
	run -0 "$DURE" check "$N"
}

@test "check: 1 when a dead participant left something, 1 when that is mended, then 0" {
	make dead "$N"
	run -0 "$DURE" ls -n -o NAME,ALIVE,DEAD,STATE
	has "$N 1 1 ok"
	run -0 "$DURE" show --json "$N"
	printf '%s' "$output" | jq -e --argjson p "$pid" '
		(.participants[] | select(.process == $p) | .alive | not) and
		(.threads[] | select(.thread == $p) | (.alive | not) and .in_transaction and
			.lock_count == 1) and .heap.reserved_blocks == 10'
	run -1 "$DURE" check "$N"
	holds mendable "thread $pid"
	run -1 "$DURE" check --json "$N"
	printf '%s' "$output" | jq -e --arg p "$pid" '.result == "mendable" and
		any(.findings[]; .grade == "mendable" and (.text | contains($p)))'
	run -1 "$DURE" check --quiet "$N"
	[ -z "$output" ]
	run -1 "$DURE" check --mend "$N"
	holds "dealt with 1 dead thread:"
	run -0 "$DURE" check --mend "$N"
	run -0 "$DURE" show --json "$N"
	printf '%s' "$output" | jq -e '.threads == [] and .heap.reserved_blocks == 0'
}

@test "the dead are counted until somebody has dealt with them" {
	make dead "$N"
	run -1 "$DURE" check --mend "$N"
	run -0 "$DURE" ls -n -o NAME,ALIVE,DEAD,STATE
	has "$N 1 0 ok"
}

@test "rm of a name whose memory is gone removes the name, and that is fine" {
	make process "$N"
	kill -KILL "$maker"
	wait "$maker" || true
	run -0 "$DURE" ls -n -k segment -o NAME,STATE
	has "$N stale"
	run -0 "$DURE" rm "$N"
	[ -z "$output" ]
	[ ! -L "/dev/shm/dure.$N" ]
	run -2 "$DURE" rm "$N"
}

@test "errors name a path once" {
	run -2 "$DURE" show "$T/nosuch"
	[ "$(printf '%s' "$output" | grep -o "$T/nosuch" | wc -l)" = 1 ]
	run -2 "$DURE" rm "$N-nosuch"
	[ "$(printf '%s' "$output" | grep -o -- "/dev/shm/dure.$N-nosuch" | wc -l)" = 1 ]
}

@test "looking changes nothing" {
	make dead "$N"
	before=$(cksum <"/dev/shm/dure.$N")
	"$DURE" ls >/dev/null
	"$DURE" show "$N" >/dev/null
	"$DURE" check "$N" >/dev/null || true
	[ "$before" = "$(cksum <"/dev/shm/dure.$N")" ]
}

@test "rm refuses what is in use, but for --force; the users keep it" {
	make posix "$N"
	run --separate-stderr -1 "$DURE" rm "$N"
	[ -z "$output" ]
	[[ $stderr == "dure: rm: "*"$N"*"in use"*"--force"* ]]
	run -0 "$DURE" check "$N"
	run -0 "$DURE" rm --force "$N"
	[ -z "$output" ]
	run -2 "$DURE" show "$N"
	leave
	[ ! -e "/dev/shm/dure.$N" ]
}

@test "rm takes away what was left, and what only the dead have" {
	make left "$N-a"
	make dead "$N-b"
	kill -KILL "$maker"
	run -0 "$DURE" rm "$N-a" "$N-b"
	[ ! -e "/dev/shm/dure.$N-a" ]
	[ ! -e "/dev/shm/dure.$N-b" ]
}

@test "rm of several: each is tried, the worst is the status" {
	make left "$N-a"
	make left "$N-b"
	run -2 "$DURE" rm "$N-a" "$N-nosuch" "$N-b"
	holds "$N-nosuch"
	make left "$N-a2"
	make posix "$N-c"
	run -1 "$DURE" rm "$N-a2" "$N-c"
	[ ! -e "/dev/shm/dure.$N-a" ]
	[ ! -e "/dev/shm/dure.$N-a2" ]
	[ ! -e "/dev/shm/dure.$N-b" ]
	[ -e "/dev/shm/dure.$N-c" ]
}
