# SPDX-License-Identifier: MIT
# setup.bash - what the tests of the command share: segments of their own, gone afterwards
#
# DURE, MAKER and USER_OF are the programs (tests/cli/meson.build). Names begin with $N.

bats_require_minimum_version 1.5.0

setup() {
	N=cli-$$-$BATS_TEST_NUMBER
	T=$(mktemp -d)
	unset NO_COLOR
	export TERM=xterm
	makers=
	key=
	huge_before=
}

teardown() {
	local pid name
	for pid in $makers; do
		kill -KILL "$pid" 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
	done
	[ ! -S "$T/tmux" ] || tmux -S "$T/tmux" kill-server || true
	for name in /dev/shm/dure."$N"*; do
		case $name in
		*\**|*.sysv-*) ;;
		*) "$DURE" rm --force "${name#/dev/shm/dure.}" ;;
		esac
	done
	if [ -n "$key" ] && ipcrm -M "$key" 2>/dev/null; then
		rm -f /dev/shm/dure.sysv.*."key-$(printf %08x "$key")"
	fi
	[ -z "${huge_before-}" ] || echo "$huge_before" >/proc/sys/vm/nr_hugepages
	! mountpoint -q "$T/huge" || umount -l "$T/huge"
	[ -z "${ALONE-}" ] || clear_namespace
	rm -rf "$T"
	# nothing is left behind
	[ -z "$(ls /dev/shm | grep -F "dure.$N")" ]
}

# all that is in a namespace of our own (tests/cli/alone)
clear_namespace() {
	ipcrm --all
	mkdir "$T/queues"
	if mount -t mqueue none "$T/queues"; then
		find "$T/queues" -type f -delete
		umount "$T/queues"
	fi
	find /dev/shm -mindepth 1 -delete
}

# make KIND NAME: a segment, and somebody in it; $pid is who "maker" names, $maker who stays
make() {
	local word
	mkfifo "$T/in.$2" "$T/out.$2"
	# 3 is bats' own, and must not stay open in children
	"$MAKER" "$1" "$2" <"$T/in.$2" >"$T/out.$2" 3>&- &
	maker=$!
	makers="$makers $maker"
	exec {input}>"$T/in.$2"
	read -r -t 20 word pid <"$T/out.$2"
	[ "$word" = ready ]
}

# the last maker ends, leaving as programs should
leave() {
	exec {input}>&-
	wait "$maker"
	makers=${makers% "$maker"}
}

# use KIND ARGUMENT...: somebody who uses an object of the kernel's own, and stays; $a and $b are
# what it says after "ready", $user is its pid
use() {
	local word
	rm -f "$T/in.user" "$T/out.user"
	mkfifo "$T/in.user" "$T/out.user"
	"$USER_OF" "$@" <"$T/in.user" >"$T/out.user" 3>&- &
	user=$!
	makers="$makers $user"
	exec {input}>"$T/in.user" {said}<"$T/out.user"
	read -r -t 20 word a b <&"$said"
	[ "$word" = ready ]
}

# left KIND ARGUMENT...: the same, but nobody stays: when it returns its maker is gone, too
left() {
	local word
	read -r word a b <<<"$("$USER_OF" "$@" left 3>&-)"
	[ "$word" = ready ]
}

# within COMMAND...: until it succeeds, at most some twenty seconds
within() {
	local _
	for _ in {1..400}; do
		"$@" && return
		read -r -t 0.05 <> <(:) || true
	done
	return 1
}

# a file segment at $T/$1, with nobody in it
make_file() {
	"$MAKER" file "$T/$1" </dev/null
}

# the commands that dure --help names
commands() {
	"$DURE" --help | sed -n 's/^  \([a-z, ]*[a-z]\)  .*/\1/p' | grep -v '^ipcs' | tr -s ', ' '\n\n'
}

# the listed program, or the test is skipped
need() {
	command -v "$1" >/dev/null || skip "$1 is not installed"
}

# has LINE...: each of the lines is, with any spaces, one of the output's
has() {
	local line
	for line; do
		printf '%s\n' "$output" | tr -s ' ' | sed 's/^ //; s/ $//' | grep -qxF -- "$line" || {
			printf 'no line "%s" in:\n%s\n' "$line" "$output"
			return 1
		}
	done
}

# holds WORDS...: each of them is in the output
holds() {
	local words
	for words; do
		[[ $output == *"$words"* ]] || {
			printf 'no "%s" in:\n%s\n' "$words" "$output"
			return 1
		}
	done
}

# measure TIMES WORDS...: runs them so often; $best is the least milliseconds, $cpu those of the processor
# (which others on the machine hardly change), $kib the most memory; $T/measured is the last output
measure() {
	read -r best cpu kib < <(python3 - "$T/measured" "$@" <<-'END'
		import resource, subprocess, sys, time
		best = least = 1e9
		for _ in range(int(sys.argv[2])):
		    begun, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
		    with open(sys.argv[1], "w") as out:
		        subprocess.run(sys.argv[3:], stdout=out, stderr=subprocess.DEVNULL)
		    best = min(best, time.monotonic() - begun)
		    used = resource.getrusage(resource.RUSAGE_CHILDREN)
		    least = min(least, used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime)
		print(round(best * 1000), round(least * 1000), used.ru_maxrss)
	END
	)
}
