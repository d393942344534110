#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# lookalike.bats - ipcs, ipcrm and lsipc byte for byte as util-linux has them

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

# one_size: another set as big as the first one: lsipc multiplies that instead of adding
one_size() {
	ipcrm -S 10
	ipcmk -S 3 >/dev/null
}

@test "lsipc: all lists, columns and forms" {
	need lsipc
	furnish
	one_size
	shm=$(ipcs -m | awk '/^0x/ { print $2; exit }') sem=$(ipcs -s | awk '/^0x/ { print $2; exit }')
	msg=$(ipcs -q | awk '/^0x/ { print $2; exit }')
	for kind in "" -m -q -s; do
		id=${shm}
		[ "$kind" != -q ] || id=$msg
		[ "$kind" != -s ] || id=$sem
		for form in "" -J -e -n -r -l "-e -y" "-J -b" -P --noheadings --notruncate; do
			[ "$kind $form" != "-q -P" ] || continue
			for what in "" -c -t "-c -t" "-t -c --time-format iso" "--time-format full -t" -g "-o KEY,ID,UID" \
				"-o +group,CGROUP,user,CUSER" "-i $id" "-i $id -c" "-i $id -t --time-format full" "-i $id -o KEY,CTIME"; do
				same lsipc $kind $form $what
			done
		done
	done
	for words in "-o KEY" "-o RESOURCE,KEY" "-g -m -o RESOURCE,USED" "-m -o CPID,LPID,NATTCH,STATUS,ATTACH,DETACH" \
		"-q -o SEND,RECV,LSPID,LRPID,USEDBYTES,MSGS" "-s -o +OTIME,NSEMS" "-g -o +KEY" x "-m -i -1"; do
		same lsipc $words
	done
}

@test "lsipc: all about one, also of who is there and of what was removed" {
	need lsipc
	furnish
	one_size
	for kind in m q s; do
		for id in $(ipcs -$kind | awk '/^0x/ { print $2 }'); do
			for form in "" -b "--time-format iso" -J; do
				same lsipc -$kind -i "$id" $form
			done
			[ $kind = q ] || same lsipc -$kind -i "$id" -P
		done
		same lsipc -$kind -i 99
	done
	use shm used
	ipcrm -m "$b"
	same lsipc -m
	same lsipc -m -i "$b"
	same lsipc -m -i "$b" --time-format short
	use sem used
	same lsipc -s -i "$b"
	same lsipc -s -i "$b" -o KEY
}

@test "lsipc: what it has wrong is right here" {
	need lsipc
	furnish
	run -0 "$DURE" lsipc -g -o RESOURCE,USED
	has "SEMMNS 4"
	run -0 "$DURE" lsipc -q -P -o KEY,PERMS
	has "0x00000007 0600" "0x00000008 0666"
}

@test "lsipc: wrong usage" {
	need lsipc
	for words in "-i x -m" "-i -m" "-i 0" "-m -s" "-Z" "--nosuch" "-i 99999999999 -m" "-i" "-o" "-o nosuch -m" \
		"-m -o KEY,nosuch,ID" "-m -o RESOURCE" "-m -o KEY,USE%,ID" "-q -o SIZE" "-m -o +" "-g -i 0 -m" "-g -t" \
		"-c" "-J -r" "-e -J" "-r -n" "-l -J" "-m -o KEY -t" "-m -t -o KEY" "-m -c -o KEY" "-m -o KEY -c" "-m -c -t" \
		"-g -m -q" "-m -t --time-format x"; do
		same lsipc $words
	done
}

@test "lsipc: in a terminal, for who may not read, and in the year's other time zones" {
	need lsipc
	need setpriv
	furnish
	one_size
	use shm used
	for width in 40 60 80 200; do
		for words in "" "-m" "-m -t" "-q -c" "-s"; do
			[ "$(script -qec "stty cols $width; lsipc $words" /dev/null)" = \
				"$(script -qec "stty cols $width; '$DURE' lsipc $words" /dev/null)" ] || {
				echo "differs at $width columns: $words"
				return 1
			}
		done
	done
	export TZ=Asia/Kathmandu
	same lsipc -m -t --time-format iso
	TZ=America/St_Johns same lsipc -m -t --time-format iso
	theirs=$(setpriv --reuid 65534 --clear-groups lsipc -m 2>&1; echo "status $?")
	chmod 755 "$T"
	[ "$theirs" = "$(setpriv --reuid 65534 --clear-groups "$DURE" lsipc -m 2>&1; echo "status $?")" ]
}
