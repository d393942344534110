#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# schema.bats - what --json prints is what docs/schema says

load setup

setup_file() {
	python3 -c 'import jsonschema' 2>/dev/null || skip "python3-jsonschema is not installed"
}

# valid SCHEMA FILE...: each is as the schema says
valid() {
	python3 - "$SOURCE/docs/schema/$1.json" "${@:2}" <<-'END'
		import json, sys
		import jsonschema
		schema = json.load(open(sys.argv[1]))
		jsonschema.Draft7Validator.check_schema(schema)
		for path in sys.argv[2:]:
		    jsonschema.validate(json.load(open(path)), schema)
	END
}

# fits SCHEMA WORDS...: what dure prints with them
fits() {
	local schema=$1
	shift
	"$DURE" "$@" >"$T/json" || [ $? = 1 ]
	valid "$schema" "$T/json" || { echo "dure $* is not as docs/schema/$schema.json says"; return 1; }
}

@test "objects, users, limits, verdicts" {
	fits ls ls --json
	left shm; left sem; left msg
	left posix "$N-p"; left queue "$N-q"; left named-sem "$N-s"
	use sem used
	sem=$b
	use mutex "$N-m" dead
	make left "$N"
	fits ls ls --json
	fits ls ls --json --tree
	fits ls ls --json --processes
	fits limits limits --json
	fits doctor doctor --json
	fits reap reap --json --all
	fits reap reap --json --yes --grade likely
	fits who-object who --json "sysv:sem:$sem"
	fits who-object who --json "posix:shm:$N-m"
	fits who-process who --json "$b"
	fits explain explain --json ENOSPC
	fits explain explain --json "$b"
}

@test "segments" {
	make holder "$N"
	make dead "$N-d"
	make sharer "$N-s"
	make hostile "$N-h"
	for name in "$N" "$N-d" "$N-s" "$N-h"; do
		for command in show map check repair; do
			fits $command $command --json "$name"
		done
		fits who-segment who --json "$name"
	done
}

@test "snapshots and their differences" {
	"$DURE" snapshot "$T/old"
	left posix "$N"
	make left "$N-s"
	"$DURE" snapshot "$T/new"
	valid snapshot "$T/old" "$T/new"
	fits difference diff --json "$T/old" "$T/new"
	fits difference diff --json "$T/new" "$T/old"
	fits difference watch --json --interval 1s --count 1
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
