#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# proc.bats - a /proc of any bytes: each command ends, with a status, and soon
#
# PROC_ROUNDS and PROC_SEED: how often, and from which seed on.

load setup

@test "a /proc that was changed at random" {
	use mutex "$N-m" held
	pids="$a $b"
	use sem used && pids="$pids $a"
	use shm used && pids="$pids $a"
	use posix "$N-p" used && pids="$pids $a" mapper=$a
	touch "$T/l" && use flock "$T/l" && pids="$pids $a $b"
	# that they take effect: who has nothing mapped any more
	mkdir -p "$T/bad/$mapper"
	: >"$T/bad/$mapper/maps"
	[ "$("$DURE" ls --local -n -o MAPS -f "name == '/$N-p'" 2>/dev/null | tr -d ' ')" = 1 ]
	[ "$(looked_at "$T/bad" ls --local -n -o MAPS -f "name == '/$N-p'" 2>/dev/null | tr -d ' ')" = 0 ]
	rm -r "$T/bad"
	seed=${PROC_SEED:-1}
	for round in $(seq "$seed" $((seed + ${PROC_ROUNDS:-3} - 1))); do
		"$SOURCE/tests/cli/mutate_proc" "$T/bad" "$round" $pids
		for words in "ls" "ls --local --json" "doctor" "limits" "who $a" "reap --all" "metrics --objects" \
			"snapshot" "ipcs" "ipcs -u -m"; do
			status=0
			looked_at "$T/bad" $words >"$T/out" 2>"$T/err" || status=$?
			[ "$status" -le 2 ] || {
				echo "seed $round: dure $words: $status"
				tail -n 30 "$T/err"
				return 1
			}
			# no byte of it reaches a terminal as it is
			! grep -q $'\e' "$T/out" "$T/err" || { echo "seed $round: dure $words: an escape"; return 1; }
		done
		rm -rf "$T/bad"
	done
}

# looked_at DIRECTORY WORDS...: dure with the files in it in the place of those of /proc
looked_at() {
	timeout 20 unshare --mount sh -c 'cd "$1" && shift && find . -type f -exec mount --bind {} /proc/{} \;
		cd / && exec "$@"' sh "$1" "$DURE" "${@:2}"
}
