/* SPDX-License-Identifier: MIT */
/*
 * symptoms.c - what errors of shared memory and IPC are due to
 *
 * The same number means other things to other calls; a word of the line says which call it
 * was. Rows with words come before the row of their code without.
 */
#include "symptoms.h"

#include <ctype.h>
#include <dure.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct symptom symptoms[] = {
	{ ENOSPC, "semget|AH00023|semaphore|SysV sem|sysvsem|Couldn't create the",
	  "semget: there are as many System V semaphores as the kernel allows. Programs that were "
	  "killed leave theirs behind.",
	  { DURE_LIMIT_SEMMNI, DURE_LIMIT_SEMMNS } },
	{ ENOSPC, "shmget", "shmget: there are as many System V segments, or pages of them, as the kernel "
	  "allows.", { DURE_LIMIT_SHMMNI, DURE_LIMIT_SHMALL } },
	{ ENOSPC, "msgget", "msgget: there are as many System V message queues as the kernel allows.",
	  { DURE_LIMIT_MSGMNI } },
	{ ENOSPC, "mq_open|mqueue", "mq_open: there are as many POSIX message queues as the kernel allows.",
	  { DURE_LIMIT_MQ_QUEUES } },
	{ ENOSPC, "/dev/shm|shm_open|shared memory|shared_memory|posix_fallocate|psm_|nccl|torch|"
	  "PostgreSQL", "/dev/shm is full. Containers have 64 MiB of it unless told otherwise, and what "
	  "killed programs left in it stays.", { DURE_LIMIT_SHM_BYTES, DURE_LIMIT_SHM_FILES } },
	{ ENOSPC, NULL, "a table of the kernel or a file system is full: System V objects, POSIX queues, "
	  "/dev/shm. The message does not say which.",
	  { DURE_LIMIT_SEMMNI, DURE_LIMIT_SHMMNI, DURE_LIMIT_MQ_QUEUES, DURE_LIMIT_SHM_BYTES } },
	{ EMFILE, "mq_open|mqueue|message queue", "mq_open says \"too many open files\" also when the bytes "
	  "of this user's queues are used up: about nine queues of the default size fit.",
	  { DURE_LIMIT_MQ_BYTES, DURE_LIMIT_FILES } },
	{ EMFILE, NULL, "the process has as many descriptors as it may; mq_open says so, too, when the "
	  "user's message queues are too big.", { DURE_LIMIT_FILES, DURE_LIMIT_MQ_BYTES } },
	{ ENFILE, "shmget", "shmget: no memory file could be made, for too many files are open on the host.",
	  { DURE_LIMIT_ALL_FILES } },
	{ ENFILE, NULL, "too many files are open on the whole host.", { DURE_LIMIT_ALL_FILES } },
	{ ENOMEM, "mlock|memlock|SHM_LOCK|locked|ibv_|pinned|RLIMIT_MEMLOCK|io_uring",
	  "the process may not lock so much memory.", { DURE_LIMIT_LOCKED } },
	{ ENOMEM, "huge|HUGETLB", "there are not so many huge pages reserved.", { DURE_LIMIT_HUGE_PAGES } },
	{ ENOMEM, "mmap|shmat|map", "mmap: the process has too many mappings, its address space is limited "
	  "(ulimit -v), or memory is short.", { DURE_LIMIT_MAPS, DURE_LIMIT_CGROUP } },
	{ ENOMEM, "shmget", "shmget: there is no memory, or more than kernel.shmall allows.",
	  { DURE_LIMIT_SHMALL, DURE_LIMIT_CGROUP, DURE_LIMIT_HUGE_PAGES } },
	{ ENOMEM, NULL, "memory is short: of the control group, of locked memory, of mappings or of huge "
	  "pages.", { DURE_LIMIT_CGROUP, DURE_LIMIT_LOCKED, DURE_LIMIT_MAPS, DURE_LIMIT_HUGE_PAGES } },
	{ EINVAL, "shmget", "shmget: the size is above kernel.shmmax, or a segment with this key is "
	  "smaller.", { DURE_LIMIT_SHMMAX } },
	{ EINVAL, "semget", "semget: more semaphores in one set than allowed, or a set with this key has "
	  "fewer.", { DURE_LIMIT_SEMMSL } },
	{ EINVAL, "mq_open|mqueue", "mq_open: more or longer messages were asked for than an ordinary user "
	  "may have; or the name does not begin with a slash.",
	  { DURE_LIMIT_MQ_MESSAGES, DURE_LIMIT_MQ_MESSAGE_BYTES } },
	{ EINVAL, "msgsnd", "msgsnd: the message is too long, or its type is not above 0.",
	  { DURE_LIMIT_MSGMAX } },
	{ E2BIG, "semop|semtimedop", "semop: too many operations at once.", { DURE_LIMIT_SEMOPM } },
	{ E2BIG, "msgrcv", "msgrcv: the message is longer than the buffer, and MSG_NOERROR was not given.",
	  { 0 } },
	{ EAGAIN, "msgsnd|msgget", "msgsnd: the queue is full and IPC_NOWAIT was given: its reader is slow "
	  "or dead (dure who sysv:msg:ID).", { DURE_LIMIT_MSGMNB } },
	{ EAGAIN, "mlock|SHM_LOCK", "mlock: the process may not lock so much memory.", { DURE_LIMIT_LOCKED } },
	{ EAGAIN, NULL, "it would have had to wait: a queue is full or empty, a lock is held, a semaphore is "
	  "0 (dure who OBJECT shows by whom).", { 0 } },
	{ EIDRM, NULL, "the System V object was removed while it was used. On hosts with systemd, logind "
	  "removes the IPC objects of users who log out: RemoveIPC=no in /etc/systemd/logind.conf, or run "
	  "the service as a system user.", { 0 } },
	{ ENOENT, "shm_open|sem_open|mq_open|/dev/shm", "there is no object of that name here. Names lie in "
	  "the /dev/shm (queues: the IPC namespace) of the container; or systemd's RemoveIPC has removed "
	  "it at logout.", { 0 } },
	{ EEXIST, NULL, "a name or key is taken, maybe by what a killed program left (dure reap shows what is "
	  "left over).", { 0 } },
	{ EACCES, NULL, "the mode, the owner or a security module (SELinux, AppArmor) does not allow it: "
	  "dure ls shows owner and mode; ls -Z and the audit log show labels.", { 0 } },
	{ EPERM, "shm|sem|mq|unlink|msgctl|semctl|shmctl", "only the owner, the creator or root may remove or "
	  "change it; in a sticky /dev/shm also only the owner may unlink.", { 0 } },
	{ EOWNERDEAD, NULL, "the holder of a robust mutex died; whoever gets this must mend what the mutex "
	  "protects, and call pthread_mutex_consistent.", { 0 } },
	{ ENOTRECOVERABLE, NULL, "the holder of a robust mutex died, and the next one unlocked it without "
	  "pthread_mutex_consistent: it can only be destroyed and made anew.", { 0 } },
	{ EDEADLK, NULL, "waiting would never end: dure who PID shows the circle.", { 0 } },
	{ ENOSYS, "sem|shm|msg|mq", "the kernel has no such IPC, or a sandbox hides it (gVisor, seccomp).", { 0 } },
	{ 0, "SIGBUS|Bus error|bus error|signal 7|insufficient shared memory",
	  "a page of a mapping could not be had: /dev/shm (or the huge pages, or the control group) was "
	  "full when a sparse file was first written to, or somebody cut the file short.",
	  { DURE_LIMIT_SHM_BYTES, DURE_LIMIT_HUGE_PAGES, DURE_LIMIT_CGROUP } },
	{ 0, "leaked shared_memory|leaked semaphore|resource_tracker", "Python's resource tracker removes "
	  "shared memory of others when a process ends: give track=False (Python 3.13), or unregister it.",
	  { 0 } },
};

enum { SYMPTOM_COUNT = sizeof symptoms / sizeof *symptoms };

static const struct { int code; const char *name; } names[] = {
	{ ENOSPC, "ENOSPC" }, { EMFILE, "EMFILE" }, { ENFILE, "ENFILE" }, { ENOMEM, "ENOMEM" },
	{ EINVAL, "EINVAL" }, { E2BIG, "E2BIG" }, { EAGAIN, "EAGAIN" }, { EAGAIN, "EWOULDBLOCK" },
	{ EIDRM, "EIDRM" }, { ENOENT, "ENOENT" }, { EEXIST, "EEXIST" }, { EACCES, "EACCES" },
	{ EPERM, "EPERM" }, { EOWNERDEAD, "EOWNERDEAD" }, { ENOTRECOVERABLE, "ENOTRECOVERABLE" },
	{ EDEADLK, "EDEADLK" }, { ENOSYS, "ENOSYS" },
};

enum { NAME_COUNT = sizeof names / sizeof *names };

const char *error_name(int code)
{
	for (size_t i = 0; i < NAME_COUNT; i++)
		if (names[i].code == code)
			return names[i].name;
	return "?";
}

static int code_of_number(long number)
{
	for (size_t i = 0; i < NAME_COUNT; i++)
		if (names[i].code == number)
			return names[i].code;
	return 0;
}

/* a whole word, in any case */
static bool has_word(const char *line, const char *word)
{
	size_t bytes = strlen(word);

	for (const char *at = line; (at = strcasestr(at, word)) != NULL; at++)
		if ((at == line || !isalnum((unsigned char)at[-1])) &&
		    !isalnum((unsigned char)at[bytes]))
			return true;
	return false;
}

/* "(28)", "errno 28", "errno=28", "error 28", or a number alone */
static int number_in_line(const char *line)
{
	static const char *const leads[] = { "(", "errno ", "errno=", "errno: ", "error ", "Errno ",
					     "os error " };
	char *end;
	long alone = strtol(line, &end, 10);

	if (end != line && !*end)
		return code_of_number(alone);
	for (size_t i = 0; i < sizeof leads / sizeof *leads; i++)
		for (const char *at = line; (at = strstr(at, leads[i])) != NULL; at++) {
			const char *number = at + strlen(leads[i]);
			long code = strtol(number, &end, 10);
			if (end != number && (leads[i][0] != '(' || *end == ')') && code_of_number(code))
				return code_of_number(code);
		}
	return 0;
}

int error_in_line(const char *line)
{
	int code;

	for (size_t i = 0; i < NAME_COUNT; i++)
		if (has_word(line, names[i].name))
			return names[i].code;
	for (size_t i = 0; i < NAME_COUNT; i++)
		if (strcasestr(line, strerror(names[i].code)))
			return names[i].code;
	code = number_in_line(line);
	return code;
}

static bool has_any(const char *line, const char *words)
{
	char word[64];

	while (*words) {
		size_t bytes = strcspn(words, "|");
		if (bytes < sizeof word) {
			memcpy(word, words, bytes);
			word[bytes] = '\0';
			if (strcasestr(line, word))
				return true;
		}
		words += bytes + (words[bytes] == '|');
	}
	return false;
}

size_t symptoms_of(const char *line, int code, const struct symptom **ret, size_t most)
{
	size_t count = 0;

	for (size_t i = 0; i < SYMPTOM_COUNT && count < most; i++)
		if (symptoms[i].words && (symptoms[i].code == code || symptoms[i].code == 0) &&
		    has_any(line, symptoms[i].words))
			ret[count++] = &symptoms[i];
	for (size_t i = 0; count == 0 && code && i < SYMPTOM_COUNT; i++)
		if (symptoms[i].code == code && !symptoms[i].words)
			ret[count++] = &symptoms[i];
	/* a code alone, without a word of the call: all that it can mean */
	for (size_t i = 0; count == 0 && code && i < SYMPTOM_COUNT; i++)
		if (symptoms[i].code == code)
			ret[count++] = &symptoms[i];
	return count;
}
