#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# growth.bats - snapshot, diff and watch: what grew, how fast, and when it will be full

load setup

@test "new, gone, grown and shrunk" {
	head -c 100000 /dev/zero >"/dev/shm/$N-grows"
	head -c 900000 /dev/zero >"/dev/shm/$N-shrinks"
	head -c 50000 /dev/zero >"/dev/shm/$N-goes"
	head -c 50000 /dev/zero >"/dev/shm/$N-stays"
	left queue "$N"
	"$DURE" snapshot --local "$T/old"
	jq -e '.version == 1 and .type == "snapshot"' "$T/old"
	head -c 500000 /dev/zero >>"/dev/shm/$N-grows"
	truncate -s 4096 "/dev/shm/$N-shrinks"
	rm "/dev/shm/$N-goes"
	ipcmk -Q >/dev/null
	# what is full now, not soon: the rest of the machine fills and empties meanwhile
	run -0 "$DURE" diff -w 0s "$T/old"
	[[ $output =~ [0-9]+\ new,\ [0-9]+\ gone,\ [0-9]+\ grown,\ [0-9]+\ shrunk ]]
	output=$(tr -s ' ' <<<"$output")
	holds "grown posix:shm:$N-grows" "shrunk posix:shm:$N-shrinks" "gone posix:shm:$N-goes" "new sysv:msg:"
	[[ $output != *"$N-stays"* ]]
	"$DURE" diff -w 0s --json "$T/old" >"$T/diff"
	# memory files of the whole host are in it, too
	[ "$(jq -r --arg n "$N" '.objects[] | select((.object | contains($n)) or .kind == "sysv-msg") |
		.change' "$T/diff" | sort | tr '\n' ' ')" = "gone grown new shrunk " ]
	jq -e --arg n "posix:shm:$N-grows" '.objects[] | select(.object == $n) |
		.change == "grown" and .bytes_more > 490000 and .bytes_more < 510000' "$T/diff"
	jq -e .same_scope "$T/diff"
	# the same, of two files
	"$DURE" snapshot --local "$T/new"
	ours='[.objects[] | select(.kind | startswith("posix") or startswith("sysv"))]'
	[ "$("$DURE" diff --json "$T/old" "$T/new" | jq -S "$ours")" = "$(jq -S "$ours" "$T/diff")" ]
	# turned around
	run "$DURE" diff "$T/new" "$T/old"
	output=$(tr -s ' ' <<<"$output")
	holds "the newer one" "shrunk posix:shm:$N-grows" "new posix:shm:$N-goes"
	"$DURE" snapshot "$T/all"
	run "$DURE" diff "$T/new" "$T/all"
	holds "the other one of all"
	run -0 "$DURE" diff "$T/new" "$T/new"
	has "0 new, 0 gone, 0 grown, 0 shrunk; 0B"
}

@test "a file that took another one's name is another one" {
	head -c 50000 /dev/zero >"/dev/shm/$N-a"
	"$DURE" snapshot --local >"$T/old"
	head -c 50000 /dev/zero >"/dev/shm/$N-b"
	mv "/dev/shm/$N-b" "/dev/shm/$N-a"
	"$DURE" diff --json "$T/old" | jq -e --arg n "$N" '[.objects[] |
		select(.object | contains($n)) | .change] | sort == ["gone", "new"]'
}

@test "a segment's use is its pages, not its file" {
	make left "$N"
	"$DURE" snapshot --local "$T/old"
	jq -e --arg n "$N" '.objects[] | select(.object == $n and .kind == "segment") |
		.bytes < .size and .count > 0' "$T/old"
}

@test "when it will be full: a straight line" {
	"$USER_OF" sems 10
	"$DURE" snapshot --local "$T/old"
	"$USER_OF" sems 30
	"$DURE" snapshot --local "$T/new"
	# exactly an hour apart: 30 sets more
	jq --slurpfile old "$T/old" '.taken_ns = $old[0].taken_ns + 3600000000000' "$T/new" >"$T/hour"
	run "$DURE" diff --json "$T/old" "$T/hour"
	limit=$(awk '{ print $4 }' /proc/sys/kernel/sem)
	jq -e --argjson limit "$limit" '.forecast == "linear" and (.limits[] |
		select(.name == "kernel.sem:semmni") | .used == 40 and .used_before == 10 and
		(.per_hour | . > 29.99 and . < 30.01) and
		(.full_in_seconds - ($limit - 40) * 120 | fabs) < 5)' <<<"$output"
	# 32000 sets, 30 an hour: 44 days; but not further ahead than 100 hours
	run -0 "$DURE" diff -w 100d "$T/old" "$T/hour"
	holds "(Forecasts are linear"
	# 1000 more in ten hours: full in 41 hours, and that is seen
	jq '(.limits[] | select(.name == "kernel.sem:semmni") | .used) = 6410' "$T/hour" >"$T/more"
	mv "$T/more" "$T/hour"
	jq --argjson t "$(jq .taken_ns "$T/old")" '.taken_ns = $t + 36000000000000' "$T/hour" >"$T/days"
	run -1 "$DURE" diff -w 50000d "$T/old" "$T/days"
	run -0 "$DURE" diff -w 1d "$T/old" "$T/days"
}

@test "what is full is an alarm" {
	printf '250 32000 32 12' >/proc/sys/kernel/sem || skip "kernel.sem cannot be set here"
	"$DURE" snapshot --local "$T/old"
	run -0 "$DURE" diff -w 0s "$T/old"
	"$USER_OF" sems 12
	run -1 "$DURE" diff "$T/old"
	printf '%s\n' "$output" | grep -q 'kernel.sem:semmni  *12 .* full'
	run -1 "$DURE" watch -i 1 -c 1
	holds "kernel.sem:semmni: 12 of 12, full"
}

# until_told CHANGE: of $N-x, by a line of the watcher's, this one or one of those after it
until_told() {
	local line
	while read -r -t 30 line <&"$lines"; do
		jq -e '.type == "difference" and .to_ns > .from_ns' <<<"$line" || return
		jq -e --arg n "posix:shm:$N-x" --arg c "$1" '.objects | any(.object == $n and .change == $c)' \
			<<<"$line" && return
	done
	return 1
}

@test "watch sees each change, in lines of JSON too" {
	mkfifo "$T/out"
	"$DURE" watch --json -i 1 -c 60 >"$T/out" 3>&- &
	makers="$makers $!"
	exec {lines}<"$T/out"
	read -r -t 30 first <&"$lines"
	head -c 300000 /dev/zero >"/dev/shm/$N-x"
	until_told new
	rm "/dev/shm/$N-x"
	until_told gone
	"$DURE" watch --json -w 0s -i 1 -c 2 >"$T/two"
	[ "$(wc -l <"$T/two")" = 2 ]
}

@test "a snapshot is replaced whole, or not at all" {
	echo old >"$T/file"
	(umask 027; "$DURE" snapshot --local "$T/file")
	jq -e .version "$T/file"
	[ "$(stat -c %a "$T/file")" = 640 ]
	run -2 "$DURE" snapshot --local "$T/nosuch/file"
	holds "nosuch/file"
	# devices and pipes are written to, and stay
	mknod "$T/full" c 1 7 && run -2 "$DURE" snapshot --local "$T/full"
	holds "No space left"
	[ -c "$T/full" ]
	rm "$T/full"
	[ "$(ls -A "$T")" = file ]
}

@test "what is no snapshot is refused, with a reason" {
	"$DURE" snapshot --local "$T/good"
	for damage in '.version = 2' '.type = "x"' 'del(.objects)' '.objects = {}' '.objects += [{}]' \
		'.limits += [1]' '.objects += [{"key": "a", "object": 1}]' '.taken_ns = "x"' '[.]' \
		'.limits += [{"name": "x", "unit": "count", "used": -1, "value": 1}]'; do
		jq "$damage" "$T/good" >"$T/bad"
		run --separate-stderr -2 "$DURE" diff "$T/bad"
		[ -z "$output" ]
		[ "${#stderr_lines[@]}" = 1 ]
		holds_stderr "$T/bad"
	done
	for text in "" "{" "null" "$(printf '[%.0s' {1..5000})"; do
		printf '%s' "$text" >"$T/bad"
		run --separate-stderr -2 "$DURE" diff "$T/bad"
		holds_stderr "$T/bad"
	done
	run -2 "$DURE" diff "$T/nosuch"
	holds "nosuch"
	# names in it may be anything
	jq '.objects += [{"key": "x", "object": "\u001b[31m\u202e<b>", "kind": "memfd", "user": "\u001b[2J",
		"bytes": 9000000, "size": 1, "count": 1, "procs": 0}]' "$T/good" >"$T/odd"
	run "$DURE" diff "$T/odd"
	holds 'x1b[31m'
	[[ $output != *$'\e'* && $output != *$'\u202e'* ]]
}

holds_stderr() {
	[[ $stderr == "dure: diff: "*"$1"* ]]
}
