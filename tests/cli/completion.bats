#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# completion.bats - what bash, zsh and fish offer after dure

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
	has $(commands) ipcs ipcrm lsipc --help --version
	run -0 complete_line sh
	[ "$output" = show ]
	# exactly those of dure --help
	[ "$(complete_line "" | grep -v '^-' | sort)" = \
		"$({ commands; printf '%s\n' ipcs ipcrm lsipc; } | sort)" ]
}

@test "options are those of --help" {
	for command in $(commands); do
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
	for command in show map check repair rm; do
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

# fish_line LINE: what fish offers for its last word
fish_line() {
	HOME=$T fish -c 'set -gx PATH (dirname $argv[2]) $PATH; source $argv[1]; complete -C $argv[3]' \
		"$COMPLETION_DIR/dure.fish" "$DURE" "$1" | cut -f1
}

@test "fish: commands, and the options of --help" {
	need fish
	[ "$(fish_line "dure " | sort)" = "$({ commands; printf '%s\n' ipcs ipcrm lsipc; } | sort)" ]
	for command in $(commands); do
		[ "$(fish_line "dure $command --" | sort)" = \
			"$("$DURE" "$command" --help | grep -oE '(^ +| {2,})-[a-zA-Z], --[a-z-]+' |
				grep -oE -- '--[a-z-]+' | sort)" ]
	done
}

@test "fish: segments, kinds, columns" {
	need fish
	make left "$N-a"
	[ "$(fish_line "dure show $N-")" = "$N-a" ]
	[ "$(fish_line "dure reap --grade l")" = likely ]
	[ "$(fish_line "dure ls --output NA")" = NAME ]
}

@test "zsh: it parses, and has the options of --help" {
	need zsh
	zsh -n "$COMPLETION_DIR/_dure"
	for command in $(commands); do
		# between the command's line and the next one
		part=$(sed -n "/^\t\(.* | \)*$command\( | .*\)*) /,/;;/p" "$COMPLETION_DIR/_dure")
		[[ $part != *'$made'* ]] || part+=$(grep 'made=(' "$COMPLETION_DIR/_dure")
		for option in $("$DURE" "$command" --help | grep -oE '(^ +| {2,})-[a-zA-Z], --[a-z-]+' |
			grep -oE -- '--[a-z-]+'); do
			[[ $part == *"$option"* ]] || { echo "$command: no $option in: $part"; return 1; }
		done
	done
}
