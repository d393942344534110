#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# lookalike.bats - ipcs and ipcrm byte for byte as util-linux has them

load setup

# objects of all kinds, in all states, whose keys, identifiers and processes are the same each time
furnish() {
	python3 - <<-'END'
		import ctypes, os
		c = ctypes.CDLL(None)
		c.shmat.restype = ctypes.c_void_p
		for key, size in ((1, 1000), (2, 1500000), (0xdeadbeef, 5), (4, 1048000), (5, 12345678901), (0, 65536)):
		    c.shmget(ctypes.c_int(key), ctypes.c_size_t(size), 0o1644)
		c.shmctl(c.shmget(1, 0, 0), 11, None)		# SHM_LOCK
		c.shmdt(c.shmat(c.shmget(2, 0, 0), None, 0))
		q = c.msgget(7, 0o1600)
		c.msgsnd(q, b'\1' + b'\0' * 7 + b'hello', 5, 0)
		c.msgget(8, 0o1666)
		c.semget(9, 3, 0o1666)
		s = c.semget(10, 1, 0o1600)
		c.semctl(s, 0, 16, 5)				# SETVAL
		if os.geteuid() == 0:
		    class perm(ctypes.Structure):
		        _fields_ = [('key', ctypes.c_int), ('uid', ctypes.c_uint), ('gid', ctypes.c_uint), ('rest', ctypes.c_char * 200)]
		    p = perm()
		    c.msgctl(q, 2, ctypes.byref(p))
		    p.uid, p.gid = 12345, 54321
		    c.msgctl(q, 1, ctypes.byref(p))		# an owner without a name
	END
}

# same WORDS...: what the real one prints, and its status
same() {
	local program=$1 theirs ours
	shift
	theirs=$(command "$program" "$@" 2>&1; echo "status $?")
	ours=$("$DURE" "$program" "$@" 2>&1; echo "status $?")
	[ "$theirs" = "$ours" ] || {
		diff <(printf '%s' "$theirs") <(printf '%s' "$ours") || true
		echo "differs: $program $*"
		return 1
	}
}

@test "ipcs: all tables, forms and units" {
	need ipcs
	furnish
	for kind in "" -m -q -s; do
		for form in "" -t -p -c -l -u; do
			for unit in "" -b --human; do
				same ipcs $kind $form $unit
			done
		done
	done
	same ipcs -q -m
	same ipcs -a -t
	# someone has one attached, and it was removed
	use shm used
	ipcrm -m "$b"
	same ipcs
	same ipcs -m --human
}

@test "ipcs: all about one" {
	need ipcs
	furnish
	for kind in m q s; do
		for id in 0 1 2 3 99; do
			for unit in "" -b --human; do
				same ipcs -$kind -i $id $unit
			done
		done
	done
}

@test "ipcs: wrong usage" {
	need ipcs
	for words in "-i x -m" "-i -m" "-i 0" "-m -s -i 0" "-Z" "-m x y" "--nosuch" "-i 99999999999 -m" "-i"; do
		same ipcs $words
	done
}

@test "ipcs: for who may not read what there is" {
	need ipcs
	need setpriv
	furnish
	chmod 755 "$T"
	for words in "" "-m -i 0" "-u" "-m -c"; do
		theirs=$(setpriv --reuid 65534 --clear-groups ipcs $words 2>&1; echo "status $?")
		ours=$(setpriv --reuid 65534 --clear-groups "$DURE" ipcs $words 2>&1; echo "status $?") || true
		[ "$theirs" = "$ours" ] || { diff <(echo "$theirs") <(echo "$ours"); return 1; }
	done
}

# removal: the same in two namespaces, one for each
remove() {
	unshare --ipc bash -c 'program=$1; shift; '"$(declare -f furnish)"'
		ipcrm() { if [ "$program" = real ]; then command ipcrm "$@"; else "$program" ipcrm "$@"; fi; }
		furnish; ipcrm "$@" 2>&1; echo "status $?"; ipcs -m -q -s | cut -c1-22' bash "$@"
}

@test "ipcrm: by identifiers and keys, all, and what is not there" {
	need ipcrm
	while read -r words; do
		theirs=$(remove real $words)
		ours=$(remove "$DURE" $words)
		[ "$theirs" = "$ours" ] || { diff <(echo "$theirs") <(echo "$ours"); echo "differs: ipcrm $words"; return 1; }
	done <<-'END'

		-v -m 0
		-m 0 -m 1 -q 0 -s 1
		-v -M 1 -Q 7 -S 9
		-v -M 0xdeadbeef
		-v -M 02 -Q 010
		-m 99
		-m 99 -m 1 -s 7 -v
		-M 0x1234
		-M 0
		-M x
		-M 0x
		-m x
		-m -1
		-m
		-Z
		-m 1 foo
		foo 1
		shm
		shm 0 2
		shm 99 x 1
		msg 0
		sem 0 5
		-v msg 1
		-a
		-v -a
		-v --all=shm
		--all=sem -v
		-v --all=msg
		--all=foo
		-v --shmem-id 2 --queue-key 8 --semaphore-id 0
	END
}

@test "called by their names; help and version" {
	ln -s "$DURE" "$T/ipcs"
	ln -s "$DURE" "$T/ipcrm"
	furnish
	[ "$("$T/ipcs" -m)" = "$("$DURE" ipcs -m)" ]
	run -1 "$T/ipcrm" -m 99
	[ "$output" = "ipcrm: invalid id (99)" ]
	for name in ipcs ipcrm; do
		run -0 "$DURE" $name --help
		holds "Usage: $name" "-h, --help"
		[ "$(wc -L <<<"$output")" -le 80 ]
		[ "${#lines[@]}" -le 24 ]
		run -0 "$T/$name" -V
		[ "$output" = "$name from $("$DURE" --version)" ]
		run -2 bash -c "'$DURE' $name --help >/dev/full"
	done
}
