#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# damage.bats - bytes that are no segment, or no longer a sound one: a sentence, never a crash

load setup

# flip FILE OFFSET: eight bytes become others
flip() {
	printf '\252\125\252\125\252\125\252\125' | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

# sentence: one line on stderr, that begins as all do
sentence() {
	[ "${#stderr_lines[@]}" = 1 ]
	[[ $stderr == "dure: "* ]]
}

@test "what is no segment is refused by all, and not removed" {
	: >"$T/empty"
	echo "no segment" >"$T/text"
	head -c 200000 /dev/urandom >"$T/random"
	head -c 200000 /dev/zero >"$T/zeros"
	mkdir "$T/directory"
	mkfifo "$T/fifo"
	for file in empty text random zeros directory fifo; do
		for command in show map check "check --mend" "check --json" repair "repair --yes" rm "rm --force"; do
			run --separate-stderr -2 timeout 10 "$DURE" $command "$T/$file"
			[ -z "$output" ]
			sentence
			[ -e "$T/$file" ]
		done
	done
}

@test "another file in the place of a segment: ls says so, rm leaves it" {
	echo "no segment" >"/dev/shm/dure.$N"
	run -0 "$DURE" ls -n -o NAME,STATE
	run -2 "$DURE" rm --force "$N"
	[ -e "/dev/shm/dure.$N" ]
	rm "/dev/shm/dure.$N"
}

@test "a damaged head: 2, and the sentence says damaged" {
	make_file seg
	flip "$T/seg" 200
	for command in show check "check --mend"; do
		run --separate-stderr -2 "$DURE" $command "$T/seg"
		[ -z "$output" ]
		sentence
		[[ $stderr == *damaged* ]]
	done
}

@test "a damaged body: check says 2 and where, show and ls go on" {
	make left "$N"
	# the table of pages: one that says it is the tail of nothing
	size=$(stat -c %s "/dev/shm/dure.$N")
	found=
	for offset in 20480 22272 22280 22288; do
		cp "/dev/shm/dure.$N" "$T/seg"
		flip "$T/seg" "$offset"
		run timeout 10 "$DURE" check "$T/seg"
		[ "$status" = 2 ] || continue
		found=yes
		holds damaged
		run timeout 10 "$DURE" check --json "$T/seg"
		[ "$status" = 2 ]
		printf '%s' "$output" | jq -e '.result == "damaged" and
			any(.findings[]; .grade == "damaged" and .offset > 0 and (.text | length) > 0)'
		run timeout 10 "$DURE" check --quiet "$T/seg"
		[ "$status" = 2 ]
		[ -z "$output" ]
		run timeout 10 "$DURE" show "$T/seg"
		[ "$status" = 0 ] || [ "$status" = 2 ]
		run timeout 10 "$DURE" check --max 1 "$T/seg"
		[ "$(printf '%s\n' "$output" | grep -c '^damaged ')" -le 1 ]
	done
	[ "$found" = yes ]
	[ "$size" -gt 22288 ]
}

@test "a truncated file: 2 at every length, never a signal" {
	make_file seg
	size=$(stat -c %s "$T/seg")
	for length in 0 1 511 512 4095 4096 20000 100000 $((size / 2)) $((size / 4 * 3)); do
		head -c "$length" "$T/seg" >"$T/cut"
		run timeout 10 "$DURE" check "$T/cut"
		[ "$status" = 2 ]
		for command in show "show --json" "check --mend"; do
			run timeout 10 "$DURE" $command "$T/cut"
			[ "$status" -le 2 ]
		done
	done
}

@test "flipped anywhere: every command ends by itself with one of its statuses" {
	make left "$N"
	size=$(stat -c %s "/dev/shm/dure.$N")
	RANDOM=7
	for i in $(seq 60); do
		cp "/dev/shm/dure.$N" "$T/seg"
		for j in 1 2 3; do
			flip "$T/seg" $(((RANDOM * 32768 + RANDOM) % (size - 8) / (j * j * 20)))
		done
		for command in show check "check --mend"; do
			run timeout 10 "$DURE" $command "$T/seg"
			[ "$status" -le 2 ] || {
				echo "dure $command: status $status"
				false
			}
		done
	done
}

@test "a damaged heap: show is 2, and says so; check prints only so many findings" {
	make left "$N"
	cp "/dev/shm/dure.$N" "$T/seg"
	for offset in $(seq 22272 8 24000); do flip "$T/seg" "$offset"; done
	run -2 timeout 10 "$DURE" show "$T/seg"
	holds Heap
	run -2 timeout 10 "$DURE" check "$T/seg"
	[ "$(printf '%s\n' "$output" | grep -c '^damaged ')" = 100 ]
	holds "more findings"
	run -2 timeout 10 "$DURE" check --max 0 "$T/seg"
	[ "$(printf '%s\n' "$output" | grep -c '^damaged ')" -gt 100 ]
}
