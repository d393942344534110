#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# reap.bats - what is left over, and that nothing else ever goes: reap, rm, undo

load setup

# reap OPTION...: of things of any age, with the journal here
reap() {
	"$DURE" reap --age 0s --journal "$T/journal" "$@"
}

# removes all that is likely left over
reap_likely() {
	reap --yes --grade likely "$@"
}

verdict_of() { # OBJECT
	"$DURE" reap --age "${2:-0s}" --all --json 2>/dev/null | jq -r --arg o "$1" '.objects[] |
		select(.object == $o) | .verdict'
}

evidence_of() { # OBJECT
	"$DURE" reap --age 0s --all --json 2>/dev/null | jq -r --arg o "$1" '.objects[] |
		select(.object == $o) | .evidence'
}

is_there() { # OBJECT
	[ -n "$("$DURE" ls --local -n -o OBJECT -f "object == '$1'" 2>/dev/null)" ]
}

leave_all() {
	left shm && shm=sysv:shm:$b
	left sem && sem=sysv:sem:$b
	left msg && msg=sysv:msg:$b
	left posix "$N" && posix=posix:shm:$N
	left named-sem "$N" && named=posix:sem:$N
	left queue "$N" && queue=posix:mq:$N
	all="$shm $sem $msg $posix $named $queue"
}

@test "nothing is removed without --yes; what is shown has a verdict and evidence" {
	leave_all
	run -1 reap
	for object in $all; do
		holds "$object"
		is_there "$object"
		[ "$(verdict_of "$object")" = likely ]
	done
	holds "Nothing was removed" "undo"
	[[ $(evidence_of "$shm") == *"nobody has it attached"*"creator, process "*" is gone"* ]]
	[[ $(evidence_of "$sem") == *"who used it last, process "*" is gone"* ]]
	[[ $(evidence_of "$posix") == *"the kernel grants a lease"* ]]
	[ ! -e "$T/journal" ]
}

@test "what is young is unused, never more" {
	leave_all
	for object in $all; do
		[ "$(verdict_of "$object" 10m)" = unused ]
	done
	run -0 "$DURE" reap
	run -0 "$DURE" reap --yes --grade likely --journal "$T/journal"
	for object in $all; do is_there "$object"; done
}

@test "--yes alone removes only what is certain" {
	leave_all
	run reap --yes
	for object in $all; do is_there "$object"; done
}

@test "all kinds are removed, and come back: contents, messages, values, modes, names" {
	leave_all
	chmod 0604 "/dev/shm/$N"
	touch -d '2020-01-02 03:04:05' "/dev/shm/$N"
	sum=$(cksum <"/dev/shm/$N")
	run -0 reap_likely
	holds "6 removed"
	for object in $all; do ! is_there "$object"; done
	run "$DURE" undo --journal "$T/journal"
	[ "$status" -le 1 ]		# identifiers may be others where the kernel does not let us choose
	[ "$(cksum <"/dev/shm/$N")" = "$sum" ]
	[ "$(stat -c '%a %y' "/dev/shm/$N" | cut -c1-23)" = "604 2020-01-02 03:04:05" ]
	if [ "$status" = 0 ]; then
		for object in $all; do is_there "$object"; done
	fi
	run -0 "$DURE" ls --local -n -b -o KIND,MODE,SIZE,COUNT
	has "posix-mq 0640 11 3" "posix-sem 0600 32 5" "sysv-msg 0600 9 2" "sysv-sem 0600 0 2" \
		"sysv-shm 0600 65536 0"
	ids=$(ipcs -m | awk '$5 == 65536 { print $2 }')
	[ "$(python3 -c "import ctypes; c = ctypes.CDLL(None); c.shmat.restype = ctypes.c_void_p
print(ctypes.string_at(c.shmat($ids, None, 0) + 5000).decode())")" = contents ]
	ids=$(ipcs -s | awk '$5 == 2 { print $2 }')
	ipcs -s -i "$ids" | grep -qE '^0 +3 '
	ids=$(ipcs -q | awk '$6 == 2 { print $2 }')
	# in the order in which they were sent, with their types
	[ "$(python3 -c "import ctypes; c = ctypes.CDLL(None); b = ctypes.create_string_buffer(80)
for i in 0, 0: n = c.msgrcv($ids, b, 64, 0, 0); print(n, b.raw[0], b.raw[8:11].decode(), end=' ')")" = \
		"6 7 hel 3 3 hel " ]
	[ "$(python3 -c "import ctypes; c = ctypes.CDLL(None); b = ctypes.create_string_buffer(64)
q = c.mq_open(b'/$N', 0)
for i in 0, 0, 0: n = c.mq_receive(q, b, 64, None); print(b.raw[:n].decode(), end=' ')")" = \
		"high low low2 " ]
	run -2 "$DURE" undo --journal "$T/journal"
	holds "nothing there"
}

@test "who uses it keeps it: every kind, used in every way" {
	use shm used && objects="sysv:shm:$b"
	use sem used && objects="$objects sysv:sem:$b"
	use msg used && objects="$objects sysv:msg:$b"
	use posix "$N" used && objects="$objects posix:shm:$N"
	use named-sem "$N" used && objects="$objects posix:sem:$N"
	use queue "$N" used && objects="$objects posix:mq:$N"
	use mutex "$N-m" held && objects="$objects posix:shm:$N-m"
	for object in $objects; do
		[ "$(verdict_of "$object")" = used ] || { echo "$object: $(evidence_of "$object")"; false; }
	done
	for options in "" "--grade unused" "--profile apache" "--profile python --grade unused"; do
		run -0 reap --yes $options
		[[ $output != *removed\ \ * ]]
	done
	for object in $objects; do
		run -1 "$DURE" rm --journal "$T/journal" "$object"
		holds "in use"
		is_there "$object"
	done
}

@test "a user in another PID namespace is a user; equal pids mean nothing" {
	[ "$(id -u)" = 0 ] || skip "needs root"
	mkfifo "$T/in"
	for what in "shm used" "posix $N used" "sem used"; do
		rm -f "$T/out"
		unshare --pid --fork --kill-child "$USER_OF" $what <"$T/in" >"$T/out" 3>&- &
		makers="$makers $!"
		exec {input}>"$T/in"
		within test -s "$T/out"
		read -r word a b <"$T/out"
		[ "$word" = ready ]
		case $what in
		posix*) object=posix:shm:$N ;;
		*) object=sysv:${what% *}:$b ;;
		esac
		[ "$(verdict_of "$object")" = used ]
		# and from a third namespace, where that process cannot be seen at all
		run unshare --pid --fork --mount-proc "$DURE" reap --yes --grade unused --age 0s -j "$T/journal"
		is_there "$object"
	done
}

@test "a creator outside of our PID namespace is never called dead" {
	left shm
	run unshare --pid --fork --mount-proc "$DURE" reap --age 0s --all --json
	printf '%s' "$output" | grep -v '^dure: ' | jq -e --arg o "sysv:shm:$b" '.objects[] |
		select(.object == $o) | .verdict == "unused" and (.evidence | contains("outside of this PID"))'
	run unshare --pid --fork --mount-proc "$DURE" reap --yes --grade likely --age 0s -j "$T/journal"
	is_there "sysv:shm:$b"
}

@test "who made it lives, idle, and somebody dead used it last: it is in use or not, it stays" {
	use sem idle
	# nothing tells of the maker: the verdict may be likely, and then --yes alone must not touch it
	run reap --yes
	is_there "sysv:sem:$b"
	[ "$(verdict_of "sysv:sem:$b")" != certain ]
}

# In a PID namespace of its own a pid can be chosen: makes a segment, ends, waits until so many seconds
# of the clock are over, and has another process take the pid. Prints what reap says of it, and whether
# the two began within a second.
reuse_pid() { # SECONDS
	unshare --pid --fork --mount-proc --kill-child bash -c '
		read -r word a b <<<"$("$USER_OF" shm left)"
		made=$(date +%s)
		until [ $(($(date +%s) - made)) -ge "$1" ]; do read -r -t 0.05 <> <(:) || true; done
		python3 -c "
import os, sys, time
open(\"/proc/sys/kernel/ns_last_pid\", \"w\").write(str(int(sys.argv[1]) - 1))
pid = os.fork()
if pid == 0:
    time.sleep(60)
    os._exit(0)
sys.exit(pid != int(sys.argv[1]))" "$a" || exit 3
		[ $(($(date +%s) - made)) -gt 1 ] || echo soon
		"$DURE" reap --age 0s --all --json 2>/dev/null |
			jq -r --arg o "sysv:shm:$b" ".objects[] | select(.object == \$o) |
				\"\(.verdict): \(.evidence)\""' bash "$1" 3>&-
}

@test "a reused pid is not taken for the creator, nor for proof" {
	[ "$(id -u)" = 0 ] && [ -e /proc/sys/kernel/ns_last_pid ] || skip "pids cannot be chosen here"
	# within two seconds the clocks do not tell the two apart: it may be the creator
	for _ in {1..20}; do
		run -0 reuse_pid 0
		[ "${lines[0]}" != soon ] || break	# else the machine was too busy
	done
	[[ $output == "soon"$'\n'"unused: "*"its creator, process "*" lives"* ]]
	# later they do; but clocks are set, so that it is no proof
	run -0 reuse_pid 4
	[[ $output == "likely: "*"that is another now, begun later"* ]]
}

@test "made anew between listing and removal: the new one stays" {
	left posix "$N"
	# rm asks the same functions as reap; the picture is held up by a slow reader of its output
	old=$(stat -c %i "/dev/shm/$N")
	run -1 reap
	rm "/dev/shm/$N"
	use posix "$N" used
	run -0 reap_likely
	is_there "posix:shm:$N"
}

# speak PROGRAM WORDS...: a user that says "fine" in the end, if it is
speak() {
	USER_OF=$1 use "${@:2}"
	speakers+=("$user $said ${*:2}")
}

# all_fine: they are told to end, and say how it went
all_fine() {
	local speaker line pid lines what is_bad=
	for speaker in "${speakers[@]}"; do
		read -r pid lines what <<<"$speaker"
		kill -TERM "$pid"
		line=
		read -r -t 60 line <&"$lines" || true
		echo "# $what: $line" >&3
		[[ $line == fine* ]] || is_bad=yes
	done
	[ -z "$is_bad" ]
}

# huge pages, and a hugetlbfs at $T/huge; false: they cannot be had
have_huge_pages() {
	huge_before=$(cat /proc/sys/vm/nr_hugepages) && mkdir "$T/huge" &&
		mount -t hugetlbfs none "$T/huge" 2>/dev/null || return 1
	echo $((huge_before + 16)) >/proc/sys/vm/nr_hugepages
	[ "$(awk '/^HugePages_Free/ { print $2 }' /proc/meminfo)" -ge 8 ] || {
		echo "$huge_before" >/proc/sys/vm/nr_hugepages
		return 1
	}
}

@test "reap in a loop beside live users of every kind: none notices" {
	seconds=${REAP_SECONDS:-8}
	speakers=()
	objects=
	speak "$USER_OF" churn "$N-churn"
	make_talkers=("posix $N-talk" "process $N-gone" "file $T/talk" "sysv 0x64620001" "memory -")
	if have_huge_pages; then
		make_talkers+=("huge $T/huge/talk")
		use shm-huge used && objects+=" sysv:shm:$b"
		use huge "$T/huge/file" used && objects+=" huge:$T/huge/file"
	else
		echo "# no huge pages can be had: their users are left out" >&3
	fi
	for words in "${make_talkers[@]}"; do
		speak "$TALKER" $words
	done
	use shm used && objects+=" sysv:shm:$b"
	use sem used && objects+=" sysv:sem:$b"
	use msg used && objects+=" sysv:msg:$b"
	use posix "$N-held" used && objects+=" posix:shm:$N-held"
	use named-sem "$N" used && objects+=" posix:sem:$N"
	use queue "$N" used && objects+=" posix:mq:$N"
	use mutex "$N-mutex" held && objects+=" posix:shm:$N-mutex"
	for kind in memfd deleted anonymous; do
		use "$kind" used
		nameless+=" $a"
	done
	if command -v stress-ng >/dev/null; then
		(cd "$T" && exec stress-ng --quiet --verify --timeout "$seconds" --shm 1 --shm-bytes 8m --shm-sysv 1 \
			--shm-sysv-bytes 8m --sem 1 --sem-sysv 1 --mq 1 --msg 1 --memfd 1 --memfd-bytes 8m) \
			>"$T/stress" 2>&1 3>&- &
		stress=$!
		makers="$makers $stress"
	else
		echo "# stress-ng is not installed: it is left out" >&3
	fi
	end=$((SECONDS + seconds))
	rounds=0
	while [ $SECONDS -lt $end ] || [ $rounds -lt 4 ]; do
		left shm
		left posix "$N-$rounds"
		reap --yes --grade likely --quiet 2>/dev/null || true
		rounds=$((rounds + 1))
	done
	echo "# $rounds rounds of reap" >&3
	# what was left over is gone, and nothing else
	[ "$(find /dev/shm -name "$N-[0-9]*" | wc -l)" -le 1 ]
	for object in $objects; do is_there "$object" || { echo "gone: $object"; false; }; done
	for pid in $nameless; do
		[ -n "$("$DURE" ls --local -n -o OBJECT -f "pids == '$pid'" 2>/dev/null)" ]
	done
	all_fine
	[ -z "${stress-}" ] || wait "$stress" || { cat "$T/stress"; false; }
}

@test "filters: kind, user, key, name, age, expression" {
	leave_all
	run -1 reap --kind sem --json
	[ "$(printf '%s' "$output" | jq -r '.objects[].kind' | sort -u | tr '\n' ' ')" = "posix-sem sysv-sem " ]
	run -1 reap --name "$N" --kind posix-shm -q
	run -0 reap --name 'nosuch*'
	run -0 reap --user nobody
	run -2 reap --user nosuchuser
	run -0 reap --key 0x1234
	run -0 reap --age 1h
	run -1 reap --filter "size == 64K and kind == sysv-shm" --json
	[ "$(printf '%s' "$output" | jq -r '.objects[].object')" = "$shm" ]
	run -2 reap --filter 'nosuch == 1'
	run -2 reap --age x
	run -2 reap --grade used
	run -2 reap --profile nosuch
	for object in $all; do is_there "$object"; done
}

@test "profiles take what the program makes, and nothing while it runs" {
	left posix "nccl-$N"
	left posix "$N"
	left named-sem "mp-$N"
	left sem
	run -1 reap --profile nccl --json
	[ "$(printf '%s' "$output" | jq -r '.objects[].object')" = "posix:shm:nccl-$N" ]
	run -0 reap_likely --profile nccl
	! is_there "posix:shm:nccl-$N"
	is_there "posix:shm:$N"
	run -1 reap --profile apache --json
	[ "$(printf '%s' "$output" | jq -r '.objects[].object')" = "sysv:sem:$b" ]
	cp "$(command -v sleep)" "$T/httpd"
	"$T/httpd" 60 3>&- &
	makers="$makers $!"
	within grep -qx httpd "/proc/$!/comm"
	run -0 reap_likely --profile apache
	is_there "sysv:sem:$b"
	run reap --profile apache --all --json
	printf '%s' "$output" | grep -v '^dure: ' | jq -e 'any(.objects[].evidence; contains("httpd runs"))'
}

@test "31,900 semaphore sets: the dry run, the removal and the undo, with their times" {
	"$USER_OF" sems 31900 >/dev/null	# 32,000 are what the kernel allows by default
	quietly="--age 0s --journal $T/journal --quiet"
	measure 1 "$DURE" reap $quietly
	dry=$best
	[ "$cpu" -lt 10000 ]
	measure 1 "$DURE" reap $quietly --kind sysv-sem --grade likely --yes
	wet=$best
	[ "$(ipcs -s | grep -c '^0x')" = 0 ]
	measure 1 "$DURE" undo --quiet --journal "$T/journal"
	[ "$(ipcs -s | grep -c '^0x')" = 31900 ]
	echo "# 31900 sets: dry run $dry ms, removal $wet ms, undo $best ms" >&3
}

@test "a name or key that was taken since is left to whoever took it" {
	left posix "$N"
	run -0 reap_likely
	echo new >"/dev/shm/$N"
	run -1 "$DURE" undo --journal "$T/journal"
	holds "taken since"
	[ "$(cat "/dev/shm/$N")" = new ]
	rm "/dev/shm/$N"
	run -0 "$DURE" undo --journal "$T/journal"
	[ "$(wc -c <"/dev/shm/$N")" = 65536 ]
}

@test "undo: runs are listed; one can be chosen, and one object of it" {
	left posix "$N-1"
	left posix "$N-2"
	run -0 reap_likely
	run -0 "$DURE" undo --journal "$T/journal" --list
	holds "2 removed" "0 restored"
	name=${lines[0]%% *}
	run -0 "$DURE" undo --journal "$T/journal" "$name" "posix:shm:$N-2"
	! is_there "posix:shm:$N-1"
	is_there "posix:shm:$N-2"
	for wrong in nosuch ../x "$name/.."; do
		run -2 "$DURE" undo --journal "$T/journal" "$wrong"
	done
	run -2 "$DURE" undo --journal "$T/nosuch"
}

@test "a journal that was cut short, or damaged, is read as far as it goes" {
	left posix "$N"
	run -0 reap_likely
	journal=$(echo "$T"/journal/*/journal)
	printf '{"object": 9, "sta' >>"$journal"
	run -0 "$DURE" undo --journal "$T/journal"
	is_there "posix:shm:$N"
	head -c 3000 /dev/urandom >"$journal"
	run -2 "$DURE" undo --journal "$T/journal"
	echo '{"object":1,"kind":"posix-shm","path":"/etc/passwd","size":-5,"state":"removed"}' >"$journal"
	run -1 "$DURE" undo --journal "$T/journal"
}

@test "the journal is for its owner alone; without one nothing is removed" {
	left posix "$N"
	: >"$T/file"
	run -2 "$DURE" reap --yes --grade likely --age 0s --journal "$T/file/x"
	holds "journal cannot be made"
	is_there "posix:shm:$N"
	run -0 reap_likely
	[ "$(stat -c %a "$T/journal" "$T"/journal/* | sort -u)" = 700 ]
	[ "$(stat -c %a "$T"/journal/*/* | sort -u)" = 600 ]
	left posix "$N"
	run -0 "$DURE" reap --yes --grade likely --age 0s --no-undo
	! is_there "posix:shm:$N"
}

@test "hostile names are removed and restored exactly" {
	names=("$(printf '%0200d' 7)" $'a\nb' $'\e[31mred' ' spaces  ' 'quote"s\' $'bad\xff\xfeutf' '-rf' '%s%n')
	for name in "${names[@]}"; do echo "$name" >"/dev/shm/$name"; done
	run -0 reap_likely
	[[ $output != *$'\e'* ]]
	[ -z "$(ls -A /dev/shm)" ]
	run "$DURE" undo --journal "$T/journal"
	[[ $output != *$'\e'* ]]
	for name in "${names[@]}"; do
		[ "$(cat "/dev/shm/$name")" = "$name" ]
	done
}

@test "rm: one object by its name or key; what cannot be removed says why" {
	leave_all
	for object in $all; do
		run -0 "$DURE" rm --journal "$T/journal" "$object"
		! is_there "$object"
	done
	run -2 "$DURE" rm "$posix"
	holds "no such object"
	id=$(python3 -c "import ctypes; print(ctypes.CDLL(None).shmget(0x4321, 4096, 0o1600))")
	run -0 "$DURE" rm --no-undo sysv:shm:0x4321
	! is_there "sysv:shm:$id"
	use memfd used
	object=$("$DURE" ls --local -n -o OBJECT -k memfd -f "pids == $a" 2>/dev/null || true)
	object=$("$DURE" ls --local -n -o OBJECT -k memfd -f "pids == '$a'" 2>/dev/null)
	run -1 "$DURE" rm "${object%% *}"
	use sem used
	run -0 "$DURE" rm --force "sysv:sem:$b"
	! is_there "sysv:sem:$b"
}

@test "a dure segment is data: reap never takes it, whatever holds it" {
	make left "$N"
	key=$((0x64610000 + $$ % 65536))
	make sysv "$key"
	leave
	id=$(ipcs -m | awk -v k="$(printf 0x%08x "$key")" '$1 == k { print $2 }')
	for grade in unused likely; do
		run -0 reap --yes --grade $grade
		is_there "$N"
		ipcs -m -i "$id" | grep -q "shmid=$id"
	done
	[ "$(verdict_of "sysv:shm:$id")" = "" ]
	# also when the file that tells of it is gone
	rm /dev/shm/dure.sysv.*
	run -1 reap --yes --grade unused
	holds "dure segment"
	ipcs -m -i "$id" | grep -q "shmid=$id"
	key=
}

@test "another user's objects: seen, and no more" {
	[ "$(id -u)" = 0 ] && [ "$(cat /proc/self/uid_map | tr -s ' ')" = " 0 0 4294967295" ] ||
		skip "needs root in the first user namespace"
	leave_all
	chmod 0755 "$T"
	run -0 setpriv --reuid 65534 --clear-groups "$DURE" reap --yes --grade unused --age 0s -j "$T/journal"
	holds incomplete
	for object in $all; do is_there "$object"; done
}

@test "in another IPC namespace: its objects alone, found, removed and brought back" {
	left sem
	here="sysv:sem:$b"
	mkfifo "$T/in.ns" "$T/out.ns"
	unshare --ipc bash -c 'for i in 1 2 3; do ipcmk -S 2 >/dev/null; done; ipcmk -Q >/dev/null
		"$0" sems 4 >/dev/null; echo ready; read -r _' "$USER_OF" <"$T/in.ns" >"$T/out.ns" 3>&- &
	inside=$!
	makers="$makers $inside"
	exec {input}>"$T/in.ns"
	read -r -t 20 line <"$T/out.ns"
	[ "$line" = ready ]
	number=$(stat -Lc %i "/proc/$inside/ns/ipc")
	for namespace in "$inside" "$number"; do
		run --separate-stderr -0 "$DURE" ls --namespace "$namespace" --json
		[ "$(jq '.objects | length' <<<"$output")" = 8 ]
		[ "$(jq -r '.objects[].ns' <<<"$output" | sort -u)" = "$number" ]
	done
	# the three of ipcmk nobody has used yet: that is not enough for semaphores
	run --separate-stderr reap --namespace "$inside" --grade likely --kind sem --yes --json
	[ "$(jq '.objects | length' <<<"$output")" = 4 ]
	run --separate-stderr -0 "$DURE" ls --namespace "$inside" --json
	[ "$(jq '[.objects[] | select(.kind == "sysv-sem")] | length' <<<"$output")" = 3 ]
	is_there "$here"
	"$DURE" undo --namespace "$inside" --quiet --journal "$T/journal" || [ $? = 1 ]
	run --separate-stderr -0 "$DURE" ls --namespace "$inside" --json
	[ "$(jq '[.objects[] | select(.kind == "sysv-sem")] | length' <<<"$output")" = 7 ]
	is_there "$here"
	for words in "x" "0" "99999999" "4999999999"; do
		run -2 reap --namespace "$words"
		holds "--namespace $words"
	done
	run -2 "$DURE" ls --namespace "$inside" --kind memfd
	holds "System V objects and message queues"
	exec {input}>&-
}
