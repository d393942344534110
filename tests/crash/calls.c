/* SPDX-License-Identifier: MIT */
/*
 * calls.c - whole lives of segments, killed at every system call
 *
 *	calls [--setting NAME] [--json FILE] [CASE...]
 *
 * Why      matrix.c looks at a segment's bytes after every instruction. Making, removing and
 *          copying segments changes other things: names, files, System V identifiers, locks.
 *          Only the kernel changes these, on a system call.
 * Method   A victim is run to its k-th stop, before or after a system call, and killed there,
 *          really; for every k until it has done its work. Each time a survivor looks: the work
 *          is done entirely or not at all, and the next user can go on. Then everything is
 *          removed, and nothing may be left: no file, no name, no identifier.
 *
 * Exit status: 0 no failure, 1 failures, 99 the test itself broke.
 */
#include <dirent.h>
#include <dure.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "calls.h"

enum { FAILURES_SHOWN = 5, STOPS_MAX = 5000, SURVIVOR_SECONDS = 20 };

struct tally {
	unsigned long stops, failures;
};

void die(const char *what)
{
	perror(what);
	exit(99);
}

void must(int result, const char *what)
{
	if (result >= 0)
		return;
	fprintf(stderr, "%s: %d: %s\n", what, result, dure_last_error());
	exit(99);
}

/* -- what segments contain here: one number ---------------------------------------------- */

static uint64_t *number_of(dure_segment *seg)
{
	void *number;

	must(dure_object_find_or_create(seg, "number", DURE_TYPE(uint64_t), 1, NULL, NULL, &number),
	     "the number");
	return number;
}

static dure_segment *opened(struct place *p, uint32_t flags)
{
	dure_segment *seg;

	must(dure_segment_open(p->name, flags, &p->options, &seg), "open");
	return seg;
}

static void make_with(struct place *p, uint64_t value)
{
	dure_segment *seg = opened(p, DURE_CREATE);

	*number_of(seg) = value;
	must(dure_segment_close(seg), "close");
}

void prepare_nothing(struct place *p)
{
	(void)p;
}

static void prepare_one(struct place *p)
{
	make_with(p, 1);
}

static void show(const struct dure_finding *finding, void *context)
{
	(void)context;
	fprintf(stderr, "[%s] +%#llx %s\n", finding->rule, (unsigned long long)finding->offset,
		finding->text);
}

static bool is_sound(dure_segment *seg)
{
	must(dure_segment_recover(seg), "recover");
	must(dure_thread_detach(seg), "detach");
	if (dure_segment_check(seg, NULL, NULL, NULL) == 0)
		return true;
	dure_segment_check(seg, NULL, show, NULL);
	return false;
}

/* Opens what stands under name, demands that it is sound and holds a number. */
static bool holds(const char *name, const struct dure_segment_options *options, uint64_t value)
{
	dure_segment *seg;

	must(dure_segment_open(name, DURE_OPEN, options, &seg), "survivor: open");
	bool ok = is_sound(seg) && *number_of(seg) == value;
	must(dure_segment_close(seg), "survivor: close");
	return ok;
}

/* -- making ------------------------------------------------------------------------------ */

static void run_create(struct place *p)
{
	p->seg = opened(p, DURE_CREATE);
}

static void run_create_or_open(struct place *p)
{
	p->seg = opened(p, DURE_CREATE | DURE_OPEN);
}

static enum verdict judge_created(struct place *p)
{
	int exists = dure_segment_exists(p->name, &p->options);

	must(exists, "exists");
	dure_segment *seg;
	int r = dure_segment_open(p->name, DURE_CREATE | DURE_OPEN, &p->options, &seg);
	must(r, "survivor: open or create");
	if (!is_sound(seg) || (r == DURE_CREATED) != !exists)
		return WRONG;
	must(dure_segment_close(seg), "survivor: close");
	return exists ? AFTER : BEFORE;
}

/* A process' lifetime: with its creator dead, nothing is left to be seen. */
static enum verdict judge_process_lifetime(struct place *p)
{
	dure_segment *seg;

	if (dure_segment_exists(p->name, &p->options) != 0)
		return WRONG;
	if (dure_segment_open(p->name, DURE_CREATE, &p->options, &seg) != DURE_CREATED)
		return WRONG;
	bool ok = is_sound(seg);
	must(dure_segment_close(seg), "survivor: close");
	return ok ? EITHER : WRONG;
}

static int remove_own(const struct dure_segment_entry *entry, void *context)
{
	struct place *p = context;

	if (entry->sysv_id != p->options.id)
		return 0;
	dure_segment_remove(NULL, 0, &p->options);
	unlink(entry->path);		/* of process lifetime: its memory is gone by now */
	return 1;
}

/*
 * Nobody knows the identifier but the dead creator. A segment that was complete stays, for the
 * administrator to find; of a half-made one nothing stays once the next has been made.
 */
static enum verdict judge_private(struct place *p)
{
	dure_segment *seg = opened(p, DURE_CREATE);
	struct dure_segment_info info = { .sz = sizeof info };
	bool ok = is_sound(seg);

	must(dure_segment_info(seg, &info), "info");
	must(dure_segment_close(seg), "survivor: close");
	p->options.id = info.sysv_id;
	dure_segment_list(p->directory, remove_own, p);
	return ok ? EITHER : WRONG;
}

static int remove_listed(const struct dure_segment_entry *entry, void *context)
{
	struct place *p = context;

	if (entry->sysv_id >= 0 && !entry->name[0]) {
		p->options.id = entry->sysv_id;
		dure_segment_remove(NULL, DURE_REMOVE_FORCE, &p->options);
	}
	return 0;
}

/* -- joining and leaving ----------------------------------------------------------------- */

static void enter_open(struct place *p)
{
	p->seg = opened(p, DURE_OPEN);
}

static void run_open(struct place *p)
{
	p->seg = opened(p, DURE_OPEN);
}

static void run_close(struct place *p)
{
	must(dure_segment_close(p->seg), "close");
}

static void run_reattach(struct place *p)
{
	must(dure_segment_reattach(p->seg), "reattach");
}

static enum verdict judge_unchanged(struct place *p)
{
	return holds(p->name, &p->options, 1) ? EITHER : WRONG;
}

/* -- removing ---------------------------------------------------------------------------- */

static void run_remove(struct place *p)
{
	must(dure_segment_remove(p->name, 0, &p->options), "remove");
}

static enum verdict judge_removed(struct place *p)
{
	int exists = dure_segment_exists(p->name, &p->options);

	must(exists, "exists");
	if (exists)
		return holds(p->name, &p->options, 1) ? BEFORE : WRONG;
	return judge_created(p) == BEFORE ? AFTER : WRONG;
}

/* -- files to be locked ------------------------------------------------------------------ */

/* killed with the lock held, too */
static void run_make_lock_file(struct place *p)
{
	struct dure_file_options options = { .sz = sizeof options, .mode = 0640 };
	dure_file *file;

	umask(077);
	must(dure_file_open(p->file, DURE_CREATE, &options, &file), "make a file to lock");
	must(dure_file_lock(file, 0, 0, DURE_EXCLUSIVE, 0), "lock it");
	must(dure_file_close(file), "close it");
}

static enum verdict judge_lock_file(struct place *p)
{
	struct stat st;
	dure_file *file;
	bool exists = stat(p->file, &st) == 0;
	int r = dure_file_open(p->file, DURE_CREATE | DURE_OPEN, NULL, &file);

	must(r, "survivor: open or make the file");
	if ((r == DURE_CREATED) != !exists || (exists && (st.st_mode & 07777) != 0640))
		return WRONG;
	must(dure_file_lock(file, 0, 0, DURE_EXCLUSIVE, 0), "survivor: lock it");
	must(dure_file_close(file), "survivor: close it");
	unlink(p->file);
	return exists ? AFTER : BEFORE;
}

/* -- copies ------------------------------------------------------------------------------ */

static struct dure_segment_options file_options(void)
{
	return (struct dure_segment_options){ .sz = sizeof(struct dure_segment_options),
					      .size_bytes = 1 << 20,
					      .backing = DURE_BACKING_FILE };
}

static void run_clone(struct place *p)
{
	must(dure_segment_clone(p->seg, p->copy, DURE_S(5)), "clone");
}

static enum verdict judge_cloned(struct place *p)
{
	struct dure_segment_options o = file_options();
	int exists = dure_segment_exists(p->copy, &o);

	if (!holds(p->name, &p->options, 1))
		return WRONG;
	if (exists)
		return holds(p->copy, &o, 1) ? AFTER : WRONG;
	p->seg = opened(p, DURE_OPEN);
	run_clone(p);
	must(dure_segment_close(p->seg), "survivor: close");
	return holds(p->copy, &o, 1) ? BEFORE : WRONG;
}

/* What a machine does that stops and starts again: another boot id than the file's. */
static void pretend_reboot(const char *path)
{
	/* dl_state.boot_low and boot_high; then is_clean must not be believed either */
	uint64_t boot[2] = { 1, 2 };
	int fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd < 0 || pwrite(fd, boot, sizeof boot, 512 + 4 * 64 + 8) != sizeof boot)
		die(path);
	close(fd);
}

/* number 1 in the checkpoint, 2 in the segment, whose last user was killed */
static void prepare_checkpointed(struct place *p)
{
	make_with(p, 1);
	dure_segment *seg = opened(p, DURE_OPEN);
	must(dure_segment_checkpoint(seg, DURE_S(5)), "checkpoint");
	*number_of(seg) = 2;
	kill(getpid(), SIGKILL);
}

static void run_checkpoint(struct place *p)
{
	must(dure_segment_checkpoint(p->seg, DURE_S(5)), "checkpoint");
}

static bool is_restored_to(struct place *p, uint64_t *ret_value)
{
	dure_segment *seg;

	if (dure_segment_open(p->name, DURE_OPEN, &p->options, &seg) != DURE_RESTORED ||
	    !is_sound(seg))
		return false;
	*ret_value = *number_of(seg);
	must(dure_segment_close(seg), "survivor: close");
	return true;
}

/* The victim was killed with the segment open: so it is unclean, and a reboot makes it void. */
static enum verdict judge_checkpoint(struct place *p)
{
	uint64_t value = 0;

	pretend_reboot(p->file);
	if (!is_restored_to(p, &value))
		return WRONG;
	return value == 1 ? BEFORE : value == 2 ? AFTER : WRONG;
}

static void prepare_rebooted(struct place *p)
{
	pid_t pid = fork();

	if (pid == 0)
		prepare_checkpointed(p);
	waitpid(pid, NULL, 0);
	pretend_reboot(p->file);
}

static void run_restore(struct place *p)
{
	int r = dure_segment_open(p->name, DURE_OPEN, &p->options, &p->seg);

	must(r, "restore");
	if (r != DURE_RESTORED)
		exit(99);
}

static enum verdict judge_restored(struct place *p)
{
	return holds(p->name, &p->options, 1) ? EITHER : WRONG;
}

/* -- named locks ------------------------------------------------------------------------- */

enum { UNITS = 3 };

static struct dure_named_options named_options(const struct place *p)
{
	return (struct dure_named_options){ .sz = sizeof(struct dure_named_options),
					    .lifetime = p->options.lifetime,
					    .value = UNITS,
					    .directory = p->options.directory };
}

static int open_named(struct place *p, uint32_t flags, dure_segment **ret, dure_semaphore **ret_lock)
{
	struct dure_named_options o = named_options(p);
	void *lock = NULL;
	int r = dure_named_open(DURE_NAMED_SEMAPHORE, p->name, flags, &o, ret, &lock);

	*ret_lock = lock;
	return r;
}

static void run_named_create(struct place *p)
{
	dure_semaphore *lock;

	must(open_named(p, DURE_CREATE | DURE_OPEN, &p->seg, &lock), "named_open");
}

static void prepare_named(struct place *p)
{
	run_named_create(p);
	must(dure_segment_close(p->seg), "close");
}

static void run_named_unlink(struct place *p)
{
	struct dure_named_options o = named_options(p);

	must(dure_named_unlink(p->name, 0, &o), "named_unlink");
}

/* It is not there, or has all its units. Then it is made, if need be, and unlinked. */
static enum verdict judge_named(struct place *p)
{
	bool lives_on = p->options.lifetime != DURE_LIFETIME_PROCESS, ok;
	struct dure_named_options o = named_options(p);
	dure_semaphore *lock;
	dure_segment *seg;
	int first = open_named(p, DURE_OPEN, &seg, &lock);

	if (first == 0)
		must(dure_segment_close(seg), "survivor: close");
	else if (first != -ENOENT)
		return WRONG;
	must(open_named(p, DURE_CREATE | DURE_OPEN, &seg, &lock), "survivor: named_open");
	ok = dure_semaphore_take(seg, lock, UNITS, 0, 0) == 0 &&
	     dure_semaphore_take(seg, lock, 1, 0, 0) == -EAGAIN &&
	     dure_semaphore_post(seg, lock, UNITS) == 0 && is_sound(seg);
	must(dure_segment_close(seg), "survivor: close");
	int r = dure_named_unlink(p->name, 0, &o);	/* -ENOENT: a name whose memory is gone */
	if (r < 0 && (lives_on || r != -ENOENT))
		return WRONG;
	if (!ok || (first == 0 && !lives_on))
		return WRONG;
	return !lives_on ? EITHER : first == 0 ? AFTER : BEFORE;
}

static enum verdict judge_named_unlinked(struct place *p)
{
	enum verdict verdict = judge_named(p);

	return verdict == BEFORE ? AFTER : verdict == AFTER ? BEFORE : verdict;
}

/* -- the table --------------------------------------------------------------------------- */

#define OPEN "dure_segment_open"
#define NAMED "dure_named_open"

static const struct victim_case cases[] = {
	{ "create_posix", OPEN, DURE_BACKING_POSIX, 0, prepare_nothing, NULL, run_create,
	  judge_created },
	{ "create_file", OPEN, DURE_BACKING_FILE, 0, prepare_nothing, NULL, run_create,
	  judge_created },
	{ "create_sysv", OPEN, DURE_BACKING_SYSV, 0, prepare_nothing, NULL, run_create,
	  judge_created },
	{ "create_private", OPEN, DURE_BACKING_SYSV, DURE_LIFETIME_PROCESS, prepare_nothing, NULL,
	  run_create, judge_private },
	{ "create_private_kernel", OPEN, DURE_BACKING_SYSV, DURE_LIFETIME_KERNEL, prepare_nothing,
	  NULL, run_create, judge_private },
	{ "create_process", OPEN, DURE_BACKING_DEFAULT, DURE_LIFETIME_PROCESS, prepare_nothing, NULL,
	  run_create, judge_process_lifetime },
	{ "create_or_open", OPEN, DURE_BACKING_POSIX, 0, prepare_nothing, NULL, run_create_or_open,
	  judge_created },
	{ "open_posix", OPEN, DURE_BACKING_POSIX, 0, prepare_one, NULL, run_open, judge_unchanged },
	{ "open_file", OPEN, DURE_BACKING_FILE, 0, prepare_one, NULL, run_open, judge_unchanged },
	{ "open_sysv", OPEN, DURE_BACKING_SYSV, 0, prepare_one, NULL, run_open, judge_unchanged },
	{ "close_posix", "dure_segment_close", DURE_BACKING_POSIX, 0, prepare_one, enter_open,
	  run_close, judge_unchanged },
	{ "close_file", "dure_segment_close", DURE_BACKING_FILE, 0, prepare_one, enter_open,
	  run_close, judge_unchanged },
	{ "close_sysv", "dure_segment_close", DURE_BACKING_SYSV, 0, prepare_one, enter_open,
	  run_close, judge_unchanged },
	{ "reattach", "dure_segment_reattach", DURE_BACKING_POSIX, 0, prepare_one, NULL, run_reattach,
	  judge_unchanged },
	{ "remove_posix", "dure_segment_remove", DURE_BACKING_POSIX, 0, prepare_one, NULL, run_remove,
	  judge_removed },
	{ "remove_file", "dure_segment_remove", DURE_BACKING_FILE, 0, prepare_one, NULL, run_remove,
	  judge_removed },
	{ "remove_sysv", "dure_segment_remove", DURE_BACKING_SYSV, 0, prepare_one, NULL, run_remove,
	  judge_removed },
	{ "clone", "dure_segment_clone", DURE_BACKING_POSIX, 0, prepare_one, enter_open, run_clone,
	  judge_cloned },
	{ "checkpoint", "dure_segment_checkpoint", DURE_BACKING_FILE, 0, prepare_checkpointed,
	  enter_open, run_checkpoint, judge_checkpoint },
	{ "named_posix", NAMED, DURE_BACKING_DEFAULT, DURE_LIFETIME_KERNEL, prepare_nothing, NULL,
	  run_named_create, judge_named },
	{ "named_file", NAMED, DURE_BACKING_FILE, DURE_LIFETIME_FILESYSTEM, prepare_nothing, NULL,
	  run_named_create, judge_named },
	{ "named_process", NAMED, DURE_BACKING_DEFAULT, DURE_LIFETIME_PROCESS, prepare_nothing, NULL,
	  run_named_create, judge_named },
	{ "named_unlink", "dure_named_unlink", DURE_BACKING_DEFAULT, DURE_LIFETIME_KERNEL,
	  prepare_named, NULL, run_named_unlink, judge_named_unlinked },
	{ "named_unlink_file", "dure_named_unlink", DURE_BACKING_FILE, DURE_LIFETIME_FILESYSTEM,
	  prepare_named, NULL, run_named_unlink, judge_named_unlinked },
	{ "restore", OPEN, DURE_BACKING_FILE, 0, prepare_rebooted, NULL, run_restore,
	  judge_restored },
	{ "make_lock_file", "dure_file_open", DURE_BACKING_FILE, 0, prepare_nothing, NULL,
	  run_make_lock_file, judge_lock_file },
};

/* -- the place --------------------------------------------------------------------------- */

static int system_v_segments(void)
{
	FILE *f = fopen("/proc/sysvipc/shm", "re");
	char line[512];
	int n = 0;

	if (!f)
		die("/proc/sysvipc/shm");
	while (fgets(line, sizeof line, f))
		n++;
	fclose(f);
	return n;
}

static void lay_out(struct place *p, const struct victim_case *c)
{
	p->options = (struct dure_segment_options){ .sz = sizeof p->options,
						    .size_bytes = 1 << 20,
						    .max_bytes = 1 << 20,
						    .processes_max = 4,
						    .threads_max = 4,
						    .backing = c->backing,
						    .lifetime = c->lifetime };
	p->seg = NULL;
	p->name = "calls";
	if (c->backing == DURE_BACKING_FILE)
		p->name = p->file;
	if (c->backing == DURE_BACKING_SYSV) {
		p->name = NULL;
		if (c->judge != judge_private)
			p->options.key = 0x64757265 ^ (int32_t)getpid();
	}
	if (c->backing != DURE_BACKING_FILE)
		p->options.directory = p->directory;
}

/* Takes away what is left, as the tool would; says what dure_segment_remove has left. */
static bool clear(struct place *p)
{
	struct dure_segment_options copy = file_options();
	bool is_empty = true;

	if (p->name || p->options.key)
		dure_segment_remove(p->name, DURE_REMOVE_FORCE, &p->options);
	else
		dure_segment_list(p->directory, remove_listed, p);
	dure_segment_remove(p->copy, DURE_REMOVE_FORCE, &copy);
	DIR *dir = opendir(p->directory);
	if (!dir)
		die(p->directory);
	for (struct dirent *e; (e = readdir(dir));) {
		if (e->d_name[0] == '.' && (!e->d_name[1] || e->d_name[1] == '.'))
			continue;
		printf("left: %s\n", e->d_name);
		unlinkat(dirfd(dir), e->d_name, 0);
		is_empty = false;
	}
	closedir(dir);
	return is_empty;
}

/* -- victims and survivors --------------------------------------------------------------- */

/* Runs in a child: what it returns is the child's exit status. */
static int in_child(int (*function)(struct place *p, const struct victim_case *c), struct place *p,
		    const struct victim_case *c)
{
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (pid == 0) {
		alarm(SURVIVOR_SECONDS);
		int status = function(p, c);
		fflush(stderr);
		_exit(status);
	}
	int status;
	if (waitpid(pid, &status, 0) < 0)
		die("waitpid");
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static int prepare(struct place *p, const struct victim_case *c)
{
	c->prepare(p);
	return 0;
}

static int judge(struct place *p, const struct victim_case *c)
{
	return (int)c->judge(p);
}

static pid_t start_victim(struct place *p, const struct victim_case *c)
{
	if (c->run == run_reattach)
		enter_open(p);		/* the victim inherits it */
	pid_t pid = fork();
	if (pid < 0)
		die("fork");
	if (pid == 0) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
			die("ptrace");
		if (c->enter)
			c->enter(p);
		raise(SIGSTOP);
		c->run(p);
		raise(SIGSTOP);
		_exit(0);
	}
	return pid;
}

static bool is_marker(int status)
{
	return WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP;
}

/* Lets the victim run to its stop with that number; false: it was done before. */
static bool run_to_stop(pid_t pid, unsigned long number)
{
	int status;

	if (waitpid(pid, &status, 0) < 0 || !is_marker(status))
		die("the victim did not begin");
	for (unsigned long i = 0; i < number; i++) {
		if (ptrace(PTRACE_SYSCALL, pid, NULL, NULL) < 0 || waitpid(pid, &status, 0) < 0)
			die("ptrace");
		if (!WIFSTOPPED(status)) {
			fprintf(stderr, "the victim ended by itself\n");
			exit(99);
		}
		if (is_marker(status))
			return false;
	}
	return true;
}

static void end_victim(struct place *p, pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	if (p->seg)
		dure_segment_close(p->seg);
	p->seg = NULL;
}

static void fail(struct tally *tally, const struct victim_case *c, const char *what)
{
	tally->failures++;
	if (tally->failures <= FAILURES_SHOWN)
		printf("FAILED %s, stop %lu: %s\n", c->name, tally->stops, what);
}

static bool is_prepared(struct place *p, const struct victim_case *c)
{
	int status = in_child(prepare, p, c);

	return status == 0 || status == -SIGKILL;
}

/* One kill; false when the victim had done its work before that stop. */
static bool kill_at(struct place *p, const struct victim_case *c, struct tally *tally, bool *was_after)
{
	int identifiers = system_v_segments();

	lay_out(p, c);
	if (!is_prepared(p, c))
		fail(tally, c, "the preparation failed");
	pid_t pid = start_victim(p, c);
	bool is_inside = run_to_stop(pid, tally->stops);
	end_victim(p, pid);
	int verdict = in_child(judge, p, c);
	if (verdict < 0 || verdict > EITHER || verdict == WRONG)
		fail(tally, c, "the survivor cannot go on, or finds half of it");
	else if (*was_after && verdict == BEFORE)
		fail(tally, c, "what had happened has not happened any more");
	else if (!is_inside && verdict == BEFORE)
		fail(tally, c, "the call has returned, and nothing has happened");
	*was_after |= verdict == AFTER;
	if (!clear(p))
		fail(tally, c, "files are left");
	if (system_v_segments() != identifiers)
		fail(tally, c, "System V segments are left");
	return is_inside;
}

static struct tally run_case(struct place *p, const struct victim_case *c)
{
	struct tally tally = { 0 };
	bool was_after = false;

	while (tally.stops < STOPS_MAX && kill_at(p, c, &tally, &was_after))
		tally.stops++;
	return tally;
}

/* -- the program ------------------------------------------------------------------------- */

static bool is_chosen(const char *name, char **names)
{
	if (!*names)
		return true;
	for (; *names; names++)
		if (strcmp(name, *names) == 0)
			return true;
	return false;
}

static const struct victim_case *case_number(size_t i)
{
	size_t own = sizeof cases / sizeof *cases;

	return i < own			      ? &cases[i]
	       : i < own + native_case_count ? &native_cases[i - own]
					     : NULL;
}

static unsigned long run_all(struct place *p, const char *setting, char **names, FILE *json)
{
	const struct victim_case *c;
	struct tally sum = { 0 };
	const char *separator = "";

	for (size_t i = 0; (c = case_number(i)); i++) {
		if (!is_chosen(c->name, names))
			continue;
		struct tally t = run_case(p, c);
		printf("%-24s %5lu stops %3lu failures\n", c->name, t.stops, t.failures);
		fflush(stdout);
		if (json)
			fprintf(json, "%s    {\"operation\": \"%s\", \"functions\": \"%s\", "
				"\"kill_points\": %lu, \"failures\": %lu}", separator, c->name,
				c->functions, t.stops + 1, t.failures);
		separator = ",\n";
		sum.stops += t.stops + 1;
		sum.failures += t.failures;
	}
	printf("%s: killed at %lu system calls, %lu failures\n", setting, sum.stops, sum.failures);
	return sum.failures;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "setting", required_argument, NULL, 's' },
		{ "json", required_argument, NULL, 'j' },
		{ 0 },
	};
	struct place p = { .directory = "/dev/shm/dure-calls-XXXXXX" };
	const char *setting = "default";
	FILE *json = NULL;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1)
		switch (c) {
		case 's':
			setting = optarg;
			break;
		case 'j':
			json = fopen(optarg, "we");
			if (!json)
				die(optarg);
			break;
		default:
			return 99;
		}
	if (!mkdtemp(p.directory))
		die(p.directory);
	snprintf(p.file, sizeof p.file, "%s/file", p.directory);
	snprintf(p.copy, sizeof p.copy, "%s/copy", p.directory);
	if (json)
		fprintf(json, "{\n  \"setting\": \"%s\",\n  \"lives\": [\n", setting);
	unsigned long failures = run_all(&p, setting, argv + optind, json);
	if (json) {
		fprintf(json, "\n  ]\n}\n");
		fclose(json);
	}
	rmdir(p.directory);
	return failures ? 1 : 0;
}
