#!/bin/sh
# SPDX-License-Identifier: MIT
# shell.sh - messages between shell scripts: a queue, a topic, and a service whose server is killed
set -eu
name=example-shell.$$
tape=$(mktemp -u)
trap 'dure rm --force "$name"; rm -f "$tape"' EXIT

# each message goes to one receiver; the most important one first
printf '%s\n' apples pears | dure send --create --lines "$name"
dure send --priority 1 "$name" 'plums, they are ripe'
dure recv --count 3 --lines "$name"

# what waits, in a file, and back
seq 3 | dure send --lines --shut "$name"
dure record "$name" "$tape"
dure replay --create --object copy "$tape" "$name"
dure recv --object copy --follow --timeout 0 --lines "$name" | paste -s -d +

# what is published goes to every subscriber, and the last ones to who asks
seq 20 25 | dure pub --create --lines "$name"
dure sub --history 2 --count 2 --lines "$name"

# two servers; the one that gets the request is killed, and the other one gets it
for server in 1 2; do
	dure serve --create --count 1 "$name" -- sh -c '
		[ "$DURE_ATTEMPT" = 2 ] || kill -KILL $PPID
		tr a-z A-Z' &
done
dure call --create "$name" 'who answers?'
echo
wait
