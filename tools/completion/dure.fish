# SPDX-License-Identifier: MIT
# dure.fish - completion of the dure command for fish
#
# tests/cli/completion.bats compares the options with what each command's --help says.

function __dure_commands
	dure --help 2>/dev/null | string match -rg '^  ([a-z, ]*[a-z])  ' | string split ', '
end

function __dure_segments
	dure ls --kind segment --noheadings --output NAME 2>/dev/null
end

function __dure_objects
	dure ls --local --noheadings --output OBJECT --filter 'kind != segment' 2>/dev/null
	__dure_segments
end

# of ls, or of another command that lists its columns in --help
function __dure_columns
	dure $argv 2>/dev/null | string match -rg '^  ([A-Z]+)  '
end

function __dure_runs
	dure undo --list 2>/dev/null | string match -rg '^(\S+)'
end

# COMMANDS LONG SHORT [ARGUMENTS...]: an option; with arguments it wants one of them
function __dure_option
	set -l on "__fish_seen_subcommand_from $argv[1]"
	if set -q argv[4]
		complete -c dure -n $on -l $argv[2] -s $argv[3] -x -a "$argv[4..]"
	else
		complete -c dure -n $on -l $argv[2] -s $argv[3]
	end
end

set -l kinds shm sem msg mq queue sysv posix sysv-shm sysv-sem sysv-msg posix-shm posix-sem posix-mq \
	memfd deleted anonymous huge lock segment
set -l profiles apache postgres openmpi nccl vllm fastdds python

complete -c dure -f
complete -c dure -n __fish_use_subcommand -a '(__dure_commands)'
complete -c dure -n '__fish_seen_subcommand_from show map check repair dump load' -F -a '(__dure_segments)'
complete -c dure -n '__fish_seen_subcommand_from send recv peek pub sub call serve queues record replay' -F -a '(__dure_segments)'
complete -c dure -n '__fish_seen_subcommand_from who rm' -a '(__dure_objects)'
complete -c dure -n '__fish_seen_subcommand_from undo' -a '(__dure_runs)'
complete -c dure -n '__fish_seen_subcommand_from ls' -a '(__fish_complete_directories)'
complete -c dure -n '__fish_seen_subcommand_from demo snapshot diff' -F
complete -c dure -n 'not __fish_use_subcommand' -l help -s h

__dure_option 'ls who doctor explain limits reap show map check repair diff watch recv peek sub queues replay' json J
__dure_option 'ls reap top' kind k $kinds
__dure_option 'ls queues' filter f ''
__dure_option ls sort s '(__dure_columns ls --columns)'
__dure_option ls output o '(__dure_columns ls --columns)'
__dure_option ls columns C
__dure_option ls tree t
__dure_option ls processes p
__dure_option ls verbose v
__dure_option 'ls snapshot watch top metrics' local l
__dure_option 'ls reap queues' bytes b
__dure_option 'ls limits queues' noheadings n
__dure_option limits pid p '(__fish_complete_pids)'
__dure_option limits set S ''
__dure_option limits filter f ''
__dure_option limits output o '(__dure_columns limits --help)'
__dure_option reap user u '(__fish_complete_users)'
__dure_option reap key K ''
__dure_option reap name N ''
__dure_option reap filter f ''
__dure_option reap age a ''
__dure_option reap profile p $profiles
__dure_option reap grade g unused likely certain
__dure_option reap all A
__dure_option 'reap repair' yes y
__dure_option 'reap undo rm' journal j '(__fish_complete_directories)'
__dure_option 'reap rm' no-undo x
__dure_option 'reap undo check dump load demo' quiet q
__dure_option undo list l
__dure_option rm force f
__dure_option show classes c
__dure_option 'show map check diff' max n ''
__dure_option 'recv peek sub' max m ''
__dure_option map svg s '(__fish_complete_path)'
__dure_option map html H '(__fish_complete_path)'
__dure_option map width w ''
__dure_option check mend m
__dure_option 'dump load' csv C
__dure_option dump keys k text integer hex
__dure_option dump values v text integer hex
__dure_option demo workers w ''
__dure_option demo kill-every k ''
__dure_option demo seconds s ''
__dure_option 'diff watch' within w ''
__dure_option 'watch top queues' interval i ''
__dure_option watch count c ''
__dure_option 'recv peek sub serve record' count n ''
__dure_option top sort s object user size resident more/s count procs waits idle state
__dure_option ipcs shmems m
__dure_option ipcs queues q
__dure_option ipcs semaphores s
__dure_option 'ipcs ipcrm' all a
__dure_option ipcs id i ''
__dure_option ipcs time t
__dure_option ipcs pid p
__dure_option ipcs creator c
__dure_option ipcs limits l
__dure_option ipcs summary u
__dure_option ipcs bytes b
__dure_option ipcrm shmem-id m ''
__dure_option ipcrm shmem-key M ''
__dure_option ipcrm queue-id q ''
__dure_option ipcrm queue-key Q ''
__dure_option ipcrm semaphore-id s ''
__dure_option ipcrm semaphore-key S ''
__dure_option ipcrm verbose v
__dure_option lsipc shmems m
__dure_option lsipc queues q
__dure_option lsipc semaphores s
__dure_option lsipc global g
__dure_option lsipc id i ''
__dure_option lsipc creator c
__dure_option lsipc time t
__dure_option lsipc output o ''
__dure_option lsipc bytes b
__dure_option lsipc numeric-perms P
__dure_option lsipc json J
__dure_option lsipc export e
__dure_option lsipc shell y
__dure_option lsipc newline n
__dure_option lsipc list l
__dure_option lsipc raw r
complete -c dure -n '__fish_seen_subcommand_from lsipc' -l time-format -x -a 'short full iso'
complete -c dure -n '__fish_seen_subcommand_from lsipc' -l noheadings
complete -c dure -n '__fish_seen_subcommand_from lsipc' -l notruncate
__dure_option metrics textfile t '(__fish_complete_path)'
__dure_option metrics objects O
__dure_option ls namespace N '(__fish_complete_pids)'
__dure_option 'reap undo' namespace n '(__fish_complete_pids)'
__dure_option 'send recv peek call serve record' type t ''
__dure_option 'send call' priority p ''
__dure_option 'send call' expire e ''
__dure_option 'send recv peek pub sub' lines l
__dure_option 'send recv peek pub sub' null z
__dure_option 'send pub' shut x
__dure_option 'send recv pub sub call serve record replay' timeout T ''
__dure_option 'send recv pub sub call serve record replay' create c
__dure_option 'send recv pub sub call serve record replay' with w ''
__dure_option 'send recv peek pub sub call serve record replay' object O ''
__dure_option recv follow f
__dure_option 'recv peek' dead-letters d
__dure_option peek index i ''
__dure_option peek list L
__dure_option 'sub record' history H all
__dure_option sub policy P drop latest block evict
__dure_option call attempts a ''
__dure_option serve retry r ''
__dure_option serve kill-after k ''
__dure_option record topic s
__dure_option record block b
__dure_option replay speed s ''
__dure_option queues summary S
__dure_option queues sort s name kind depth bytes taken dead in out in/s out/s users state who
__dure_option queues output o name kind depth bytes taken dead in out in/s out/s users state who
