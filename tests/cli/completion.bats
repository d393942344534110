#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# completion.bats - what bash offers after dure

load setup

# complete_line WORDS...: what is offered for the last word
complete_line() {
	bash -c 'source "$1" && shift && COMP_WORDS=("$@") && COMP_CWORD=$(($# - 1)) && _dure &&
		printf "%s\n" "${COMPREPLY[@]}"' bash "$COMPLETION" "$DURE" "$@"
}

@test "it can be loaded, and is for dure" {
	run -0 bash -c "source '$COMPLETION' && complete -p dure"
	holds "-F _dure dure"
}

@test "commands" {
	run -0 complete_line ""
	has ls who doctor explain limits reap undo rm show check dump load demo --help --version
	run -0 complete_line sh
	[ "$output" = show ]
	# exactly those of dure --help
	[ "$(complete_line "" | grep -v '^-' | sort)" = \
		"$("$DURE" --help | sed -n 's/^  \([a-z]*\)  .*/\1/p' | grep -v '^dure$' | sort)" ]
}

@test "options are those of --help" {
	for command in ls who doctor explain limits reap undo rm show check dump load demo; do
		# reap has two options in some lines
		[ "$(complete_line "$command" -- | sort)" = \
			"$("$DURE" "$command" --help | grep -oE '(^ +| {2,})-[a-zA-Z], --[a-z-]+' |
				grep -oE -- '--[a-z-]+' | sort)" ]
	done
}

@test "columns are those of --help" {
	[ "$(complete_line ls --output "" | sort)" = \
		"$("$DURE" ls --columns | sed -n '/^Columns:/,$s/^  \([A-Z]*\) .*/\1/p' | sort)" ]
}

@test "columns one after the other, kinds, grades, profiles" {
	run -0 complete_line ls --output NAME,SI
	[ "$output" = NAME,SIZE ]
	run -0 complete_line limits --output PER
	[ "$output" = PERCENT ]
	run -0 complete_line ls --kind posix-s
	has posix-shm posix-sem
	run -0 complete_line reap --grade l
	[ "$output" = likely ]
	# each profile that is offered is one, and all are
	for profile in $(complete_line reap --profile ""); do
		run "$DURE" reap --profile "$profile"
		[ "$status" -le 1 ]
	done
}

@test "segments" {
	make left "$N-a"
	make left "$N-b"
	for command in show check rm; do
		run -0 complete_line "$command" "$N-"
		[ "$(printf '%s\n' "$output" | sort)" = "$(printf '%s\n' "$N-a" "$N-b")" ]
		run -0 complete_line "$command" --json "$N-b"
		[ "$output" = "$N-b" ]
	done
}

@test "files and directories" {
	touch "$T/file"
	mkdir "$T/folder"
	run -0 complete_line show "$T/f"
	has "$T/file" "$T/folder"
	run -0 complete_line ls "$T/f"
	[ "$output" = "$T/folder" ]
	run -0 complete_line demo "$T/fi"
	[ "$output" = "$T/file" ]
}

@test "numbers: nothing" {
	run -0 complete_line demo --seconds ""
	[ -z "$output" ]
}
