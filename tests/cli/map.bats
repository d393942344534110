#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# map.bats - the heap as a picture: on a terminal, as a drawing, as a page

load setup

# the picture itself; how wide tables are is libsmartcols' affair
strip() {
	sed '/^A character/,$d' | grep '^+0x'
}

@test "it fits the width, and says what is where" {
	make dead "$N"
	for width in 40 80 133; do
		run -0 "$DURE" map --width "$width" "$N"
		[ "$(strip <<<"$output" | wc -L)" -le "$width" ]
	done
	run -0 "$DURE" map "$N"
	holds "$N: heap of " "fragmentation" "Free, by length in one piece" "Whose the pages are" \
		"points" "struct point" "shop"
	[ "$(printf '%s\n' "$output" | wc -L)" -le 80 ]
	COLUMNS=60 run -0 "$DURE" map "$N"
	[ "$(strip <<<"$output" | wc -L)" -le 60 ]
}

@test "other characters where the locale has them, colours only on a terminal" {
	make posix "$N"
	LC_ALL=C run -0 "$DURE" map "$N"
	[ "$(printf '%s' "$output" | LC_ALL=C tr -d '\0-\177' | wc -c)" = 0 ]
	holds "0 to 8 blocks"
	LC_ALL=C.UTF-8 run -0 "$DURE" map "$N"
	holds "░▁ to █"
	[[ $output != *$'\e'* ]]
	run script -qec "'$DURE' map $N" /dev/null
	holds $'\e['
	NO_COLOR=1 run script -qec "'$DURE' map $N" /dev/null
	[[ $output != *$'\e'* ]]
}

@test "JSON: extents follow each other, and the sums are those of show" {
	make holder "$N"
	"$DURE" map --json "$N" >"$T/map"
	"$DURE" show --json "$N" >"$T/show"
	jq -e '.version == 1 and (.fragmentation | . >= 0 and . <= 1)' "$T/map"
	jq -e '. as $m | .extents[0].offset == .first_offset and
		([.extents[1:], .extents[:-1]] | transpose | all(.[0].offset == .[1].offset + .[1].bytes)) and
		(.extents[-1] | .offset + .bytes == $m.end_offset)' "$T/map"
	jq -e --slurpfile show "$T/show" '$show[0].heap as $h |
		(.end_offset - .first_offset) == $h.capacity_bytes and .live_bytes == $h.live_bytes and
		([.extents[].live] | add) == $h.live_blocks and .longest_free_bytes <= $h.largest_bytes and
		(.free_pages | map(.bytes) | add) == .free_page_bytes' "$T/map"
	jq -e '.objects | map(.name) | contains(["shop", "points", "words"])' "$T/map"
	jq -e --argjson pid "$pid" '.owners | any(.process == $pid and .alive)' "$T/map"
}

@test "a drawing and a page, well-formed, and nothing is loaded or run" {
	need xmllint
	make dead "$N"
	run -0 "$DURE" map --svg "$T/a.svg" --html "$T/a.html" "$N"
	[ -z "$output" ]
	xmllint --noout "$T/a.svg"
	xmllint --noout "$T/a.html"
	[ "$(grep -cE '<script|<link|<image|url\(|@import|src=|href=' "$T/a.svg" "$T/a.html" |
		cut -d: -f2 | sort -u)" = 0 ]
	grep -q 'holds.*points' "$T/a.svg"
	grep -q "; of dead maker (pid $pid," "$T/a.svg"
	[ "$("$DURE" map --svg - "$N" | xmllint --xpath 'local-name(/*)' -)" = svg ]
	# a file that cannot be written
	run -2 "$DURE" map --svg "$T/nosuch/a.svg" "$N"
	holds "nosuch/a.svg"
	run -2 "$DURE" map --html /dev/full "$N"
	holds "/dev/full"
}

@test "names that are markup, or commands to a terminal, are harmless everywhere" {
	make hostile "$N"
	run -0 "$DURE" map "$N"
	[[ $output != *$'\e'* && $output != *$'\a'* && $output != *$'\u202e'* ]]
	holds 'x1b]0;title'
	"$DURE" map --json "$N" | jq -e '.objects | any(.name == "<script>alert(1)</script>")'
	"$DURE" map --svg "$T/a.svg" --html "$T/a.html" "$N"
	need xmllint
	for file in a.svg a.html; do
		xmllint --noout "$T/$file"
		[ "$(LC_ALL=C tr -d '\11\12\40-\176' <"$T/$file" | wc -c)" = 0 ]
		[ "$(xmllint --xpath 'count(//*[local-name() = "script" or local-name() = "b"])' "$T/$file")" = 0 ]
		grep -q '&lt;script&gt;' "$T/$file"
	done
}

@test "a browser draws it" {
	browser=
	for name in chromium chromium-headless-shell chromium-shell; do
		command -v "$name" >/dev/null && browser=$name
	done
	[ -n "$browser" ] || skip "no chromium is installed"
	make hostile "$N"
	"$DURE" map --html "$T/a.html" "$N"
	HOME=$T run --separate-stderr timeout 100 "$browser" --headless --no-sandbox --disable-gpu \
		--user-data-dir="$T/profile" --dump-dom "file://$T/a.html"
	[ "$status" = 0 ]
	# as many places as were written, and the names are text
	[ "$(grep -o '<g><title>' <<<"$output" | wc -l)" = "$(grep -c '<g><title>' "$T/a.html")" ]
	holds '&lt;script&gt;alert(1)&lt;/script&gt;'
	[[ $output != *"<script>alert"* ]]
	HOME=$T timeout 100 "$browser" --headless --no-sandbox --disable-gpu --user-data-dir="$T/profile" \
		--window-size=1060,700 --screenshot="$T/a.png" "file://$T/a.html" 2>/dev/null
	# a blank page of this size is a tenth of it
	[ "$(stat -c %s "$T/a.png")" -gt 20000 ]
}

@test "a damaged page is shown, the rest too, and the status says so" {
	make_file s
	# the page table begins at 0x1000 + ...: the first word that owns blocks becomes nonsense
	run -0 "$DURE" map --json "$T/s"
	first=$(jq '.first_offset / .page_bytes' <<<"$output")
	table=$(python3 - "$T/s" "$first" <<-'END'
		import struct, sys
		data = open(sys.argv[1], 'rb').read(1 << 20)
		first = int(float(sys.argv[2]))
		# the words of the tables' own pages are 2 (layout/page.h: DL_PAGE_META)
		words = struct.pack('<Q', 2) * first
		print(data.index(words) + 8 * first)
	END
	)
	printf '\017' | dd of="$T/s" bs=1 seek="$table" conv=notrunc status=none
	run -1 "$DURE" map "$T/s"
	holds "!"
	run -1 "$DURE" map --json "$T/s"
	[ "$(jq '[.extents[] | select(.kind == "damaged")] | length' <<<"$output")" = 1 ]
	run -1 "$DURE" map --svg "$T/s.svg" "$T/s"
	grep -q 'class="bad"' "$T/s.svg"
}
