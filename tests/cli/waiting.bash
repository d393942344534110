# SPDX-License-Identifier: MIT
# waiting.bash - commands in the background, and waiting for what they do to the channel in $N

# background COMMAND...: runs it, and ends it with the test; $last is its pid
background() {
	"$@" 3>&- &
	last=$!
	makers="$makers $last"
}

# piped FIFO COMMAND...: the same, with its output in a new pipe that $pipe reads
piped() {
	local fifo=$1 hold
	shift
	mkfifo "$fifo"
	exec {hold}<>"$fifo"
	"$@" >"$fifo" {hold}>&- 3>&- &
	last=$!
	makers="$makers $last"
	exec {pipe}<"$fifo" {hold}>&-
}

# ends PID STATUS
ends() {
	local status=0
	wait "$1" || status=$?
	[ "$status" = "$2" ] || { echo "$1: status $status"; return 1; }
}

# until_holds COMMAND...: waits for it to succeed, at most 20 s
until_holds() {
	local i
	for ((i = 0; i < 400; i++)); do
		! "$@" || return 0
		sleep 0.05
	done
	echo "never: $*"
	return 1
}

# figure KEY: of the only channel in $N
figure() {
	"$DURE" queues --json "$N" | jq -r ".channels[0].$1"
}

is_figure() {
	[ "$(figure "$1")" = "$2" ]
}

# is_asleep PID: it waits for something
is_asleep() {
	local state
	state=$(sed 's/.*) //; s/ .*//' "/proc/$1/stat" 2>/dev/null)
	[ "$state" = S ]
}
