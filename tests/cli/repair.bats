#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# repair.bats - dealing with what the dead left, after it was tried on a copy; core dumps

load setup

field() { # NAME: of the JSON in $output
	jq -r "$1" <<<"$output"
}

@test "a dry run changes nothing, and --yes does what it said" {
	make dead "$N"
	kill -KILL "$maker"
	wait "$maker" || true
	sum=$(cksum <"/dev/shm/dure.$N")
	run -1 "$DURE" repair "$N"
	holds "this was tried on a copy" "dead thread" "operation undone or finished" "lock" \
		"10 blocks that only the dead knew are free again" "before: mendable; after: clean"
	said=${output#*copy):}
	[ "$(cksum <"/dev/shm/dure.$N")" = "$sum" ]
	run -1 "$DURE" repair --json "$N"
	[ "$(field '"\(.version) \(.done) \(.before.result) \(.after.result)"')" = "1 false mendable clean" ]
	[ "$(field '.before.dead_threads | length')" = "$(field .threads)" ]
	[ "$(field '.before.dead_threads | map(.in_transaction) | any')" = true ]
	[ "$(field '.after.dead_threads | length')" = 0 ]
	[ "$(field '.before.live_blocks - .after.live_blocks')" = 0 ]
	[ "$(cksum <"/dev/shm/dure.$N")" = "$sum" ]
	run -0 "$DURE" repair --yes "$N"
	[ "${output#*Done:}" = "$said" ]
	[ "$(cksum <"/dev/shm/dure.$N")" != "$sum" ]
	run -0 "$DURE" check "$N"
	run -0 "$DURE" repair "$N"
	[ "$output" = "nothing to do: clean" ]
}

@test "in use: what is dead is counted, and --yes leaves the living alone" {
	make dead "$N"
	run -1 "$DURE" repair "$N"
	holds "It is in use" "1 dead thread" "1 lock held by the dead"
	run -0 "$DURE" repair --yes "$N"
	holds "1 dead thread dealt with" "after: clean"
	run -0 "$DURE" repair "$N"
	holds "nothing to do"
	leave
	make holder "$N-h"
	run -0 "$DURE" repair --yes "$N-h"
	holds "nothing to do"
	"$DURE" show --json "$N-h" | jq -e '.threads | any(.lock_count == 1) and any(.waits_for != 0)'
}

@test "damage stays, and is said" {
	make_file s
	"$DURE" map --json "$T/s" >"$T/map"
	# a block's state that is none: the last bytes of a page of blocks
	at=$(jq '[.extents[] | select(.kind == "blocks" and .live > 0 and .block_bytes < 100)][0] | .offset + .bytes - 64' "$T/map")
	printf '\376' | dd of="$T/s" bs=1 seek="$at" conv=notrunc status=none
	run "$DURE" check "$T/s"
	if [ "$status" != 2 ]; then	# states begin some lines earlier in some pages
		for back in 128 192 256 320 512 1024; do
			printf '\376' | dd of="$T/s" bs=1 seek=$((at + 64 - back)) conv=notrunc status=none
		done
	fi
	run -2 "$DURE" check "$T/s"
	for words in "" --json --yes; do
		run -2 "$DURE" repair $words "$T/s"
		holds "no death leaves that"
	done
	run -2 "$DURE" check "$T/s"
}

# core FILE MAPPED-FILE...: an ELF core dump of who has these mapped, to their limit and tables as segments are
core() {
	python3 - "$@" <<-'END'
		import os, struct, sys
		paths = sys.argv[2:]
		head = 64 + 56 * (len(paths) + 1)
		at = (head + 4095) // 4096 * 4096
		out = b'\177ELF\2\1\1' + bytes(9) + struct.pack('<HHIQQQIHHHHHH', 4, 62, 1, 0, 64, 0, 0, 64, 56,
		    len(paths) + 1, 0, 0, 0)
		out += struct.pack('<IIQQQQQQ', 4, 0, at, 0, 0, 0, 0, 1)
		with open(sys.argv[1], 'wb') as core:
		    for i, path in enumerate(paths):
		        mapped = (os.path.getsize(path) + 4095) // 4096 * 4096 if 'noise' in path else (1 << 30) + (4 << 20)
		        out += struct.pack('<IIQQQQQQ', 1, 6, at, 0x7000000, 0, mapped, mapped, 4096)
		        core.seek(at)
		        core.write(open(path, 'rb').read())
		        at += mapped
		    core.truncate(at)
		    core.seek(0)
		    core.write(out)
	END
}

@test "a segment in a core dump: shown, drawn and checked, and as the next one finds it" {
	make holder "$N"
	head -c 9000 /dev/urandom >"$T/noise"
	core "$T/core" "$T/noise" "/dev/shm/dure.$N" "$T/noise"
	sum=$(head -c 4000000 "$T/core" | cksum)
	run -0 "$DURE" show "core:$T/core"
	holds "points" "struct shop" "yes" "maker"
	run -0 "$DURE" map "core:$T/core"
	holds "points"
	run -0 "$DURE" check "core:$T/core"
	# opening it for writing deals with those who were in it
	run -0 "$DURE" check --mend "core:$T/core"
	holds "clean"
	[ "$(head -c 4000000 "$T/core" | cksum)" = "$sum" ]
	run -2 "$DURE" repair --yes "core:$T/core"
	holds "nothing comes back from a core dump"
	# two of them
	make left "$N-two"
	core "$T/two" "/dev/shm/dure.$N" "/dev/shm/dure.$N-two"
	run -2 "$DURE" check "core:$T/two"
	holds "has 2 segments" "core:$T/two#1 is \"$N\"" "core:$T/two#2 is \"$N-two\""
	run -0 "$DURE" check "core:$T/two#2"
	run -0 "$DURE" show "core:$T/two#1"
	run -2 "$DURE" check "core:$T/two#3"
}

@test "a real core dump" {
	[ "$(cat /proc/sys/kernel/core_pattern)" = core ] || skip "core dumps go elsewhere here (kernel.core_pattern)"
	key=0x$(printf %08x $((0x44000000 + $$ % 1000000)))
	(cd "$T" && ulimit -c unlimited && exec "$MAKER" dump "$key" <"/dev/zero" >"$T/said" 3>&-) &
	maker=$!
	makers="$makers $maker"
	within test -s "$T/said"
	read -r _ pid <"$T/said"
	kill -ABRT "$pid"
	wait "$maker" || true
	dump=$(ls "$T"/core* 2>/dev/null) || skip "no core dump was written"
	run -0 "$DURE" check "core:$dump"
	"$DURE" show --json "core:$dump" | jq -e --argjson pid "$pid" '
		(.participants | any(.process == $pid)) and (.threads[0].locks | length == 1)'
	run -0 "$DURE" check --mend "core:$dump"
	holds "clean"
}

@test "what is no core dump, or a broken one: a sentence, never a crash" {
	make left "$N"
	core "$T/core" "/dev/shm/dure.$N"
	for name in nosuch "/dev/shm/dure.$N" "$T" /dev/zero "$DURE"; do
		run --separate-stderr -2 "$DURE" check "core:$name"
		[ "${#stderr_lines[@]}" = 1 ]
	done
	# every header field in turn is nonsense, and the file ends everywhere
	for at in 4 16 32 33 39 42 54 56 57 64 72 79 96 104 111 120 128 135 152 159; do
		cp "$T/core" "$T/bad"
		printf '\377\377' | dd of="$T/bad" bs=1 seek="$at" conv=notrunc status=none
		run timeout 20 "$DURE" check "core:$T/bad"
		[ "$status" -le 2 ]
	done
	for bytes in 0 1 20 63 64 100 120 175 176 4096 4100 5000 8192 100000; do
		head -c "$bytes" "$T/core" >"$T/bad"
		run timeout 20 "$DURE" check "core:$T/bad"
		[ "$status" = 2 ]
	done
}
