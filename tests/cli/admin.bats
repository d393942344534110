#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# admin.bats - an administrator's day: each trouble is found and ended with the command lines that
# the command itself prints, and nothing else (docs/troubleshooting.md shows the output)

load setup

# the journal of removals, and "dure" by its name, as administrators have it
prepare() {
	mkdir "$T/bin"
	ln -s "$DURE" "$T/bin/dure"
	PATH="$T/bin:$PATH"
	export XDG_STATE_HOME=$T/state
}

# follow STATUS LEAD [FINDING]: runs the command line "LEAD" of the output, of the finding that begins so
follow() {
	local line
	line=$(awk -v lead="  $2 " -v finding="${3-}" '
		/^[^ ]/ { is_in = index($0, finding) == 1 }
		(is_in || finding == "") && index($0, lead) == 1 { print substr($0, 13); exit }' <<<"$output")
	[ -n "$line" ] || { printf 'no "%s" of "%s" in:\n%s\n' "$2" "${3-}" "$output"; return 1; }
	echo "\$ $line"
	run -"$1" bash -c "$line"
}

# cure FINDING COMMAND...: COMMAND fails; what doctor finds is looked at, removed, and COMMAND works; what
# was removed comes back, and it fails again; removed for good
cure() {
	local finding=$1
	shift
	run ! "$@"
	run -1 dure explain "$output"
	holds "$finding"
	run -1 dure doctor
	follow 1 look "$finding"
	follow 0 remove
	removed=$output
	run -0 "$@"
}

# uncure COMMAND...: what was removed comes back, and COMMAND fails as before
uncure() {
	output=$removed
	follow 0 undo
	run ! "$@"
}

@test "Apache has left its semaphores behind: no space left on device" {
	prepare
	printf '250 32000 32 128' >/proc/sys/kernel/sem || skip "kernel.sem cannot be set here"
	use sem used
	"$USER_OF" sems 127 >/dev/null
	cure "exhausted kernel.sem:semmni" ipcmk -S 1
	[ "$(ipcs -s | grep -c '^0x')" = 2 ]	# the one that is used, and the new one
	ipcs -s -i "$b"
	ipcrm -s "${output##* }"
	uncure ipcmk -S 1
	[ "$(ipcs -s | grep -c '^0x')" = 128 ]
}

# so many workers make a file each as Python's shared_memory does, and are killed
dead_workers() {
	python3 - "$1" <<-'END'
		import os, signal, sys
		for i in range(int(sys.argv[1])):
		    pid = os.fork()
		    if pid == 0:
		        with open("/dev/shm/psm_%08x" % (i * 40503), "wb") as f:
		            try:
		                f.write(os.urandom(4 << 20))
		            except OSError:
		                pass
		            os.kill(os.getpid(), signal.SIGKILL)
		    os.waitpid(pid, 0)
	END
}

@test "64 MiB of /dev/shm are full of dead workers' files" {
	prepare
	mount -o remount,size=64m /dev/shm
	use posix "$N" used
	dead_workers 17
	write() { head -c 1000000 /dev/zero >"/dev/shm/$N-new"; }
	sums=$(cksum /dev/shm/psm_*)
	rm -f "/dev/shm/$N-new"
	cure "exhausted /dev/shm" write
	run ls -A /dev/shm
	[ "$output" = "$N"$'\n'"$N-new" ]
	rm "/dev/shm/$N-new"
	uncure write
	[ "$(cksum /dev/shm/psm_*)" = "$sums" ]
}

new_queue() {
	python3 -c "
import ctypes, os, sys
c = ctypes.CDLL(None, use_errno=True)
if c.mq_open(b'/' + sys.argv[1].encode(), 0o102, 0o600, None) < 0:
    sys.exit('mq_open: ' + os.strerror(ctypes.get_errno()))" "$1"
}

@test "no more POSIX queues: too many open files, and none is open" {
	prepare
	use queue "$N" used
	count=0
	while new_queue "$N-$count"; do count=$((count + 1)); done 2>/dev/null
	[ "$count" -gt 0 ]
	cure "exhausted RLIMIT_MSGQUEUE" new_queue "$N-new"
	[ "$(dure ls --local -n -o NAME -k mq 2>/dev/null | tr -d ' /' | sort | tr '\n' ' ')" = "$N $N-new " ]
	run -0 dure rm --no-undo "posix:mq:$N-new"
	uncure new_queue "$N-new"
	[ "$(dure ls --local -n -k mq 2>/dev/null | wc -l)" = $((count + 1)) ]
}

# there is no such process any more, or it is a zombie
is_over() {
	[ ! -e "/proc/$1" ] || grep -q '^State:.Z' "/proc/$1/status"
}

@test "a process waits for a mutex whose holder was killed" {
	prepare
	use mutex "$N" dead
	run -1 dure doctor
	finding="stuck     process $b (user)"
	follow 1 look "$finding"
	holds "held by $a, which is dead"
	run -1 dure doctor
	follow 0 "end it" "$finding"
	within is_over "$b"
	run dure doctor
	[[ $output != *"$finding"* ]]
}

@test "a process waits for a semaphore that a killed one had" {
	prepare
	need perl
	use sem dead
	run -1 dure doctor
	finding="suspect   process $a (user)"
	follow 1 look "$finding"
	holds "waits for semaphore 0 (0) of sysv:sem:$b" "which is dead"
	run -1 dure doctor
	follow 0 "let go" "$finding"
	within is_over "$a"
	run dure doctor
	[[ $output != *"$finding"* ]]
	ipcrm -s "$b"
}
