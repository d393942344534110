#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# metrics.bats - dure metrics: the format, the numbers, the dashboard

load setup

# a reader of the text format: each sample as NAME LABELS VALUE, or what is wrong
read_metrics() {
	python3 - "$1" <<-'END'
		import re, sys
		label = r'[a-z_]+="(?:[^"\\\n]|\\["\\n])*"'
		sample = re.compile(r'([a-z_]+)(?:\{(%s(?:,%s)*)\})? (-?[0-9.e+]+)' % (label, label))
		typed, family, seen = {}, None, set()
		lines = open(sys.argv[1], 'rb').read().decode('utf-8').split('\n')
		assert lines[-2:] == ['# EOF', ''], 'the end'
		for line in lines[:-2]:
		    kind = re.fullmatch(r'# (HELP|TYPE) ([a-z_]+) (.+)', line)
		    if kind and kind[1] == 'TYPE':
		        family = kind[2]
		        assert family not in typed, 'twice: ' + line
		        assert kind[3] in ('gauge', 'counter'), line
		        typed[family] = kind[3]
		    elif not kind:
		        m = sample.fullmatch(line)
		        assert m, 'no sample: ' + line
		        assert m[1] == family, 'out of its family: ' + line
		        assert (m[1], m[2]) not in seen, 'twice: ' + line
		        seen.add((m[1], m[2]))
		        print(m[1], m[2] or '', m[3])
	END
}

value() { # NAME{LABELS}: its number in $T/m
	grep -v "^#" "$T/m" | grep -F "$1 " | sed 's/.* //'
}

@test "the format, and the numbers are those of ls and limits" {
	"$USER_OF" sems 7
	left queue "$N"
	left posix "$N"
	use shm used
	"$DURE" metrics --local >"$T/m"
	read_metrics "$T/m" >"$T/read"
	me=$(id -un)
	[ "$(value "dure_objects{kind=\"sysv-sem\",user=\"$me\"}")" = 7 ]
	[ "$(value "dure_objects{kind=\"posix-mq\",user=\"$me\"}")" = 1 ]
	[ "$(value "dure_objects_used{kind=\"sysv-shm\",user=\"$me\"}")" = 1 ]
	[ "$(value "dure_objects_used{kind=\"posix-shm\",user=\"$me\"}")" = 0 ]
	[ "$(value "dure_size_bytes{kind=\"sysv-shm\",user=\"$me\"}")" = 65536 ]
	[ "$(value 'dure_limit_used{limit="kernel.sem:semmni",unit="count"}')" = 7 ]
	[ "$(value 'dure_limit_value{limit="kernel.sem:semmni",unit="count"}')" = \
		"$(awk '{ print $4 }' /proc/sys/kernel/sem)" ]
	[ "$(value 'dure_limit_used{limit="kernel.shmmni",unit="count"}')" = 1 ]
	# labels are bounded: no names
	! grep -F "$N" "$T/m"
}

@test "what waits, and for the dead" {
	use mutex "$N" dead
	"$DURE" metrics --local >"$T/m"
	[ "$(value dure_waiting_for_dead_threads)" = 1 ]
	[ "$(value "dure_waiting_threads{kind=\"posix-shm\",user=\"$(id -un)\"}")" = 1 ]
}

@test "each object and segment on demand; names may be anything" {
	: >"/dev/shm/$N-\"q\"\\b"$'\n\e[31m'
	: >"/dev/shm/$N-"$'\xff'
	make dead "$N"
	"$DURE" metrics --objects --local >"$T/m"
	read_metrics "$T/m" >"$T/read"
	grep -F 'object="posix:shm:'"$N"'-\"q\"\\b\\x0a\\x1b[31m"' "$T/m"
	grep -F "$N"'-\\xff"' "$T/m"
	[ "$(value "dure_segment_dead_processes{segment=\"$N\"}")" = 1 ]
	[ "$(value "dure_segment_used_bytes{segment=\"$N\"}")" = \
		"$("$DURE" show --json "$N" | jq .heap.used_bytes)" ]
}

@test "a text file is replaced in one step, or stays" {
	echo old >"$T/dure.prom"
	exec {old}<"$T/dure.prom"
	"$DURE" metrics --textfile "$T/dure.prom"
	read_metrics "$T/dure.prom" >/dev/null
	[ "$(cat <&"$old")" = old ]
	[ "$(ls "$T")" = dure.prom ]
	run -2 "$DURE" metrics --textfile "$T/nosuch/dure.prom"
	holds "nosuch/dure.prom"
	mknod "$T/full" c 1 7
	run -2 "$DURE" metrics --textfile "$T/full"
	[ -c "$T/full" ]
}

@test "the dashboard asks for what there is" {
	make left "$N"
	"$DURE" metrics --objects >"$T/m"
	left posix "$N-x"
	for name in $(jq -r '.. | .expr? // empty' "$SOURCE/tools/grafana/dure.json" | grep -o 'dure_[a-z_]*' | sort -u); do
		grep -q "^# TYPE $name " "$T/m" || { echo "no $name"; return 1; }
	done
	[ "$(jq '[.panels[].id] | unique | length' "$SOURCE/tools/grafana/dure.json")" = \
		"$(jq '.panels | length' "$SOURCE/tools/grafana/dure.json")" ]
}
