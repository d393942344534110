#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# scale.bats - hosts that are full: time and memory
#
# SCALE=1 is the full size: 33000 semaphore sets, 100000 files, 10000 objects with 300 processes. By
# default all is a fiftieth of it, and times are printed, not judged.

load setup

SCALE=${SCALE-50}

# at full size a figure is a promise; $1 at most $2
at_most() {
	[ "$SCALE" != 1 ] || [ "$1" -le "$2" ] || { echo "$1, more than $2"; return 1; }
}

# files COUNT: so many small ones
files() {
	python3 -c 'import sys
for i in range(int(sys.argv[1])): open("/dev/shm/%s.%d" % (sys.argv[2], i), "w").write("x")' "$1" "$N"
}

@test "33000 leaked semaphore sets, as of an Apache that was restarted for months" {
	sets=$((33000 / SCALE))
	if [ "$(awk '{ print $4 }' /proc/sys/kernel/sem)" -lt "$sets" ]; then
		printf '32000 1024000000 500 40000' >/proc/sys/kernel/sem || sets=30000
	fi
	"$USER_OF" sems "$sets" >/dev/null
	measure $((SCALE == 1 ? 3 : 1)) "$DURE" reap --age 0s --kind sem
	echo "# reap of $sets semaphore sets, dry: $best ms, $kib KiB" >&3
	at_most "$best" 2000
	at_most "$kib" 131072
	measure $((SCALE == 1 ? 3 : 1)) "$DURE" ls --local --kind sem
	echo "# ls of them: $best ms, $kib KiB" >&3
	measure $((SCALE == 1 ? 3 : 1)) "$DURE" doctor
	echo "# doctor: $best ms, $kib KiB" >&3
	begun=$(date +%s%N)
	"$DURE" reap --age 0s --kind sem --grade likely --yes --quiet --journal "$T/journal"
	echo "# reap --yes, with what undo needs: $((($(date +%s%N) - begun) / 1000000)) ms" >&3
	[ "$(ipcs -s | grep -c '^0x')" = 0 ]
	begun=$(date +%s%N)
	"$DURE" undo --quiet --journal "$T/journal" || [ $? = 1 ]
	echo "# undo: $((($(date +%s%N) - begun) / 1000000)) ms" >&3
	[ "$(ipcs -s | grep -c '^0x')" = "$sets" ]
}

@test "100000 files of dead workers in /dev/shm" {
	count=$((100000 / SCALE))
	files "$count"
	for words in "ls --local" "ls --local --json" "reap --age 0s" "metrics --local" "snapshot --local"; do
		measure $((SCALE == 1 ? 3 : 1)) "$DURE" $words
		echo "# $words of $count files: $best ms, $kib KiB" >&3
		[ "$words" != "ls --local" ] || at_most "$kib" 131072
	done
	[ "$("$DURE" ls --local -n -o OBJECT 2>/dev/null | grep -c "$N\.")" = "$count" ]
	begun=$(date +%s%N)
	"$DURE" reap --age 0s --kind shm --grade unused --yes --quiet --no-undo
	echo "# reap --yes: $((($(date +%s%N) - begun) / 1000000)) ms" >&3
	[ "$(find /dev/shm -name "$N.*" | wc -l)" = 0 ]
}

@test "10000 objects and 300 processes: beside lsipc and lsof" {
	need lsipc
	need lsof
	objects=$((10000 / SCALE)) processes=$((300 / SCALE))
	files $((objects / 2))
	"$USER_OF" sems $((objects / 2)) >/dev/null
	python3 - "$N" "$processes" <<-'END' >"$T/said" 3>&- &
		import mmap, os, signal, sys
		files = []
		for p in range(int(sys.argv[2])):
		    if os.fork() == 0:
		        for i in range(10):
		            f = open('/dev/shm/%s.%d' % (sys.argv[1], p * 10 + i), 'r+b')
		            files.append((f, mmap.mmap(f.fileno(), 1)))
		        signal.pause()
		print('ready', flush=True)
		signal.pause()
	END
	makers="$makers $!"
	within test -s "$T/said"
	measure $((SCALE == 1 ? 3 : 1)) "$DURE" ls --local
	ours=$best ours_kib=$kib
	measure $((SCALE == 1 ? 3 : 1)) sh -c 'lsipc -m; lsipc -s; lsipc -q; lsof -n -P'
	echo "# $objects objects, $processes processes: dure ls $ours ms, $ours_kib KiB; lsipc + lsof $best ms, $kib KiB" >&3
	at_most "$((2 * ours))" "$((3 * best))"
	at_most "$ours_kib" 65536
	pkill -KILL -P "${makers##* }"
}
