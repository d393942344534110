#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# top.bats - dure top in a terminal: tmux presses the keys and reads the screen

load setup

# start COLUMNS ROWS WORDS...: dure top with these options
start() {
	local columns=$1 rows=$2
	shift 2
	need tmux
	LC_ALL=C.UTF-8 tmux -S "$T/tmux" -f /dev/null new-session -d -x "$columns" -y "$rows" \
		"LC_ALL=C.UTF-8 '$DURE' top --local --interval 1s $*; echo \"ended \$?\"; cat" 3>&-
	sees "q end"
}

keys() {
	tmux -S "$T/tmux" send-keys "$@"
}

screen() {
	tmux -S "$T/tmux" capture-pane -p
}

# sees WORDS: they are on the screen, at once or in a while
sees() {
	local _
	for _ in {1..200}; do
		output=$(screen)
		[[ $(tr -s ' ' <<<"$output") == *"$1"* ]] && return
		moment
	done
	printf 'no "%s" on:\n%s\n' "$1" "$output"
	return 1
}

# the objects, in the order of the screen
objects() {
	screen | grep -o "^posix:shm:$N-[a-z]*"
}

# in_order NAME...: so they stand there, at once or in a while
in_order() {
	local _
	for _ in {1..200}; do
		[ "$(objects)" = "$(printf "posix:shm:$N-%s\n" "$@")" ] && return
		moment
	done
	screen
	return 1
}

moment() {
	read -r -t 0.1 <> <(:) || true
}

# sees_no WORDS: they are not on the screen, or go
sees_no() {
	local _
	for _ in {1..200}; do
		[[ $(screen) == *"$1"* ]] || return 0
		moment
	done
	screen
	return 1
}

@test "the biggest first; sorted by other columns, and turned around" {
	head -c 1000 /dev/zero >"/dev/shm/$N-small"
	head -c 9000000 /dev/zero >"/dev/shm/$N-zbig"
	head -c 100000 /dev/zero >"/dev/shm/$N-middle"
	start 100 24
	sees "$N-zbig"
	[ "$(objects)" = "$(printf "posix:shm:$N-%s\n" zbig middle small)" ]
	keys r
	in_order small middle zbig
	keys '<' '<' '<'	# SIZE, USER, OBJECT
	in_order middle small zbig
	keys q
	sees "ended 0"
}

# $N-a is seen to grow: that is said of the last second, and so it goes on until then
grows() {
	local _
	for _ in {1..200}; do
		head -c 300000 /dev/zero >>"/dev/shm/$N-a"
		[[ $(screen | tr -s ' ') =~ $N-a\ root\ [0-9.]+[KM]\ [0-9.]+[KM]\ \+ ]] && return
		moment
	done
	screen
	return 1
}

@test "it is live: what comes, grows and goes" {
	start 100 24
	head -c 300000 /dev/zero >"/dev/shm/$N-a"
	sees "$N-a root 293K 296K"
	grows
	rm "/dev/shm/$N-a"
	sees_no "$N-a"
	# stopped, it looks no more
	keys Space
	sees "stopped"
	head -c 1000 /dev/zero >"/dev/shm/$N-b"
	keys Down Up
	sees "stopped"
	[[ $(screen) != *"$N-b"* ]]
	keys Space
	sees "$N-b"
}

@test "who uses an object, who waits for it and for whom; processes" {
	use mutex "$N" held
	start 100 24 --kind posix-shm
	sees "posix:shm:$N"
	keys Enter
	sees "COMMAND"
	sees "user $a"
	sees "1 $a user"
	keys Escape
	sees "Enter who"
	keys p
	sees "CONTAINER"
	sees "user $b root"
	keys p
	sees "RESIDENT"
}

@test "names are found as they are typed" {
	: >"/dev/shm/$N-apple"
	: >"/dev/shm/$N-pear"
	start 100 24
	sees "$N-pear"
	keys / a p p
	sees "/app"
	sees_no "$N-pear"
	sees "$N-apple"
	keys Escape
	sees "$N-pear"
}

@test "more rows than the screen has: they scroll, and it can be resized" {
	for i in {100..160}; do
		: >"/dev/shm/$N-$i"
	done
	start 100 24 --sort object
	sees "$N-100"
	sees_no "$N-150"
	keys NPage NPage NPage End
	sees "$N-160"
	keys Home
	sees "$N-100"
	tmux -S "$T/tmux" resize-window -x 60 -y 12
	sees "$N-104"
	sees_no "$N-110"
	[ "$(screen | wc -L)" -le 60 ]
	tmux -S "$T/tmux" resize-window -x 20 -y 3
	tmux -S "$T/tmux" resize-window -x 120 -y 50
	sees "$N-130"
	keys h
	sees "Any key: back"
	keys x
	sees "$N-100"
	keys q
	sees "ended 0"
}

@test "names that are commands to a terminal are harmless" {
	: >"/dev/shm/$N-"$'\e]0;title\a\e[2J'
	: >"/dev/shm/$N-"$'\u202ebackwards'
	: >"/dev/shm/$N-"$'\xff\x9b31m'
	: >"/dev/shm/$N-漢字"
	start 100 24 --sort object
	tmux -S "$T/tmux" resize-window -x 160 -y 24
	sees "$N-\\x1b]0;title\\x07\\x1b[2J"
	sees "$N-\\xe2\\x80\\xaebackwards"
	sees "$N-\\xff\\x9b31m"
	sees "$N-漢字"
	[ "$(tmux -S "$T/tmux" display-message -p '#{pane_title}')" != title ]
}

@test "without a terminal it says what to use instead; one that is not known is named" {
	run -2 "$DURE" top
	holds "needs a terminal" "dure watch"
	# ncurses keeps what it allocated for a terminal that it does not know
	ASAN_OPTIONS=detect_leaks=0 run script -qec "TERM=nosuch '$DURE' top; echo rc \$?" /dev/null
	holds '"nosuch" is not known' "rc 2"
	run -2 "$DURE" top --sort nosuch
	holds nosuch
	run -2 "$DURE" top --kind nosuch
	holds nosuch
}
