#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# usage.bats - help, wrong usage, names, and where the output goes

load setup

@test "help is on stdout and fits a screen" {
	for command in "" $(commands); do
		run --separate-stderr "$DURE" $command --help
		[ "$status" = 0 ]
		[ -z "$stderr" ]
		holds "Usage: dure $command"
		[ "${#lines[@]}" -le 24 ]
		[ "$(printf '%s\n' "$output" | wc -l)" -le 24 ]
		[ "$(printf '%s\n' "$output" | wc -L)" -le 80 ]
		[ "$output" = "$("$DURE" $command -h)" ]
	done
}

@test "dure --help names every command, and they say the same of themselves" {
	run -0 "$DURE" --help
	for command in ls who doctor explain limits reap undo rm show map check repair dump load send recv \
		peek pub sub call serve queues record replay top snapshot diff watch metrics demo; do
		commands | grep -qx "$command"
		printf '%s\n' "$output" | grep -qE "^  ([a-z]+, )*$command(, [a-z]+)*  +[a-z]"
	done
}

@test "the version" {
	run -0 "$DURE" --version
	[[ $output =~ ^dure\ [0-9]+\.[0-9]+\.[0-9]+$ ]]
}

@test "wrong usage is 2, with the usage on stderr and nothing on stdout" {
	for words in "" "nosuch" "--nosuch" "ls --nosuch" "ls one two" "show" "show a b" "show --max x a" \
		"check" "check a b" "rm" "rm --nosuch a" "demo --workers 0" "demo --workers x" \
		"demo --seconds -1" "demo --kill-every" "ls --output" "who" "who a b" "doctor x" "limits x" \
		"reap x" "reap --nosuch" "undo --nosuch" "undo --list x" "explain --nosuch" \
		"check --max x a" "map" "map a b" "map --max x a" "map --width 39 a" "map --width 1e9 a" \
		"snapshot a b" "diff" "diff a b c" "diff --within x a" "watch a" "watch --interval 0s" \
		"watch --interval x" "watch --count x" "metrics a" "metrics --nosuch" "repair" "repair a b" \
		"repair --nosuch a" "top a" "top --interval 0s" "top --nosuch" \
		"dump" "dump a" "dump a b c" "dump --keys x a b" "load" "load a" \
		"load a b c d" "load --nosuch a b" "send" "send a b c" "send --lines a b" "send --nosuch a" \
		"recv" "recv a b" "peek" "peek a b" "peek --create a" "pub" "pub a b c" "sub" "sub a b" "call" \
		"call a b c" "serve" "serve a" "queues a b" "queues --nosuch" "record" "record a" "record a b c" \
		"replay" "replay a" "replay --json a b"; do
		run --separate-stderr -2 "$DURE" $words
		[ -z "$output" ]
		[[ $stderr == *"Usage: dure"* || $words == *--width* || $words == *--within* || $words == *--interval* ]]
	done
}

@test "an unknown option is named, and by whom" {
	run --separate-stderr -2 "$DURE" ls --nosuch
	[[ ${stderr_lines[0]} == "dure: ls: "*"--nosuch"* ]]
}

@test "an unknown column is named" {
	run --separate-stderr -2 "$DURE" ls --output NAME,NOSUCH
	[ -z "$output" ]
	[[ $stderr == *NOSUCH* ]]
}

@test "a name that does not exist is 2, and is named" {
	for command in show map check "check --mend" repair "repair --yes" rm "rm --force"; do
		run --separate-stderr -2 "$DURE" $command "$N-nosuch"
		[ -z "$output" ]
		[[ $stderr == "dure: "*"$N-nosuch"* ]]
		[ "${#stderr_lines[@]}" = 1 ]
	done
	run -2 "$DURE" show "$T/nosuch"
	holds "$T/nosuch"
	run -2 "$DURE" ls "$T/nosuch"
	holds "$T/nosuch"
}

@test "an identifier that does not exist is 2" {
	# identifiers are given upwards; 2^31 - 1 has a sequence number no machine reaches
	run -2 "$DURE" show sysv:2147483647
	holds "2147483647" "there is none"
	[ ! -e "/dev/shm/dure.sysv.$(stat -Lc %i /proc/self/ns/ipc).id-2147483647" ]
}

@test "bad names are 2, and shown without their control characters" {
	for name in "" "$(printf '%0300d' 0)" "a b" $'\e[31mred' $'two\nlines' "umlaut-ä" . ..; do
		run --separate-stderr -2 "$DURE" show "$name"
		[ -z "$output" ]
		[ "${#stderr_lines[@]}" = 1 ]
		[[ $stderr != *$'\e'* ]]
	done
}

@test "no colours but on a terminal, and none there with NO_COLOR" {
	make dead "$N"
	for command in ls "show --classes" map check; do
		run "$DURE" $command ${command:+$([ "$command" = ls ] || echo "$N")}
		[[ $output != *$'\e'* ]]
	done
	run script -qec "'$DURE' show $N" /dev/null
	holds $'\e['
	NO_COLOR=1 run script -qec "'$DURE' show $N" /dev/null
	[[ $output != *$'\e'* ]]
	TERM=dumb run script -qec "'$DURE' show $N" /dev/null
	[[ $output != *$'\e'* ]]
}

@test "a closed pipe ends it without a word, or with one that says so" {
	make posix "$N"
	# the reader is gone before anything is written
	unread='exec {pipe}> >(:); wait $!'
	for command in "--help" "ls" "show $N" "show --json $N" "map $N" "map --svg - $N" "check $N" "queues --json $N"; do
		run -141 bash -c "$unread; '$DURE' $command >&\$pipe 2>'$T/err'"
		[ ! -s "$T/err" ]
		run -2 bash -c "trap '' PIPE; $unread; '$DURE' $command >&\$pipe 2>'$T/err'"
		grep -q "^dure: .*cannot be written" "$T/err"
	done
}

@test "a full device is trouble" {
	make posix "$N"
	for command in "--help" "--version" "ls" "show $N" "show --json $N" "map $N" "map --html - $N" \
		"map --json $N" "check $N" "check --json $N" "queues --json $N"; do
		run -2 bash -c "'$DURE' $command >/dev/full"
		holds "cannot be written"
	done
}
