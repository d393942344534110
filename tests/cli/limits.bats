#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# limits.bats - limits, explain and doctor: what is exhausted, by whom, and how to mend it

load setup

limit() { # NAME FIELD
	"$DURE" limits --json | jq -r --arg n "$1" '.limits[] | select(.name == $n) | .'"$2"
}

@test "limits are those of the kernel, and count what there is" {
	[ "$(limit kernel.shmmni value)" = "$(cat /proc/sys/kernel/shmmni)" ]
	[ "$(limit kernel.sem:semmni value)" = "$(awk '{ print $4 }' /proc/sys/kernel/sem)" ]
	[ "$(limit kernel.sem:semmns value)" = "$(awk '{ print $2 }' /proc/sys/kernel/sem)" ]
	[ "$(limit RLIMIT_NOFILE value)" = "$(ulimit -n)" ]
	[ "$(limit kernel.sem:semmni used)" = 0 ]
	"$USER_OF" sems 7
	left shm
	left queue "$N"
	[ "$(limit kernel.sem:semmni used)" = 7 ]
	[ "$(limit kernel.sem:semmns used)" = 14 ]
	[ "$(limit kernel.shmmni used)" = 1 ]
	[ "$(limit kernel.shmall used)" = 16 ]
	[ "$(limit fs.mqueue.queues_max used)" = 1 ]
	[ "$(limit /dev/shm value)" = 1073741824 ]
	head -c 1000000 /dev/zero | tr '\0' x >"/dev/shm/$N-x"
	[ "$(limit /dev/shm used)" -ge 1000000 ]
	run -0 "$DURE" limits
	holds kernel.shmmni ENOSPC HEADROOM
	run -0 "$DURE" limits -n -o limit,used -f "limit =~ semmni"
	has "kernel.sem:semmni 7"
}

@test "what counts for RLIMIT_MSGQUEUE is what the kernel counts" {
	# counted by user and user namespace: in one of our own nobody else has queues
	cat >"$T/make" <<'END'
import ctypes, os, resource, sys
limit = int(sys.argv[1])
c = ctypes.CDLL(None, use_errno=True)
resource.setrlimit(resource.RLIMIT_MSGQUEUE, (limit, limit))
class attr(ctypes.Structure):
    _fields_ = [('flags', ctypes.c_long), ('maxmsg', ctypes.c_long), ('msgsize', ctypes.c_long),
                ('curmsgs', ctypes.c_long), ('rest', ctypes.c_long * 4)]
a = attr(0, 5, 64)
q = c.mq_open(b'/second', os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600, ctypes.byref(a))
print('made' if q >= 0 else os.strerror(ctypes.get_errno()))
if q >= 0: c.mq_unlink(b'/second')
END
	# one that is exactly so big fits beside the first, and with a byte less it does not
	run -0 unshare --user --map-root-user --ipc --mount bash -c '
		"$USER_OF" queue first left >/dev/null
		used=$("$DURE" limits --json | jq ".limits[] | select(.name == \"RLIMIT_MSGQUEUE\").used")
		python3 "$0" $((2 * used)) && python3 "$0" $((2 * used - 1))' "$T/make"
	[ "$output" = $'made\nToo many open files' ]
}

@test "another process' limits" {
	sleep 60 3>&- &
	makers="$makers $!"
	prlimit --pid $! --nofile=77:77
	run -0 "$DURE" limits --pid $! -n -o limit,value -f "limit == RLIMIT_NOFILE"
	has "RLIMIT_NOFILE 77"
	run -2 "$DURE" limits --pid 4194304
	run -2 "$DURE" limits --pid x
}

@test "--set sets, and prints the line that keeps it" {
	[ -w /proc/sys/kernel/shmmni ] || skip "this may not set limits"
	before=$(cat /proc/sys/kernel/sem)
	run -0 "$DURE" limits --set kernel.sem:semmni=777
	holds "/etc/sysctl.d/" "kernel.sem = "
	[ "$(awk '{ print $4 }' /proc/sys/kernel/sem)" = 777 ]
	[ "$(awk '{ print $1, $2, $3 }' /proc/sys/kernel/sem)" = "$(echo $before | cut -d' ' -f1-3)" ]
	run -0 "$DURE" limits --set kernel.msgmnb=1M
	[ "$(cat /proc/sys/kernel/msgmnb)" = 1048576 ]
	for wrong in nosuch=1 kernel.shmmni kernel.shmmni=x RLIMIT_NOFILE=5 /dev/shm=1G kernel.msgmni=99999999999; do
		run --separate-stderr -2 "$DURE" limits --set "$wrong"
		[ -z "$output" ]
	done
}

# Our own namespace' limits, low enough to be reached.
@test "Apache's semaphores: explain and doctor name the limit, the user and the way out" {
	[ -w /proc/sys/kernel/sem ] || skip "this may not set limits"
	echo 250 32000 32 100 >/proc/sys/kernel/sem
	"$USER_OF" sems 100
	run "$USER_OF" sem left
	[ "$status" = 1 ]
	for words in "ENOSPC semget" 28 "AH00023: Couldn't create the rewrite-map mutex: (28)No space left on device" \
		"errno:ENOSPC sysvsem"; do
		run -1 "$DURE" explain "$words"
		holds exhausted "kernel.sem:semmni: 100 of 100" "100 objects" "dure reap --kind sysv-sem --user" \
			"sysctl -w kernel.sem=\"250 32000 32 200\"" /etc/sysctl.d/ "docker run --sysctl" sysctls
	done
	run -1 "$DURE" doctor
	holds exhausted "kernel.sem:semmni"
	run --separate-stderr -1 "$DURE" doctor --json
	printf '%s' "$output" | jq -e '.exhausted[] | select(.name == "kernel.sem:semmni") |
		.used == 100 and .used_by[0].objects == 100 and (.remedies | length) >= 3'
	run -0 "$DURE" reap --kind sysv-sem --age 0s --grade likely --yes --journal "$T/journal" --quiet
	run -0 "$USER_OF" sem left
	[[ $("$DURE" doctor 2>/dev/null) != *"exhausted "*semmni* ]]
}

@test "a full /dev/shm of dead workers' files: whose, how much, and freed" {
	mount -t tmpfs -o size=8m,mode=1777 tmpfs /dev/shm
	for i in 1 2 3 4; do head -c 2000000 /dev/zero | tr '\0' x >"/dev/shm/torch_4194300_$i"; done
	touch -d '1 hour ago' /dev/shm/torch*
	run -1 "$DURE" explain "RuntimeError: unable to write to file </torch_7>: No space left on device"
	holds "exhausted" "/dev/shm:" "--shm-size" "emptyDir" "mount -o remount,size="
	run -1 "$DURE" explain "DataLoader worker (pid 3) is killed by signal: Bus error"
	holds exhausted "/dev/shm:"
	run -1 "$DURE" doctor
	holds "/dev/shm"
	# the pid in their names is nobody's
	run "$DURE" reap --yes --age 0s --name 'torch_*' --journal "$T/journal"
	holds "4 removed"
	[ -z "$(ls /dev/shm)" ]
	[[ $("$DURE" doctor 2>/dev/null) != *"exhausted "*/dev/shm* ]]
	umount /dev/shm
}

@test "message queues: EMFILE is told from EMFILE" {
	left queue "$N"
	run "$DURE" explain "mq_open: Too many open files"
	[ "$status" -le 1 ]
	holds RLIMIT_MSGQUEUE RLIMIT_NOFILE "ulimit -q"
	run prlimit --msgqueue=850:850 "$DURE" explain "mq_open EMFILE"
	[ "$status" = 1 ]
	holds exhausted RLIMIT_MSGQUEUE "limits.d" "--ulimit msgqueue="
}

@test "errors by name, number and text; what is not known is said" {
	for words in ENOSPC enospc 28 "No space left on device" "errno 28"; do
		run "$DURE" explain "$words"
		holds ENOSPC
	done
	run -0 "$DURE" explain semop: Identifier removed
	holds EIDRM RemoveIPC
	run -0 "$DURE" explain EOWNERDEAD
	holds consistent
	run -2 "$DURE" explain frobnicated
	holds "nothing is known"
	run -2 "$DURE" explain $'\e[31m'
	[[ $output != *$'\e'* ]]
	run --separate-stderr "$DURE" explain --json ENOSPC semget
	printf '%s' "$output" | jq -e '.version == 1 and (.causes | length) == 1 and
		(.limits[0].name == "kernel.sem:semmni")'
	run -2 "$DURE" explain "$(head -c 100000 /dev/zero | tr '\0' x)"
}

@test "doctor without findings is 0, and says what it looked at" {
	run "$DURE" doctor
	# the host beside our namespace may have its troubles; ours are none
	[[ $output != *leftover* ]]
	[ "$status" = 0 ] || holds stuck || holds exhausted || holds deadlock
}
