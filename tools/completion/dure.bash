# SPDX-License-Identifier: MIT
# dure.bash - completion of the dure command for bash
#
# Commands and options come from here, segments from dure itself. tests/cli/completion.bats compares
# the options with what each command's --help says.

_dure_segments() {
	"${COMP_WORDS[0]}" ls --noheadings --output NAME 2>/dev/null
}

# The word after an option that wants one.
_dure_argument() {
	case $1 in
	-o | --output)
		COMPREPLY=($(compgen -W "NAME BACKING LIFETIME SIZE USED ALIVE DEAD MODE AGE OBJECTS
			STATE PATH" -- "$2"))
		;;
	--max | --workers | --kill-every | --seconds) ;;	# numbers
	*) return 1 ;;
	esac
}

_dure() {
	local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
	local command=${COMP_WORDS[1]} options

	COMPREPLY=()
	if [ "$COMP_CWORD" = 1 ]; then
		COMPREPLY=($(compgen -W "ls show check rm demo --help --version" -- "$word"))
		return
	fi
	_dure_argument "$previous" "$word" && return
	case $command in
	ls) options="--bytes --json --noheadings --output --help" ;;
	show) options="--json --classes --max --help" ;;
	check) options="--mend --json --quiet --help" ;;
	rm) options="--force --help" ;;
	demo) options="--workers --kill-every --seconds --quiet --help" ;;
	*) return ;;
	esac
	case $command/$word in
	*/-*) COMPREPLY=($(compgen -W "$options" -- "$word")) ;;
	ls/*) COMPREPLY=($(compgen -d -- "$word")) ;;
	demo/* | */*/*) COMPREPLY=($(compgen -f -- "$word")) ;;
	*) COMPREPLY=($(compgen -W "$(_dure_segments)" -- "$word")) ;;
	esac
}

complete -o filenames -F _dure dure
