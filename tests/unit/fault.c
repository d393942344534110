/* SPDX-License-Identifier: MIT */
/*
 * fault.c - every system call of every operation is refused once, and once for good
 *
 * Why      Error paths run on the worst day of a machine, and on no other. Here they all run.
 * Method   The library is compiled with DUREI_FAULTS: each wrapper of src/os asks durei_fault
 *          before it asks the kernel. A first run of a scenario counts its calls. Then, for
 *          each call and each errno that it can give, a child runs the scenario with that call
 *          refused: only this one time ("once"), or from then on ("for good").
 *          malloc, calloc, realloc and strdup are refused in the same way (the linker's
 *          --wrap), and counted, so that a lost block is seen.
 * Rules    After a refusal, either the call succeeded all the same (the library has another
 *          way), or
 *          [FAULT1] the result is a code that the function's page names
 *          [FAULT2] dure_last_error has a sentence about this failure, not an older one
 *          [FAULT3] the output is untouched
 *          [FAULT4] descriptors, mapped bytes, private blocks, names in the directory and
 *                   System V segments are what they were
 *          [FAULT5] the same call without a refusal works now
 *          and in any case
 *          [FAULT6] after closing everything nothing of the above has stayed
 * Bounds   A child has 15 seconds; one that hangs or crashes is a finding like the others.
 */
#include "fault.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/error.h"

enum { CALLS_MAX = 1024, NAMES_MAX = 24, FINDINGS_SHOWN = 60, CHILD_SECONDS = 15 };

/* -- the script ----------------------------------------------------------------------- */

enum mode { COUNT, ONCE, FOR_GOOD };

static struct script {
	enum mode mode;
	unsigned target;		/* which call, from 0 */
	int code;
	bool armed;
	bool posture_used;
	const char *posture;
	unsigned count;
	const char *refused;		/* the call that was */
} script;

/* filled by the counting run, in a child */
static struct {
	unsigned count;
	int result;
	char names[CALLS_MAX][16];
} *counted;

static int ask(const char *call)
{
	if (!script.armed)
		return 0;
	if (script.posture && !script.posture_used && strcmp(call, script.posture) == 0) {
		script.posture_used = true;
		return EOPNOTSUPP;
	}
	unsigned n = script.count++;
	if (script.mode == COUNT) {
		if (n < CALLS_MAX)
			snprintf(counted->names[n], sizeof counted->names[n], "%s", call);
		return 0;
	}
	bool is_target = n == script.target;
	if (is_target)
		script.refused = call;
	bool again = script.mode == FOR_GOOD && script.refused && strcmp(call, script.refused) == 0;
	return is_target || again ? script.code : 0;
}

int durei_fault(const char *call);
int durei_fault(const char *call)
{
	return ask(call);
}

void fault_pause(void)
{
	script.armed = false;
}

/* -- private memory ------------------------------------------------------------------- */

static long private_blocks;

void *__real_malloc(size_t bytes);
void *__real_calloc(size_t count, size_t bytes);
void *__real_realloc(void *old, size_t bytes);
void __real_free(void *block);
void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__wrap_realloc(void *old, size_t bytes);
char *__wrap_strdup(const char *text);
void __wrap_free(void *block);

static void *counted_block(void *block)
{
	if (block)
		private_blocks++;
	return block;
}

static bool memory_is_refused(void)
{
	int code = ask("malloc");

	if (code)
		errno = code;
	return code != 0;
}

void *__wrap_malloc(size_t bytes)
{
	return memory_is_refused() ? NULL : counted_block(__real_malloc(bytes));
}

void *__wrap_calloc(size_t count, size_t bytes)
{
	return memory_is_refused() ? NULL : counted_block(__real_calloc(count, bytes));
}

void *__wrap_realloc(void *old, size_t bytes)
{
	if (memory_is_refused())
		return NULL;
	void *block = __real_realloc(old, bytes);
	return old ? block : counted_block(block);
}

char *__wrap_strdup(const char *text)
{
	size_t bytes = strlen(text) + 1;
	char *copy = __wrap_malloc(bytes);

	return copy ? memcpy(copy, text, bytes) : NULL;
}

void __wrap_free(void *block)
{
	if (block)
		private_blocks--;
	__real_free(block);
}

/* -- what the process has ------------------------------------------------------------- */

struct snapshot {
	long descriptors, blocks, sysv;
	uint64_t mapped_bytes;
	unsigned name_count;
	char names[NAMES_MAX][64];
};

void fault_must(bool condition, const char *what)
{
	if (condition)
		return;
	printf("    the scenario went wrong: %s: %s\n", what, dure_last_error());
	fflush(NULL);
	_exit(2);
}

static size_t read_all(const char *path, char *text, size_t bytes)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t used = 0;
	ssize_t n;

	MUST(fd >= 0);
	while ((n = read(fd, text + used, bytes - 1 - used)) > 0)
		used += (size_t)n;
	text[used] = '\0';
	close(fd);
	MUST(used < bytes - 1);
	return used;
}

static long count_descriptors(void)
{
	DIR *directory = opendir("/proc/self/fd");
	long count = 0;

	MUST(directory);
	while (readdir(directory))
		count++;
	closedir(directory);
	return count;
}

/* of all mappings but those that grow by themselves */
static uint64_t count_mapped_bytes(char *text, size_t bytes)
{
	uint64_t sum = 0;

	read_all("/proc/self/maps", text, bytes);
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		unsigned long start, end;
		if (sscanf(line, "%lx-%lx", &start, &end) == 2 && !strstr(line, "[heap]") &&
		    !strstr(line, "[stack]"))
			sum += end - start;
	}
	return sum;
}

/* the System V segments this process created: columns 1 (id) and 5 (creator) */
static long count_sysv(char *text, size_t bytes, void (*visit)(int id))
{
	long count = 0;

	read_all("/proc/sysvipc/shm", text, bytes);
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		int id;
		long creator;
		if (sscanf(line, "%*d %d %*o %*u %ld", &id, &creator) != 2 || creator != getpid())
			continue;
		count++;
		if (visit)
			visit(id);
	}
	return count;
}

static void take_snapshot(const struct world *w, struct snapshot *ret)
{
	static char text[1 << 18];
	DIR *directory = opendir(w->directory);
	struct dirent *entry;

	MUST(directory);
	memset(ret, 0, sizeof *ret);
	while ((entry = readdir(directory)))
		if (entry->d_name[0] != '.' || strlen(entry->d_name) > 2) {
			MUST(ret->name_count < NAMES_MAX);
			snprintf(ret->names[ret->name_count++], sizeof *ret->names, "%.63s",
				 entry->d_name);
		}
	closedir(directory);
	ret->descriptors = count_descriptors();
	ret->blocks = private_blocks;
	ret->sysv = count_sysv(text, sizeof text, NULL);
	ret->mapped_bytes = count_mapped_bytes(text, sizeof text);
}

/* -- findings ------------------------------------------------------------------------- */

static unsigned finding_count;

/* AddressSanitizer maps and unmaps as it likes */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1		/* as gcc says it */
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
static const bool mappings_move = true;
#else
static const bool mappings_move = false;
#endif

__attribute__((format(printf, 1, 2))) static void found(const char *format, ...)
{
	va_list arguments;

	finding_count++;
	printf("    ");
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	printf("\n");
}

static bool has_name(const struct snapshot *s, const char *name)
{
	for (unsigned i = 0; i < s->name_count; i++)
		if (strcmp(s->names[i], name) == 0)
			return true;
	return false;
}

static void compare_names(const struct snapshot *before, const struct snapshot *after,
			  const char *when, const char *may_stay)
{
	for (unsigned i = 0; i < after->name_count; i++)
		if (!has_name(before, after->names[i]) &&
		    !(may_stay && strstr(after->names[i], may_stay)))
			found("%s: the name %s has stayed", when, after->names[i]);
	for (unsigned i = 0; i < before->name_count; i++)
		if (!has_name(after, before->names[i]))
			found("%s: the name %s is gone", when, before->names[i]);
}

static void compare(const struct snapshot *before, const struct snapshot *after, const char *when)
{
	if (after->descriptors != before->descriptors)
		found("%s: %ld descriptors more", when, after->descriptors - before->descriptors);
	if (after->mapped_bytes != before->mapped_bytes && !mappings_move)
		found("%s: %lld mapped bytes more", when,
		      (long long)(after->mapped_bytes - before->mapped_bytes));
	if (after->blocks != before->blocks)
		found("%s: %ld private blocks more", when, after->blocks - before->blocks);
	if (after->sysv != before->sysv)
		found("%s: %ld System V segments more", when, after->sysv - before->sysv);
}

static void check_refusal(const struct scenario *s, const struct world *w, int r)
{
	const char *said = w->said[0] ? w->said : dure_last_error();
	const int *code = s->codes;

	while (*code && *code != -r)
		code++;
	if (!*code)
		found("[FAULT1] %d (%s) is no code of this function: %s", r, strerror(-r), said);
	if (!*said || strcmp(said, "an older failure") == 0)
		found("[FAULT2] no sentence for %d (%s)", r, strerror(-r));
	if (w->out != UNTOUCHED)
		found("[FAULT3] the output was touched");
}

/* -- one run -------------------------------------------------------------------------- */

static void remove_id(int id)
{
	shmctl(id, IPC_RMID, NULL);
}

static void remove_all_names(const char *directory)
{
	DIR *names = opendir(directory);
	struct dirent *entry;

	while (names && (entry = readdir(names)))
		unlinkat(dirfd(names), entry->d_name, 0);
	if (names)
		closedir(names);
}

static void begin(const struct scenario *s, struct world *w, const char *directory)
{
	*w = (struct world){ .out = UNTOUCHED, .helper_gate = -1, .name = "x" };
	snprintf(w->directory, sizeof w->directory, "%s", directory);
	w->options = (struct dure_segment_options){
		.sz = sizeof w->options, .size_bytes = 1 << 20, .max_bytes = 8 << 20,
		.backing = s->backing, .lifetime = s->lifetime, .directory = w->directory,
		.processes_max = 8, .threads_max = 8,
		.key = s->by_key ? 0x64000000 + getpid() : 0,
	};
	if (s->backing == DURE_BACKING_FILE) {
		snprintf(w->path, sizeof w->path, "%.100s/x", w->directory);
		w->name = w->path;
	} else if (s->backing > DURE_BACKING_POSIX) {
		w->name = NULL;
	}
	if (s->backing == DURE_BACKING_BUFFER) {
		w->options.max_bytes = 0;
		w->buffer = aligned_alloc(4096, 1 << 20);
		MUST(w->buffer);
		memset(w->buffer, 0, 1 << 20);
		w->options.buffer = w->buffer;
	}
	if (s->prepare)
		s->prepare(w);
}

static void end(const struct scenario *s, struct world *w)
{
	static char text[1 << 18];

	if (s->finish && w->out != UNTOUCHED)
		s->finish(w);
	if (s->release)
		s->release(w);
	if (w->seg)
		MUST(dure_segment_close(w->seg) >= 0);
	MUST(dure_file_close(w->file) >= 0);
	if (w->helper) {
		close(w->helper_gate);
		waitpid(w->helper, NULL, 0);
	}
	__real_free(w->buffer);
	remove_all_names(w->directory);
	count_sysv(text, sizeof text, remove_id);
}

static int act(const struct scenario *s, struct world *w, enum mode mode, unsigned target, int code)
{
	durei_error(EINVAL, "an older failure");
	script = (struct script){ .mode = mode, .target = target, .code = code, .armed = true,
				  .posture = s->posture };
	int r = s->act(w);
	script.armed = false;
	return r;
}

/* Once without refusals, so that what the libc keeps for ever is there already. */
static void warm_up(const struct scenario *s, const char *directory)
{
	struct world w;

	begin(s, &w, directory);
	w.first = s->act(&w);
	MUST(w.first >= 0);
	if (s->verify)
		s->verify(&w);
	end(s, &w);
}

static void run_counting(const struct scenario *s, const char *directory)
{
	struct world w;

	warm_up(s, directory);
	begin(s, &w, directory);
	counted->result = act(s, &w, COUNT, 0, 0);
	counted->count = script.count;
	MUST(counted->result >= 0 && script.count <= CALLS_MAX);
	end(s, &w);
}

static void run_refusing(const struct scenario *s, const char *directory, enum mode mode,
			 unsigned target, int code)
{
	struct snapshot at_first, before, after, at_last;
	struct world w = { .directory = "" };

	warm_up(s, directory);
	snprintf(w.directory, sizeof w.directory, "%s", directory);
	take_snapshot(&w, &at_first);
	begin(s, &w, directory);
	take_snapshot(&w, &before);
	int r = act(s, &w, mode, target, code);
	w.first = r;
	if (r < 0) {
		check_refusal(s, &w, r);
		if (s->attaches)
			MUST(dure_thread_detach(w.seg) == 0);
		take_snapshot(&w, &after);
		compare(&before, &after, "[FAULT4] after the refusal");
		compare_names(&before, &after, "[FAULT4] after the refusal", s->may_stay);
		w.out = UNTOUCHED;
		w.said[0] = '\0';
		w.first = r = s->act(&w);
		if (r < 0)
			found("[FAULT5] without a refusal: %d: %s", r, dure_last_error());
	} else if (r != counted->result && !s->result_varies) {
		found("another success than without the refusal: %d, not %d", r, counted->result);
	}
	if (r >= 0 && s->verify)
		s->verify(&w);
	end(s, &w);
	take_snapshot(&w, &at_last);
	compare(&at_first, &at_last, "[FAULT6] at the end");
}

/* -- all runs ------------------------------------------------------------------------- */

struct refusal {
	const char *call;
	int codes[6];
	bool for_good;			/* may last: a kernel without it, a full disk */
};

static const struct refusal refusals[] = {
	{ "open", { EMFILE, ENOMEM, EACCES, EIO }, true },
	{ "linkat", { ENOSPC, EACCES, EIO }, true },
	{ "memfd_create", { EMFILE, ENOMEM, ENOSYS }, true },
	{ "seal", { EPERM, EINVAL }, true },
	{ "unlink", { EACCES, EIO }, true },
	{ "rename", { ENOSPC, EACCES, EIO }, true },
	{ "symlink", { ENOSPC, EACCES, EIO }, true },
	{ "fchmod", { EPERM, EIO }, true },
	{ "fstat", { EIO }, false },
	{ "fallocate", { ENOSPC, EOPNOTSUPP, EIO }, true },
	{ "punch", { EOPNOTSUPP, EIO }, true },
	{ "ftruncate", { ENOSPC, EIO }, true },
	{ "fsync", { EIO, ENOSPC }, true },
	{ "pread", { EIO }, true },
	{ "pwrite", { ENOSPC, EIO }, true },
	{ "ofd_setlk", { ENOLCK, EINVAL, EAGAIN }, false },
	{ "ofd_setlkw", { ENOLCK, EINVAL, EIO }, true },
	{ "ofd_unlck", { ENOLCK, EIO }, false },
	{ "ofd_getlk", { EINVAL, EIO }, true },
	{ "futex_waitv", { ENOSYS }, true },
	{ "membarrier", { EOPNOTSUPP }, true },
	{ "mmap", { ENOMEM, EACCES }, true },
	{ "madvise", { EINVAL, ENOMEM }, true },
	{ "populate", { EINVAL, ENOMEM, EFAULT }, true },
	{ "mlock", { ENOMEM, EPERM }, true },
	{ "msync", { EIO }, true },
	{ "shmget", { ENOSPC, ENOMEM, EACCES }, true },
	{ "shmat", { ENOMEM, EACCES }, true },
	{ "shmctl", { EPERM }, true },
	{ "inotify", { EMFILE, ENOMEM }, true },
	{ "robust_list", { EOPNOTSUPP }, true },
	{ "getrandom", { ENOSYS, EIO }, true },
	{ "pipe", { EMFILE, ENFILE, ENOMEM }, true },
	{ "socketpair", { EMFILE, ENOMEM }, true },
	{ "setfl", { EPERM }, true },
	{ "mkfifo", { ENOSPC, EACCES, EIO }, true },
	{ "setfd", { EBADF }, true },
	{ "setpipe_sz", { EPERM, EBUSY, ENOMEM }, true },
	{ "openpt", { ENOENT, ENOSPC, EMFILE }, true },
	{ "dupfd", { EMFILE }, true },
	{ "dup2", { EMFILE, EBADF }, true },
	{ "clone", { EAGAIN, ENOMEM }, true },
	{ "setpgid", { EPERM }, true },
	{ "close_range", { ENOSYS, EPERM }, true },
	{ "chdir", { EACCES, EIO }, true },
	{ "execve", { EACCES, ENOMEM, E2BIG, ENOEXEC }, true },
	{ "waitid", { EINVAL, EPERM }, false },
	{ "pidfd_info", { ENOTTY }, true },
	{ "send_signal", { EPERM, ENOSYS, EINVAL }, false },
	{ "poll", { ENOMEM, EINVAL }, false },
	{ "read", { EIO, ENOMEM }, true },
	{ "write", { EIO, EPIPE, ENOMEM }, true },
	{ "pwritev2", { EOPNOTSUPP, ENOSYS }, true },
	{ "splice", { EINVAL, ENOMEM }, true },
	{ "tee", { EINVAL, ENOMEM }, true },
	{ "getpipe_sz", { EBADF }, true },
	{ "fionread", { EINVAL }, true },
	{ "unlockpt", { EIO }, true },
	{ "tiocgptpeer", { EIO, ENOTTY }, true },
	{ "tcsetattr", { EIO }, true },
	{ "malloc", { ENOMEM }, true },
	{ "stat", { EACCES, EIO }, true },
	{ "ipc_stat", { EACCES, EIDRM }, true },
	{ "ipc_set", { EPERM, EINVAL }, true },
	{ "ipc_remove", { EPERM }, false },
	{ "ipc_info", { ENOSYS }, true },
	{ "shmdt", { EINVAL }, false },
	{ "shm_lock", { ENOMEM, EPERM }, true },
	{ "semget", { ENOSPC, ENOMEM, EACCES, EINVAL, ENOSYS }, true },
	{ "semop", { EACCES, EIDRM, ENOMEM, ENOSPC, E2BIG }, false },
	{ "semctl", { EACCES, EIDRM }, true },
	{ "msgget", { ENOSPC, ENOMEM, EACCES, ENOSYS }, true },
	{ "msgsnd", { EACCES, EIDRM, ENOMEM }, true },
	{ "msgrcv", { EACCES, EIDRM, ENOSYS }, true },
	{ "mremap", { ENOMEM, EFAULT }, true },
	{ "mprotect", { EACCES, ENOMEM }, true },
	{ "fadvise", { EBADF, ENOSYS }, true },
	{ "mincore", { ENOMEM, EAGAIN }, true },
	{ "dup", { EMFILE, EBADF }, true },
	{ "vm_readv", { EPERM, ENOSYS, ENOMEM }, true },
	{ "sem_wait", { EINVAL }, true },
	{ "sem_post", { EOVERFLOW, EINVAL }, true },
	{ "sem_value", { EINVAL }, true },
	{ "mq_open", { EACCES, EMFILE, ENOSPC, ENOMEM, EINVAL }, true },
	{ "mq_unlink", { EACCES }, false },
	{ "mq_getattr", { EBADF }, true },
	{ "mq_send", { EBADF, ENOMEM, EMSGSIZE }, true },
	{ "mq_receive", { EBADF, EMSGSIZE }, true },
	{ "mq_notify", { EBUSY, ENOMEM, EBADF }, true },
};

static const struct refusal *refusal_of(const char *call)
{
	for (unsigned i = 0; i < sizeof refusals / sizeof *refusals; i++)
		if (strcmp(refusals[i].call, call) == 0)
			return &refusals[i];
	return NULL;
}

pid_t fault_fork(void)
{
	fflush(NULL);
	pid_t pid = fork();

	MUST(pid >= 0);
	if (pid == 0)
		script.armed = false;
	return pid;
}

static unsigned shown;

/* 0 when the child found nothing */
static int in_child(const struct scenario *s, const char *directory, enum mode mode,
		    unsigned target, int code)
{
	int status;

	fflush(NULL);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		alarm(CHILD_SECONDS);
		if (mode != COUNT && shown < FINDINGS_SHOWN)
			printf("  %s: call %u of %u, %s, refused with %s %s\n", s->name, target + 1,
			       counted->count, counted->names[target], strerrorname_np(code),
			       mode == ONCE ? "once" : "for good");
		else if (mode != COUNT)
			(void)!freopen("/dev/null", "w", stdout);
		if (mode == COUNT)
			run_counting(s, directory);
		else
			run_refusing(s, directory, mode, target, code);
		if (finding_count)
			fflush(NULL);
		_exit(finding_count ? 1 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status))
		printf("  %s: call %u, %s, refused with %s %s: ended by signal %d\n", s->name,
		       target + 1, counted->names[target], strerrorname_np(code),
		       mode == ONCE ? "once" : "for good", WTERMSIG(status));
	remove_all_names(directory);
	shown += status != 0;
	return status;
}

static unsigned refuse_each_call(const struct scenario *s, const char *directory)
{
	unsigned runs = 0, bad = 0;

	shown = 0;
	if (in_child(s, directory, COUNT, 0, 0) != 0) {
		print_error("%s fails without any refusal\n", s->name);
		return 1;
	}
	for (unsigned i = 0; i < counted->count; i++) {
		const struct refusal *refusal = refusal_of(counted->names[i]);
		if (!refusal) {
			print_error("no errno is listed for the call %s\n", counted->names[i]);
			return 1;
		}
		if (s->spares && strcmp(s->spares, counted->names[i]) == 0)
			continue;
		for (const int *code = refusal->codes; *code; code++)
			for (int mode = ONCE; mode <= (refusal->for_good ? FOR_GOOD : ONCE); mode++) {
				runs++;
				bad += in_child(s, directory, (enum mode)mode, i, *code) != 0;
			}
	}
	print_message("%s: %u calls, %u refusals, %u with findings\n", s->name, counted->count, runs,
		      bad);
	return bad;
}

static void survives_refusals(void **state)
{
	const struct scenario *s = *state;
	char directory[] = "/dev/shm/dure-fault-XXXXXX";

	assert_non_null(mkdtemp(directory));
	unsigned bad = refuse_each_call(s, directory);
	rmdir(directory);
	assert_int_equal(bad, 0);
}

/* The names of all calls that are refused: for check-refused, which knows what calls there are. */
static int list_calls(void)
{
	for (unsigned i = 0; i < scenario_count; i++) {
		char directory[] = "/dev/shm/dure-fault-XXXXXX";
		if (!mkdtemp(directory) || in_child(&scenarios[i], directory, COUNT, 0, 0) != 0)
			return 1;
		rmdir(directory);
		for (unsigned k = 0; k < counted->count; k++)
			if (!scenarios[i].spares || strcmp(scenarios[i].spares, counted->names[k]) != 0)
				puts(counted->names[k]);
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct CMUnitTest *tests = calloc(scenario_count, sizeof *tests);
	unsigned count = 0;

	if (!tests)
		return 1;
	counted = mmap(NULL, sizeof *counted, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		       -1, 0);
	if (counted == MAP_FAILED)
		return 1;
	if (argc == 2 && strcmp(argv[1], "--calls") == 0)
		return list_calls();
	for (unsigned i = 0; i < scenario_count; i++) {
		const struct scenario *s = &scenarios[i];
		if (argc < 2 || strstr(s->name, argv[1]))
			tests[count++] = (struct CMUnitTest){
				.name = s->name, .test_func = survives_refusals,
				.initial_state = (void *)(uintptr_t)s,
			};
	}
	/* a variable number of tests: what the macro cmocka_run_group_tests stands for */
	return _cmocka_run_group_tests("faults", tests, count, NULL, NULL);
}
