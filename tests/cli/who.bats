#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# who.bats - holders, waiters, the dead among them, and circles

load setup

@test "a libc mutex: who waits, and who holds it" {
	use mutex "$N" held
	run -0 "$DURE" who "posix:shm:$N"
	holds "process $b (user) waits for the word" "held by $a (user)"
	run --separate-stderr -0 "$DURE" who --json "posix:shm:$N"
	printf '%s' "$output" | jq -e --argjson h "$a" --argjson w "$b" '.version == 1 and
		(.waits | length) == 1 and .waits[0].pid == $w and .waits[0].holder == $h and
		.waits[0].kind == "futex" and .waits[0].offset == 0 and (.waits[0].holder_is_dead | not) and
		any(.uses[]; .pid == $w and .maps == 1) and .verdict.grade == "used" and .circles == []'
	run -0 "$DURE" who "$b"
	holds "posix:shm:$N" "held by $a"
	run -0 "$DURE" who "$a"
	holds "Waiting for it" "process $b (user) waits"
}

@test "its holder is dead: 1, and doctor finds it" {
	use mutex "$N" dead
	run -1 "$DURE" who "posix:shm:$N"
	holds "process $b (user) waits" "held by $a, which is dead"
	run -1 "$DURE" doctor
	holds stuck "held by $a, which is dead"
	run -1 "$DURE" explain "pid:$b"
	holds "held by $a, which is dead"
	run --separate-stderr -1 "$DURE" doctor --json
	printf '%s' "$output" | jq -e --arg p "$a" 'any(.stuck[]; contains($p))'
}

@test "its holder is dead in another PID namespace, where our pids mean others" {
	[ "$(id -u)" = 0 ] || skip "needs root"
	for how in held dead; do
		rm -f "$T/in" "$T/out"
		mkfifo "$T/in"
		unshare --pid --fork --kill-child --mount-proc "$USER_OF" mutex "$N-$how" $how \
			<"$T/in" >"$T/out" 3>&- &
		makers="$makers $!"
		exec {input}>"$T/in"
		within test -s "$T/out"
		read -r word a b <"$T/out"
		[ "$word" = ready ]
		run --separate-stderr "$DURE" who --json "posix:shm:$N-$how"
		if [ $how = held ]; then
			# $a is a pid in there: its name here is another one
			printf '%s' "$output" | jq -e --argjson a "$a" '.waits[0].holder > 0 and
				(.waits[0].holder_is_dead | not)'
			holder=$(printf '%s' "$output" | jq '.waits[0].holder')
			grep -qE "^NSpid:.*	$a\$" "/proc/$holder/status"
		else
			printf '%s' "$output" | jq -e '.waits[0].holder == 0 and .waits[0].holder_is_dead'
		fi
		exec {input}>&-
	done
}

@test "two that wait for each other" {
	use mutex "$N" circle
	run -1 "$DURE" who "posix:shm:$N"
	holds Deadlocks "they wait for each other" "$a (user) waits for $b (user)"
	run -1 "$DURE" who "$a"
	holds "they wait for each other"
	run -1 "$DURE" doctor
	# others of this machine may wait in circles of their own
	[ "$(printf '%s\n' "$output" | grep '^deadlock' | grep -c "$a (user).*$b (user)")" = 1 ]
}

@test "a circle of others is no matter of an object, or process, outside of it" {
	use mutex "$N" circle
	circle="$a (user)"
	use flock "$T/file"
	for subject in "lock:$T/file" "$a" "$b"; do
		run -0 "$DURE" who "$subject"
		[[ $output != *"$circle"* ]]
	done
}

@test "a System V semaphore: values, last users, sleepers; a queue; a file lock" {
	use sem used
	run -0 "$DURE" who "sysv:sem:$b"
	holds "waits for semaphore 0 (0) of sysv:sem:$b"
	run --separate-stderr -0 "$DURE" who --json "sysv:sem:$b"
	printf '%s' "$output" | jq -e '(.semaphores | length) == 2 and .semaphores[0].waiting == 1 and
		.semaphores[1].waiting == 0 and .semaphores[0].value == 0'
	use msg used
	run -0 "$DURE" who "sysv:msg:$b"
	holds "waits for a message in sysv:msg:$b"
	use flock "$T/file"
	run -0 "$DURE" who "lock:$T/file"
	holds "process $b (user) waits for the file lock on lock:$T/file; held by $a (user)"
}

@test "a word that looks like a pid is no holder" {
	# pid 1 always is: a futex word of 1 in memory that is no mutex names nobody
	python3 - "$N" >"$T/out" <<'END' 3>&- &
import ctypes, mmap, os, sys
fd = os.open('/dev/shm/' + sys.argv[1], os.O_RDWR | os.O_CREAT)
os.ftruncate(fd, 4096)
m = mmap.mmap(fd, 4096)
m[0:4] = (os.getpid()).to_bytes(4, 'little')
word = ctypes.c_uint32.from_buffer(m)
print('ready', flush=True)
ctypes.CDLL(None).syscall(202, ctypes.byref(word), 0, os.getpid(), None, None, 0)
END
	pid=$!
	makers="$makers $pid"
	[ "$(uname -m)" = x86_64 ] || skip "the number of futex is another one here"
	within grep -q ready "$T/out"
	within grep -q '^202 ' "/proc/$pid/syscall"
	run --separate-stderr -0 "$DURE" who --json "posix:shm:$N"
	printf '%s' "$output" | jq -e --argjson p "$pid" '.waits[0].word == $p and .waits[0].holder == 0 and
		(.waits[0].holder_is_dead | not)'
}

@test "a dure segment: who is attached, holds and waits" {
	make holder "$N"
	run -0 "$DURE" who "$N"
	holds "$pid (maker)" "thread $pid holds the lock at +0x" "waits for the lock at +0x" \
		"held by thread $pid"
	run -0 "$DURE" who --json "$N"
	printf '%s' "$output" | jq -e --argjson p "$pid" '.uses[0].pid == $p and .waits[0].holder == $p and
		(.waits[0].circle | not)'
}

@test "a circle of a segment's own locks, by name" {
	make circle "$N"
	run -1 "$DURE" who "$N"
	holds Deadlocks "waits for forks+0x0, held by" "waits for forks+0x10, held by" \
		"waits for forks+0x20, held by" "(maker): they wait for each other"
	[ "$(printf '%s\n' "$output" | grep -c '(maker) waits for')" = 1 ]
	run --separate-stderr -1 "$DURE" who --json "$N"
	printf '%s' "$output" | jq -e '(.circles | length) == 1 and (.circles[0].members | length) == 3 and
		([.circles[0].members[].thread] | sort) == ([.waits[].thread] | sort) and
		([.circles[0].members[].lock_name] | sort) == ["forks+0x0", "forks+0x10", "forks+0x20"] and
		all(.waits[]; .circle)'
}

@test "what is not there, and wrong usage" {
	run -2 "$DURE" who sysv:sem:2147483647
	holds "no such object"
	run -2 "$DURE" who 4194304
	holds "no process"
	run -2 "$DURE" who 99999999999999999999
	run -2 "$DURE" who "$N-nosuch"
	run -2 "$DURE" who
	holds Usage
	run -2 "$DURE" who a b
	run -2 "$DURE" who $'posix:shm:\e[31m'
	[[ $output != *$'\e'* ]]
}
