# SPDX-License-Identifier: MIT
# dure.bash - completion of the dure command for bash
#
# Commands and options come from here, segments, objects and runs from dure itself.
# tests/cli/completion.bats compares the options with what each command's --help says.

_dure_segments() {
	"${COMP_WORDS[0]}" ls --kind segment --noheadings --output NAME 2>/dev/null
}

_dure_objects() {
	"${COMP_WORDS[0]}" ls --local --noheadings --output OBJECT --filter "kind != segment" 2>/dev/null
}

# COLUMN,COLUMN,...: the last one is completed
_dure_columns() {
	local before=
	case $1 in
	*,*) before=${1%,*}, ;;
	esac
	COMPREPLY=($(compgen -P "$before" -W "$("${COMP_WORDS[0]}" $2 2>/dev/null |
		sed -n '/^Columns:/,$s/^  \([A-Z]*\) .*/\1/p')" -- "${1##*,}"))
}

# The word after an option that wants one.
_dure_argument() {
	case $1 in
	-o | --output | -s | --sort)
		case $3 in
		top) COMPREPLY=($(compgen -W "object user size resident more/s count procs waits idle state" -- "$2")) ;;
		limits) _dure_columns "$2" "limits --help" ;;
		queues) COMPREPLY=($(compgen -W "name kind depth bytes taken dead in out in/s out/s users state who" -- "$2")) ;;
		*) _dure_columns "$2" "ls --columns" ;;
		esac
		;;
	-k | --kind)
		COMPREPLY=($(compgen -W "shm sem msg mq queue sysv posix sysv-shm sysv-sem sysv-msg
			posix-shm posix-sem posix-mq memfd deleted anonymous huge lock segment" -- "$2"))
		;;
	--policy) COMPREPLY=($(compgen -W "drop latest block evict" -- "$2")) ;;
	--history) COMPREPLY=($(compgen -W "all" -- "$2")) ;;
	-u | --user) COMPREPLY=($(compgen -u -- "$2")) ;;
	--keys | -v | --values) COMPREPLY=($(compgen -W "text integer hex" -- "$2")) ;;
	--time-format) COMPREPLY=($(compgen -W "short full iso" -- "$2")) ;;
	-g | --grade) COMPREPLY=($(compgen -W "unused likely certain" -- "$2")) ;;
	--profile)
		COMPREPLY=($(compgen -W "apache postgres openmpi nccl vllm fastdds python" -- "$2"))
		;;
	-S | --set)
		COMPREPLY=($(compgen -S = -W "$("${COMP_WORDS[0]}" limits -n -o LIMIT -f "path =~ sysctl or path =~ /proc/sys" \
			2>/dev/null)" -- "$2"))
		;;
	-j | --journal) COMPREPLY=($(compgen -d -- "$2")) ;;
	--svg | --html | --textfile) COMPREPLY=($(compgen -f -- "$2")) ;;
	--max | --namespace | --width | --within | --interval | --count | --workers | --kill-every | --seconds | --pid | --age | --key | --name | --filter | --type | --priority | \
		--expire | --index | --attempts | --retry | --kill-after | --speed | --timeout | --with | --object) ;;
	*) return 1 ;;
	esac
}

_dure() {
	local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
	local command=${COMP_WORDS[1]} options
	local made="--timeout --create --with --object --help"

	COMPREPLY=()
	if [ "$COMP_CWORD" = 1 ]; then
		COMPREPLY=($(compgen -W "ls who doctor explain limits reap undo rm show map check repair dump load send recv
			peek pub sub call serve queues record replay top snapshot
			diff watch metrics demo ipcs ipcrm lsipc --help --version" -- "$word"))
		return
	fi
	_dure_argument "$previous" "$word" "$command" && return
	case $command in
	ls) options="--kind --filter --sort --output --columns --tree --processes --verbose --local --namespace
		--bytes --json --noheadings --help" ;;
	who | doctor | explain) options="--json --help" ;;
	limits) options="--pid --set --filter --output --json --noheadings --help" ;;
	reap) options="--kind --user --key --name --filter --age --profile --grade --namespace --all --yes --journal
		--no-undo --bytes --quiet --json --help" ;;
	undo) options="--list --namespace --journal --quiet --help" ;;
	rm) options="--force --journal --no-undo --help" ;;
	show) options="--json --classes --max --help" ;;
	map) options="--svg --html --json --max --width --help" ;;
	repair) options="--yes --json --help" ;;
	ipcs) options="--shmems --queues --semaphores --all --id --time --pid --creator --limits --summary
		--bytes --human --help --version" ;;
	ipcrm) options="--shmem-id --shmem-key --queue-id --queue-key --semaphore-id --semaphore-key --all
		--verbose --help --version" ;;
	lsipc) options="--shmems --queues --semaphores --global --id --creator --time --output --bytes --numeric-perms
		--json --export --shell --newline --list --raw --time-format --noheadings --notruncate --help --version" ;;
	metrics) options="--textfile --objects --local --help" ;;
	top) options="--interval --kind --local --sort --help" ;;
	snapshot) options="--local --help" ;;
	diff) options="--within --max --json --help" ;;
	watch) options="--interval --count --within --local --json --help" ;;
	check) options="--mend --json --max --quiet --help" ;;
	dump) options="--csv --keys --values --quiet --help" ;;
	load) options="--csv --quiet --help" ;;
	send) options="--type --priority --expire --lines --null --shut $made" ;;
	recv) options="--type --count --follow --lines --null --json --max --dead-letters $made" ;;
	peek) options="--type --index --count --list --lines --null --json --max --dead-letters --object --help" ;;
	pub) options="--lines --null --shut $made" ;;
	sub) options="--count --history --policy --lines --null --json --max $made" ;;
	call) options="--type --priority --attempts --expire $made" ;;
	serve) options="--type --count --retry --kill-after $made" ;;
	queues) options="--interval --filter --sort --output --summary --bytes --json --noheadings --help" ;;
	record) options="--topic --history --block --type --count $made" ;;
	replay) options="--speed --json $made" ;;
	demo) options="--workers --kill-every --seconds --quiet --help" ;;
	*) return ;;
	esac
	case $command/$word in
	*/-*) COMPREPLY=($(compgen -W "$options" -- "$word")) ;;
	ls/*) COMPREPLY=($(compgen -d -- "$word")) ;;
	undo/*) COMPREPLY=($(compgen -W "$("${COMP_WORDS[0]}" undo --list 2>/dev/null | cut -d' ' -f1)" \
		-- "$word")) ;;
	limits/* | doctor/* | explain/* | reap/*) ;;
	watch/* | top/* | metrics/* | ipcs/* | ipcrm/* | lsipc/*) ;;
	demo/* | snapshot/* | diff/* | replay/* | */*/*) COMPREPLY=($(compgen -f -- "$word")) ;;
	who/* | rm/*) COMPREPLY=($(compgen -W "$(_dure_segments) $(_dure_objects)" -- "$word")) ;;
	*) COMPREPLY=($(compgen -W "$(_dure_segments)" -- "$word")) ;;
	esac
}

complete -o filenames -F _dure dure
