#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# containers.bats - dump and load: what is printed is what is there, and becomes it again

load setup

OBJECTS="map set double signed unsigned nocase points doubles numbers string"

# object NAME: as maker calls the full one
full() {
	case $1 in
	points | doubles | numbers | string) echo "$1-1" ;;
	*) echo "$1" ;;
	esac
}

# hash maps have no order
dump() {
	"$DURE" dump "$@" >"$T/unsorted" && LC_ALL=C sort "$T/unsorted"
}

@test "JSON of each kind comes back" {
	make containers "$N"
	for object in $OBJECTS; do
		"$DURE" dump "$N" "$(full $object)" >"$T/dump"
		[ -s "$T/dump" ]
		jq -e . "$T/dump" >/dev/null
		"$DURE" load "$N" "$object-2" "$T/dump"
		[ "$(dump "$N" "$(full $object)")" = "$(dump "$N" "$object-2")" ]
	done
	run -0 "$DURE" check "$N"
}

@test "CSV of each kind comes back, and from standard input" {
	make containers "$N"
	for object in $OBJECTS; do
		options=
		case $object in map | set) options="--keys hex" ;; esac
		"$DURE" dump --csv $options "$N" "$(full $object)" >"$T/dump"
		"$DURE" load --csv -q "$N" "$object-2" <"$T/dump"
		[ "$(dump "$N" "$(full $object)")" = "$(dump "$N" "$object-2")" ]
	done
}

@test "hex of each kind comes back" {
	make containers "$N"
	for object in $OBJECTS; do
		for csv in "" --csv; do
			"$DURE" dump $csv -k hex -v hex "$N" "$(full $object)" >"$T/dump"
		done
		"$DURE" load --csv "$N" "$object-2" - <"$T/dump"
		[ "$(dump "$N" "$(full $object)")" = "$(dump "$N" "$object-2")" ]
	done
}

@test "what the lines say" {
	make containers "$N"
	run -0 "$DURE" dump "$N" map
	[ "$(printf '%s\n' "$output" | sort)" = "$(printf '%s\n' '{"key":"plain","value":-9223372036854775808}' \
		'{"key":"with, comma \"quoted\"\r\né€","value":-5}' '{"key_hex":"ff000a2c22","value":77}' | sort)" ]
	run -0 "$DURE" dump "$N" unsigned
	has '{"key":5}' '{"key_hex":"ffffffffffffffff"}'
	run -0 "$DURE" dump --csv "$N" double
	[ "${lines[0]}" = key,value ]
	has -0,0 -0,40 0.1,80 1e+300,200
	run -0 "$DURE" dump --csv "$N" nocase
	[ "${lines[1]}" = word,0 ]
	[ "${lines[2]}" = Word,40 ]
	run -0 "$DURE" dump "$N" points-1
	has '{"value_hex":"000000000000f03f0000000000000040"}'
	run -0 "$DURE" dump -v text "$N" string-1
	[ "$output" = '{"value":"with, comma \"quoted\"\r\né€"}' ]
}

@test "load says where it is wrong, and what is there already" {
	make containers "$N"
	printf '%s\n' '{"key":"a","value":1}' '' '{"key":"b","value":"2"}' >"$T/wrong"
	run --separate-stderr -2 "$DURE" load "$N" map-2 "$T/wrong"
	[[ $stderr == "dure: load: $T/wrong, line 3: \"value\" "*"before it: 1" ]]
	[ "$("$DURE" dump "$N" map-2)" = '{"key":"a","value":1}' ]
	for line in '{"key":"a"' '[1]' '{"key":"a"}' '{"value":1}' '{"key":"a","value":1,"more":1}' \
		'{"key":"a","value":9223372036854775808}' '{"key":1,"value":1}' \
		'{"key_hex":"0","value":1}' '{"key_hex":"0g","value":1}' '{"key":"","value":1}' \
		'{"key":"a","value_hex":"00"}' '{"key":"a","key":"b","value":1}' \
		'{"key":"a","value":1.5}' '{"key":"a","value_text":"123456789"}'; do
		run --separate-stderr -2 "$DURE" load "$N" map-2 - <<<"$line"
		[[ $stderr == *"line 1: "* ]]
	done
	for text in 'key' 'key,other\n' 'key,value\na\n' 'key,value\na,1,2\n' 'key,value\n"a,1\n' \
		'key,value\na,x\n' 'key,value\n"a"b,1\n' 'value\n1\n' 'key,value,key\na,1,b\n' ''; do
		printf "$text" >"$T/wrong"
		run --separate-stderr "$DURE" load --csv "$N" map-2 "$T/wrong"
		[ "$text" = key ] || [ "$status" = 2 ]
	done
	[ "$("$DURE" dump "$N" map-2)" = '{"key":"a","value":1}' ]
	run --separate-stderr -2 "$DURE" load "$N" set-2 - <<<'{"key":"a","value":1}'
	run --separate-stderr -2 "$DURE" load "$N" numbers-2 - <<<'{"value":2147483648}'
	run --separate-stderr -2 "$DURE" load "$N" numbers-2 - <<<'{"key":1,"value":1}'
}

@test "a text value is filled up, and CSV that cannot hold something says so" {
	make containers "$N"
	"$DURE" load "$N" map-2 <<<'{"key":"a","value_text":"seven"}'
	run -0 "$DURE" dump --values text "$N" map-2
	[ "$output" = '{"key":"a","value_text":"seven"}' ]
	run --separate-stderr -2 "$DURE" dump --csv "$N" map
	[[ $stderr == *"--keys hex"* ]]
}

@test "no such object, no container, no file" {
	make containers "$N"
	for command in dump load; do
		run --separate-stderr -2 "$DURE" $command "$N" nosuch </dev/null
		[[ $stderr == "dure: $command: "*nosuch* ]]
		run --separate-stderr -2 "$DURE" $command "$N" points </dev/null
		[[ $stderr == *"no map, set, vector or string"* ]]
		run --separate-stderr -2 "$DURE" $command "$N-nosuch" map </dev/null
	done
	run --separate-stderr -2 "$DURE" load "$N" map "$T/nosuch"
	[[ $stderr == *"$T/nosuch"* ]]
}

@test "a dump into a full device is trouble" {
	make containers "$N"
	"$DURE" dump "$N" map >/dev/full 2>"$T/said" && false
	grep -q "cannot be written" "$T/said"
}
