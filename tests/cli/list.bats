#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# list.bats - dure ls on the objects of all kinds, their users, hostile names, namespaces

load setup

# what is here, without the notes
ls() {
	"$DURE" ls --local "$@" 2>/dev/null
}

# cells OBJECT COLUMNS: those of one object, without headings, with single spaces
cells() {
	ls -n -b -o "$2" -f "object == '$1'" | tr -s ' ' | sed 's/^ //; s/ $//'
}

@test "System V objects: who made them, how many use them, who sleeps" {
	use shm used
	[ "$(cells "sysv:shm:$b" KIND,SIZE,COUNT,PROCS,MAPS,STATE,CPID,PIDS,COMMANDS)" = \
		"sysv-shm 65536 1 1 1 used $a $a user" ]
	use sem used
	[ "$(cells "sysv:sem:$b" KIND,COUNT,WAITS,STATE)" = "sysv-sem 2 1 used" ]
	use msg used
	[ "$(cells "sysv:msg:$b" KIND,SIZE,COUNT,WAITS,STATE)" = "sysv-msg 0 0 1 used" ]
	left shm
	[ "$(cells "sysv:shm:$b" COUNT,PROCS,STATE)" = "0 0 idle" ]
	left msg
	[ "$(cells "sysv:msg:$b" SIZE,COUNT,WAITS)" = "9 2 0" ]
}

@test "POSIX objects, used and idle; a queue without /dev/mqueue" {
	left posix "$N"
	[ "$(cells "posix:shm:$N" KIND,NAME,MODE,SIZE,RESIDENT,PROCS,STATE,PATH)" = \
		"posix-shm /$N 0600 65536 4096 0 idle /dev/shm/$N" ]
	use posix "$N-u" used
	[ "$(cells "posix:shm:$N-u" PROCS,OPENS,MAPS,STATE)" = "1 0 1 used" ]
	left named-sem "$N"
	[ "$(cells "posix:sem:$N" KIND,COUNT,STATE)" = "posix-sem 5 idle" ]
	left queue "$N"
	[ "$(cells "posix:mq:$N" KIND,NAME,MODE,SIZE,COUNT,STATE)" = "posix-mq /$N 0640 11 3 idle" ]
	use queue "$N-u" used
	[ "$(cells "posix:mq:$N-u" COUNT,PROCS,OPENS,STATE)" = "3 1 1 used" ]
}

@test "memory without a name: memfd, deleted, anonymous" {
	for kind in memfd deleted anonymous; do
		use $kind used
		run -0 ls -n -b -k $kind -o SIZE,PROCS,STATE -f "pids == '$a'"
		case $kind in
		deleted) has "65536 1 deleted" ;;
		*) has "65536 1 used" ;;
		esac
	done
	run -0 ls -n -k memfd -o NAME -f "pids =~ '.'"
	holds 'one\x0atwo'
}

@test "files on huge pages" {
	mkdir "$T/huge"
	mount -t hugetlbfs none "$T/huge" || skip "no hugetlbfs can be mounted"
	: >"$T/huge/a b"
	run -0 ls -n -k huge -o OBJECT,NAME,STATE
	holds "huge:$T/huge/a b"
	run -0 "$DURE" rm --no-undo "huge:$T/huge/a b"
	[ ! -e "$T/huge/a b" ]
	umount "$T/huge"
}

@test "file locks, with who has them and who waits" {
	use flock "$T/file"
	[ "$(cells "lock:$T/file" KIND,COUNT,PROCS,WAITS,PATH)" = "lock 1 2 1 $T/file" ]
}

@test "files in directories of /dev/shm, another link, and what is no object" {
	mkdir -p "/dev/shm/$N/below"
	echo x >"/dev/shm/$N/below/file"
	ln "/dev/shm/$N/below/file" "/dev/shm/$N/second"
	ln -s "/dev/shm/$N/below" "/dev/shm/$N-link"
	mkfifo "/dev/shm/$N-fifo"
	run -0 ls -n -o NAME -k posix-shm
	[ "$(printf '%s\n' "$output" | grep -c "^/$N")" = 1 ]
	[[ $output != *fifo* && $output != *link* ]]
	rm -r "/dev/shm/$N" "/dev/shm/$N-fifo" "/dev/shm/$N-link"
}

@test "hostile names are harmless on a terminal, and exact in JSON" {
	names=("$(printf '%0255d' 7)" $'a\nb' $'\e[31mred\e]0;title\a' ' spaces  ' 'quote"s\' $'bad\xff\xfeutf' \
		$'right\u202eleft' '-rf' '%s%n' ".hidden")
	for name in "${names[@]}"; do : >"/dev/shm/$name"; done
	for options in "" "-t" "-p" "-v"; do
		LC_ALL=C.UTF-8 run -0 "$DURE" ls $options
		[[ $output != *$'\e'* && $output != *$'\a'* ]]
	done
	run -0 ls --json -k posix-shm
	for name in $'a\nb' $'\e[31mred\e]0;title\a' ' spaces  ' 'quote"s\' '-rf' '%s%n' .hidden; do
		printf '%s' "$output" | jq -e --arg n "/$name" 'any(.objects[]; .name == $n)' >/dev/null
	done
	[ "$(printf '%s' "$output" | jq '.objects | length')" = "${#names[@]}" ]
	rm -f -- /dev/shm/{.hidden,*}
}

@test "kinds choose, alone and in groups; a wrong one is named" {
	left posix "$N"
	left sem
	for kind in shm posix posix-shm shm,sem; do
		run -0 ls -n -o KIND -k $kind
		holds posix-shm
	done
	run -0 ls -n -o KIND -k sysv
	[[ $output != *posix* ]]
	run --separate-stderr -2 "$DURE" ls -k nosuch
	[[ $stderr == *nosuch* && $stderr == *sysv-shm* ]]
}

@test "filters: comparisons, and, or, not, brackets, quantities, expressions" {
	left posix "$N-a"
	left named-sem "$N-b"
	list() { ls -n -o NAME -s NAME -f "$1" | tr '\n' ' '; }
	[ "$(list "size > 1k and kind =~ '^posix'")" = "/$N-a " ]
	[ "$(list "kind eq posix-sem or size >= 64K && state == idle")" = "/$N-a /$N-b " ]
	[ "$(list "not (kind == posix-sem) && kind =~ posix")" = "/$N-a " ]
	[ "$(list "! kind == posix-sem and kind !~ \"lock|memfd|anon\"")" = "/$N-a " ]
	[ "$(list "age < 1h and count == 5")" = "/$N-b " ]
	[ "$(list "size == 0.0625M and kind == posix-shm")" = "/$N-a " ]
	[ "$(list "procs and kind =~ posix")" = "" ]
	for wrong in "" "size >" "size > x" "nosuch == 1" "(size > 1" "size > 1 size" "name =~ '['" \
		"'" "size =~ 1" "size > 'abc" "and" "$(printf '(%.0s' $(seq 200))"; do
		run --separate-stderr -2 "$DURE" ls -f "$wrong"
		[ -z "$output" ]
		[[ $stderr == "dure: ls: --filter: "* ]]
	done
}

@test "sorted by kind and name; by columns, downwards; digits as numbers" {
	for i in 10 9 2; do left posix "$N-$i"; done
	truncate -s 1 "/dev/shm/$N-9"
	run -0 ls -n -k posix-shm -o NAME
	[ "${lines[0]} ${lines[1]} ${lines[2]}" = "/$N-2 /$N-9 /$N-10" ]
	run -0 ls -n -k posix-shm -o NAME --sort -size,-name
	[ "${lines[0]} ${lines[1]} ${lines[2]}" = "/$N-10 /$N-2 /$N-9" ]
	run --separate-stderr -2 "$DURE" ls --sort nosuch
	[[ $stderr == *nosuch* ]]
}

@test "trees: users below objects, objects below users" {
	use posix "$N" used
	run -0 ls --tree -f "name == '/$N'"
	[[ ${lines[1]} == "posix:shm:$N "* ]]
	[[ ${lines[2]} == *"$a user"*mapped ]]
	run -0 ls --processes -f "name == '/$N'"
	[[ ${lines[1]} == "$a user"* ]]
	[[ ${lines[2]} == *"posix:shm:$N"*mapped ]]
	run -0 ls --tree --json -f "name == '/$N'"
	printf '%s' "$output" | jq -e --arg p "$a user" '.objects[0].children[0].object == $p'
}

@test "JSON says its version, all columns, and whether the view is complete" {
	left posix "$N"
	run --separate-stderr -0 "$DURE" ls --json
	[ -z "$stderr" ]
	printf '%s' "$output" | jq -e '.version == 1 and (.complete | type == "boolean") and
		.complete == (.notes == []) and (.objects[0] | keys | length) > 30'
	printf '%s' "$output" | jq -e --arg n "/$N" '.objects[] | select(.name == $n) |
		.size == 65536 and (.age | type == "number") and .id == null'
}

@test "an incomplete view is said aloud" {
	# in a PID namespace nobody outside is seen
	left posix "$N"
	run --separate-stderr -0 unshare --pid --fork --mount-proc "$DURE" ls
	[[ $stderr == *"dure: ls: incomplete: this is not the host's first PID namespace"* ]]
	run -0 unshare --pid --fork --mount-proc "$DURE" ls --json
	printf '%s' "$output" | jq -e '.complete == false and any(.notes[]; contains("PID namespace"))'
}

@test "without /proc there is an error and not an empty list" {
	run --separate-stderr -2 unshare --mount sh -c 'mount -t tmpfs none /proc && LD_LIBRARY_PATH=$1 exec "$0" ls' \
		"$DURE" "$(dirname "$DURE")"
	[ -z "$output" ]
	[[ $stderr == *"/proc is not mounted"* ]]
}

@test "other IPC namespaces are entered, and left again" {
	[ "$(id -u)" = 0 ] && [ "$(cat /proc/self/uid_map | tr -s ' ')" = " 0 0 4294967295" ] ||
		skip "needs root in the first user namespace"
	mkfifo "$T/in"
	unshare --ipc --mount sh -c 'mount -t tmpfs tmpfs /dev/shm && exec "$0" "$@"' \
		"$USER_OF" sem used <"$T/in" >"$T/out" 3>&- &
	makers="$makers $!"
	exec {input}>"$T/in"
	within test -s "$T/out"
	read -r word a b <"$T/out"
	ns=$(stat -Lc %i "/proc/$a/ns/ipc")
	run -0 "$DURE" ls -n -o OBJECT,COUNT,WAITS -f "ns == $ns"
	has "sysv:sem:$b 2 1"
	left sem
	run -0 "$DURE" ls -n -o OBJECT --local
	holds "sysv:sem:$b"
	run -0 "$DURE" ls -n -o OBJECT --local -f "ns == $ns"
	[[ $output != *sysv:sem* ]]
}

@test "processes that come and go while they are read" {
	(while :; do /bin/true; done) 3>&- &
	makers="$makers $!"
	(while :; do "$USER_OF" posix "$N-churn" left >/dev/null; rm -f "/dev/shm/$N-churn"; done) 3>&- &
	makers="$makers $!"
	for i in $(seq 40); do
		run -0 timeout 10 "$DURE" ls --json
	done
}

@test "ten thousand objects: quick, and in little memory" {
	"$USER_OF" sems 5000
	for i in $(seq 5000); do : >"/dev/shm/$N-$i"; done
	measure 1 "$DURE" ls --local -n -o OBJECT
	[ "$(grep -c -e sysv:sem -e "$N" "$T/measured")" = 10000 ]
	echo "# 10000 objects: $best ms, $kib KiB" >&3
	[ "$cpu" -lt 5000 ]
	[ "$kib" -lt 65536 ]
	rm -f /dev/shm/$N-*
}
