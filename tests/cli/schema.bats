#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# schema.bats - what --json prints is what docs/schema says

load setup

setup_file() {
	python3 -c 'import jsonschema' 2>/dev/null || skip "python3-jsonschema is not installed"
}

# valid SCHEMA FILE...: each is as the schema says
valid() {
	local schema=$1 file
	shift
	for file; do echo "$schema $file"; done >"$T/pairs"
	judge "$T/pairs"
}

# judge PAIRS: lines of SCHEMA FILE
judge() {
	python3 - "$SOURCE/docs/schema" "$1" <<-'END'
		import json, sys
		import jsonschema
		for line in open(sys.argv[2]):
		    name, path = line.split()
		    schema = json.load(open('%s/%s.json' % (sys.argv[1], name)))
		    jsonschema.Draft7Validator.check_schema(schema)
		    try:
		        jsonschema.validate(json.load(open(path)), schema)
		    except jsonschema.ValidationError as error:
		        sys.exit('%s: not as %s.json says: %s' % (path, name, str(error)[:2000]))
	END
}

# prints SCHEMA WORDS...: keeps what dure prints with them, for all_fit
prints() {
	local file="$T/json.$((++printed)).dure-${2##*/}"
	"$DURE" "${@:2}" >"$file" || [ $? = 1 ]
	echo "$1 $file" >>"$T/printed"
}

all_fit() {
	judge "$T/printed"
}

@test "objects, users, limits, verdicts" {
	prints ls ls --json
	left shm; left sem; left msg
	left posix "$N-p"; left queue "$N-q"; left named-sem "$N-s"
	use sem used
	sem=$b
	use mutex "$N-m" dead
	make left "$N"
	prints ls ls --json
	prints ls ls --json --tree
	prints ls ls --json --processes
	prints limits limits --json
	prints doctor doctor --json
	prints reap reap --json --all
	prints reap reap --json --yes --grade likely
	prints who-object who --json "sysv:sem:$sem"
	prints who-object who --json "posix:shm:$N-m"
	prints who-process who --json "$b"
	prints explain explain --json ENOSPC
	prints explain explain --json "$b"
	all_fit
}

@test "segments" {
	make holder "$N"
	make dead "$N-d"
	make sharer "$N-s"
	make hostile "$N-h"
	for name in "$N" "$N-d" "$N-s" "$N-h"; do
		for command in show map check repair; do
			prints $command $command --json "$name"
		done
		prints who-segment who --json "$name"
	done
	all_fit
}

@test "messages" {
	make publisher "$N"
	"$DURE" send --create "$N" text
	printf '\377' | "$DURE" send "$N"
	prints queues queues --json
	prints queues queues --json --interval 10ms "$N"
	prints message peek --json "$N"
	prints message recv --json "$N"
	prints message recv --json "$N"
	prints publication sub --json --history 1 --count 1 "$N"
	"$DURE" send "$N" text
	"$DURE" record --timeout 0 "$N" "$T/queue"
	"$DURE" record --topic --history 1 --count 1 "$N" "$T/topic"
	prints record replay --json "$T/queue"
	prints record replay --json "$T/topic"
	[ "$(grep -c . "$T/printed")" = 8 ]
	all_fit
}

@test "snapshots and their differences" {
	"$DURE" snapshot "$T/old"
	left posix "$N"
	make left "$N-s"
	"$DURE" snapshot "$T/new"
	valid snapshot "$T/old" "$T/new"
	prints difference diff --json "$T/old" "$T/new"
	prints difference diff --json "$T/new" "$T/old"
	prints difference watch --json --interval 1s --count 1
	all_fit
}

@test "the schemas can refuse: another version, a field that is missing or of another type" {
	"$DURE" snapshot "$T/good"
	valid snapshot "$T/good"
	for damage in '.version = 2' 'del(.taken_ns)' '.objects += [{}]' '.limits[0].used = "1"' '.complete = 1'; do
		jq "$damage" "$T/good" >"$T/bad"
		run ! valid snapshot "$T/bad"
	done
	"$DURE" ls --json >"$T/good"
	left shm
	"$DURE" ls --json >"$T/good"
	for damage in '.version = 2' 'del(.complete)' 'del(.objects[0].size)' '.objects[0].size = "1K"'; do
		jq "$damage" "$T/good" >"$T/bad"
		run ! valid ls "$T/bad"
	done
}

@test "each form is in docs/json.md, and each schema, too" {
	for schema in "$SOURCE"/docs/schema/*.json; do
		grep -qF "(schema/${schema##*/})" "$SOURCE/docs/json.md"
	done
	[ "$(grep -o '(schema/[a-z-]*\.json)' "$SOURCE/docs/json.md" | sort -u | wc -l)" = \
		"$(ls "$SOURCE/docs/schema" | wc -l)" ]
	for command in $(commands); do
		if "$DURE" $command --help | grep -q -- --json; then
			grep -qE "\`dure $command[ \`]" "$SOURCE/docs/json.md" || { echo "$command"; return 1; }
		fi
	done
}
