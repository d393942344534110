/* SPDX-License-Identifier: MIT */
/*
 * fault_scenarios.c - the calls whose system calls are refused
 *
 * Why      fault.c knows how to refuse; this file knows what is worth refusing: every public
 *          call that asks the kernel for something, on every backing it works on.
 * Rules    [SCN1] act has one outcome without refusals, 0 or more
 *          [SCN2] prepare and finish undo each other, whatever act did
 * Spared   fstat, in two scenarios that read an index: the library asks it how much of the file
 *          is backed, and takes no answer for "none", so the index looks damaged (-EUCLEAN).
 *          fstat of an open file in memory does not fail.
 */
#include "fault.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct root {
	dure_mutex lock;
	uint64_t value;
	dure_ref block;
};

/*
 * As the headers say: "Returns". KERNEL: what the kernel can refuse to any call that opens or
 * reserves something; ATTACH: to a thread's first call in a segment.
 */
#define KERNEL EIO, ENOMEM, EMFILE, EOPNOTSUPP
#define ATTACH EUSERS, ENOMEM, ENOSPC, EOPNOTSUPP, EIO, EROFS, ESTALE
#define OPEN_CODES ENOENT, EEXIST, EACCES, EINVAL, ENOSPC, EPROTO, EUCLEAN, ENOTRECOVERABLE,        \
		   EUSERS, EBUSY, EFBIG, E2BIG, KERNEL
#define IMAGE_CODES EDEADLK, ETIMEDOUT, ENOSPC, EACCES, EROFS, ESTALE, EUSERS, KERNEL

static const int open_codes[] = { OPEN_CODES, 0 };
static const int exists_codes[] = { EINVAL, EACCES, KERNEL, 0 };
static const int remove_codes[] = { ENOENT, EACCES, EBUSY, EPROTO, EINVAL, ENOSPC, KERNEL, 0 };
static const int unlink_codes[] = { OPEN_CODES, 0 };
static const int list_codes[] = { ENOENT, EACCES, 0 };	/* what cannot be read is left out */
static const int close_codes[] = { EBUSY, 0 };
static const int grow_codes[] = { EFBIG, ENOSPC, EROFS, ESTALE, EOPNOTSUPP, EIO, 0 };
static const int lock_memory_codes[] = { ENOMEM, EPERM, 0 };
static const int advise_codes[] = { EINVAL, EOPNOTSUPP, 0 };
static const int checkpoint_codes[] = { IMAGE_CODES, 0 };
static const int clone_codes[] = { EEXIST, IMAGE_CODES, 0 };
static const int watch_codes[] = { EMFILE, ENOMEM, EOPNOTSUPP, EIO, EROFS, ESTALE, 0 };
static const int watch_next_codes[] = { ESTALE, 0 };
static const int attach_codes[] = { ATTACH, 0 };
static const int mutex_codes[] = { EAGAIN, ETIMEDOUT, EDEADLK, ENOTRECOVERABLE, ENOLCK, EINVAL,
				   ATTACH, 0 };
static const int construct_codes[] = { EEXIST, EINVAL, EDEADLK, ATTACH, 0 };
static const int map_open_codes[] = { ENOENT, EEXIST, EINVAL, EUCLEAN, ATTACH, 0 };
static const int info_codes[] = { EINVAL, 0 };

/* -- opening -------------------------------------------------------------------------- */

static int open_with(struct world *w, uint32_t flags)
{
	dure_segment *seg = UNTOUCHED;
	int r = dure_segment_open(w->name, flags, &w->options, &seg);

	w->out = seg;
	return r;
}

static int create(struct world *w)
{
	return open_with(w, DURE_CREATE);
}

static int open_existing(struct world *w)
{
	return open_with(w, DURE_OPEN);
}

static int open_or_create(struct world *w)
{
	return open_with(w, DURE_OPEN | DURE_CREATE);
}

static int open_to_read(struct world *w)
{
	return open_with(w, DURE_OPEN | DURE_READ_ONLY);
}

static int open_a_view(struct world *w)
{
	return open_with(w, DURE_OPEN | DURE_COPY_ON_WRITE);
}

static void close_out(struct world *w)
{
	MUST(dure_segment_close(w->out) >= 0);
	w->out = UNTOUCHED;
}

static struct root *root_of(dure_segment *seg)
{
	struct root *root;

	MUST(dure_object_find_or_create(seg, "root", DURE_TYPE(struct root), 1, NULL, NULL,
					(void **)&root) >= 0);
	return root;
}

static void show_finding(const struct dure_finding *finding, void *context)
{
	(void)context;
	printf("    [%s] +0x%llx %s\n", finding->rule, (unsigned long long)finding->offset,
	       finding->text);
}

static void is_clean(dure_segment *seg)
{
	MUST(dure_segment_check(seg, NULL, show_finding, NULL) == 0);
}

/* the segment works: something is made in it, and all of it holds together */
static void works(dure_segment *seg)
{
	struct root *root = root_of(seg);

	MUST(dure_mutex_lock(seg, &root->lock, 0) >= 0);
	MUST(dure_block_alloc(seg, 3000, 0, &root->block) >= 0);
	MUST(dure_block_free_from(seg, &root->block) >= 0);
	MUST(dure_mutex_unlock(seg, &root->lock) >= 0);
	is_clean(seg);
}

static void out_works(struct world *w)
{
	works(w->out);
}

static void out_is_clean(struct world *w)
{
	is_clean(w->out);
}

static void seg_works(struct world *w)
{
	works(w->seg);
}

/* An open segment; its System V id and descriptor are what a second open asks for. */
static void prepare_open(struct world *w)
{
	struct dure_segment_info info = { .sz = sizeof info };

	MUST(create(w) == DURE_CREATED);
	w->seg = w->out;
	w->out = UNTOUCHED;
	root_of(w->seg)->value = 7;
	MUST(dure_segment_info(w->seg, &info) >= 0);
	if (w->options.key == 0 && info.sysv_id >= 0)
		w->options.id = info.sysv_id;
	if (w->options.backing == DURE_BACKING_MEMORY_FILE)
		w->options.fd = dure_segment_fd(w->seg);
}

static void prepare_closed(struct world *w)
{
	prepare_open(w);
	MUST(dure_segment_close(w->seg) >= 0);
	w->seg = NULL;
}

/*
 * Where objects lie depends on a random seed. That all there is now is backed is asked before,
 * so that the calls of an act are the same each time.
 */
static void prepare_detached(struct world *w)
{
	void *block;

	prepare_open(w);
	MUST(dure_block_reserve(w->seg, 100000, 0, &block) >= 0);
	MUST(dure_ref_get(w->seg, dure_ref_of(w->seg, block), 100000) != NULL);
	MUST(dure_block_cancel(w->seg, block) >= 0);
	MUST(dure_thread_detach(w->seg) >= 0);
}

static int create_reserved(struct world *w)
{
	w->options.flags = DURE_SEGMENT_RESERVE;
	return create(w);
}

/* -- the catalog ---------------------------------------------------------------------- */

static int exists(struct world *w)
{
	return dure_segment_exists(w->name, &w->options);
}

static int take_name_away(struct world *w)
{
	return dure_segment_remove(w->name, 0, &w->options);
}

static void name_is_gone(struct world *w)
{
	MUST(dure_segment_exists(w->name, &w->options) == 0);
}

static int count_entry(const struct dure_segment_entry *entry, void *context)
{
	(void)entry;
	(*(int *)context)++;
	return 0;
}

static int list(struct world *w)
{
	int count = 0, r = dure_segment_list(w->directory, count_entry, &count);

	return r < 0 ? r : count;
}

static int info(struct world *w)
{
	struct dure_segment_info i = { .sz = sizeof i };
	int r = dure_segment_info(w->seg, &i);

	return r < 0 ? r : (int)i.processes;
}

/* -- named locks ----------------------------------------------------------------------- */

enum { UNITS = 3 };

static struct dure_named_options named_options(const struct world *w)
{
	return (struct dure_named_options){ .sz = sizeof(struct dure_named_options),
					    .lifetime = w->options.lifetime,
					    .value = UNITS,
					    .directory = w->options.directory };
}

static int open_named(struct world *w, uint32_t flags)
{
	struct dure_named_options o = named_options(w);
	dure_segment *seg = UNTOUCHED;
	void *lock = UNTOUCHED;
	int r = dure_named_open(DURE_NAMED_SEMAPHORE, w->name, flags, &o, &seg, &lock);

	MUST((seg == UNTOUCHED) == (r < 0) && (lock == UNTOUCHED) == (r < 0));
	w->out = seg;
	return r;
}

static int create_named(struct world *w)
{
	return open_named(w, DURE_CREATE | DURE_OPEN);
}

static int open_existing_named(struct world *w)
{
	return open_named(w, DURE_OPEN);
}

static void prepare_named(struct world *w)
{
	MUST(create_named(w) == DURE_CREATED);
	close_out(w);
}

static void named_works(struct world *w)
{
	struct dure_type type = DURE_TYPE(dure_semaphore);
	void *lock;

	MUST(dure_object_find(w->out, "lock", type, &lock, NULL) >= 0);
	MUST(dure_semaphore_take(w->out, lock, UNITS, 0, 0) == 0);
	MUST(dure_semaphore_post(w->out, lock, UNITS) == 0);
	is_clean(w->out);
}

static int unlink_named(struct world *w)
{
	struct dure_named_options o = named_options(w);

	return dure_named_unlink(w->name, 0, &o);
}

static void named_is_gone(struct world *w)
{
	MUST(open_existing_named(w) == -ENOENT);
}

/* -- memory --------------------------------------------------------------------------- */

static int close_seg(struct world *w)
{
	int r = dure_segment_close(w->seg);

	if (r >= 0)
		w->seg = NULL;
	return r;
}

static int grow(struct world *w)
{
	return dure_segment_grow(w->seg, 6 << 20);
}

static void prepare_to_trim(struct world *w)
{
	dure_ref ref = { 0 };

	prepare_open(w);
	dure_ref *place = &root_of(w->seg)->block;
	MUST(dure_block_alloc(w->seg, 500000, 0, place) >= 0);
	ref = *place;
	MUST(ref.offset != 0);
	MUST(dure_block_free_from(w->seg, place) >= 0);
	MUST(dure_thread_detach(w->seg) >= 0);
}

static int trim(struct world *w)
{
	return dure_segment_trim(w->seg, NULL);
}

static int prefault(struct world *w)
{
	return dure_segment_prefault(w->seg, 500000);
}

static int lock_memory(struct world *w)
{
	return dure_segment_lock_memory(w->seg, 1);
}

static int advise(struct world *w)
{
	return dure_segment_advise(w->seg, DURE_ADVISE_SEQUENTIAL);
}

/* -- checkpoints ---------------------------------------------------------------------- */

static int checkpoint(struct world *w)
{
	return dure_segment_checkpoint(w->seg, DURE_S(5));
}

static int clone_to_file(struct world *w)
{
	char path[FAULT_PATH_BYTES + 8];

	snprintf(path, sizeof path, "%s/clone", w->directory);
	return dure_segment_clone(w->seg, path, DURE_S(5));
}

static void clone_opens(struct world *w)
{
	struct dure_segment_options o = { .sz = sizeof o, .backing = DURE_BACKING_FILE };
	char path[FAULT_PATH_BYTES + 8];
	dure_segment *clone;

	snprintf(path, sizeof path, "%s/clone", w->directory);
	MUST(dure_segment_open(path, DURE_OPEN, &o, &clone) == 0);
	MUST(root_of(clone)->value == 7);
	MUST(dure_segment_recover(clone) >= 0);		/* the thread that was attached */
	works(clone);
	MUST(dure_segment_close(clone) >= 0);
	works(w->seg);
}

/* a file segment with a checkpoint, in use when the machine stopped */
static void prepare_reboot(struct world *w)
{
	uint64_t boot[2] = { 1, 2 };

	prepare_open(w);
	MUST(checkpoint(w) == 0);
	MUST(dure_segment_close(w->seg) >= 0);
	w->seg = NULL;
	pid_t pid = fault_fork();
	if (pid == 0) {
		MUST(open_existing(w) == 0);
		root_of(w->out)->value = 8;
		kill(getpid(), SIGKILL);
	}
	MUST(waitpid(pid, NULL, 0) == pid);
	int fd = open(w->path, O_RDWR | O_CLOEXEC);
	/* dl_state.boot_low and boot_high: 512 + 4 * 64 + 8 */
	MUST(pwrite(fd, boot, sizeof boot, 512 + 4 * 64 + 8) == sizeof boot);
	close(fd);
}

static void out_is_restored(struct world *w)
{
	MUST(root_of(w->out)->value == 7);
	works(w->out);
}

/* -- fork, watch, threads ------------------------------------------------------------- */

/* The run goes on in a child that has inherited the handle; its parent waits for it. */
static void prepare_inherited(struct world *w)
{
	int status;

	prepare_detached(w);
	pid_t pid = fault_fork();
	if (pid == 0)
		return;
	MUST(waitpid(pid, &status, 0) == pid);
	fflush(NULL);
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

static int reattach(struct world *w)
{
	return dure_segment_reattach(w->seg);
}

static int open_watch(struct world *w)
{
	dure_watch *watch = UNTOUCHED;
	int r = dure_watch_open(w->seg, &watch);

	w->out = watch;
	return r;
}

static void close_watch(struct world *w)
{
	dure_watch_close(w->out);
	w->out = UNTOUCHED;
}

static void descriptor_0_is_open(struct world *w)
{
	(void)w;
	MUST(fcntl(0, F_GETFD) >= 0);
}

static void *attach_and_leave(void *context)
{
	struct world *w = context;
	void *block = UNTOUCHED;

	w->first = dure_block_reserve(w->seg, 100, 0, &block);
	fault_pause();
	if (w->first >= 0)
		MUST(dure_block_cancel(w->seg, block) >= 0);
	else
		snprintf(w->said, sizeof w->said, "%s", dure_last_error());
	MUST(w->first >= 0 || block == UNTOUCHED);
	return NULL;
}

/* a thread's first call, and its end */
static int attach_thread(struct world *w)
{
	pthread_t thread;

	MUST(pthread_create(&thread, NULL, attach_and_leave, w) == 0);
	MUST(pthread_join(thread, NULL) == 0);
	return w->first;
}

/* -- locks and the dead --------------------------------------------------------------- */

/* a living process holds the lock until the gate is closed */
static void prepare_held(struct world *w)
{
	int ready[2], gate[2];
	char c;

	prepare_open(w);
	root_of(w->seg);
	MUST(pipe2(ready, O_CLOEXEC) == 0 && pipe2(gate, O_CLOEXEC) == 0);
	w->helper = fault_fork();
	if (w->helper == 0) {
		close(gate[1]);
		close(ready[0]);
		MUST(open_existing(w) == 0);
		MUST(dure_mutex_lock(w->out, &root_of(w->out)->lock, 0) == 0);
		MUST(write(ready[1], "x", 1) == 1);
		(void)!read(gate[0], &c, 1);
		_exit(0);
	}
	close(gate[0]);
	close(ready[1]);
	MUST(read(ready[0], &c, 1) == 1);
	close(ready[0]);
	w->helper_gate = gate[1];
}

static int wait_in_vain(struct world *w)
{
	int r = dure_mutex_lock(w->seg, &root_of(w->seg)->lock, DURE_MS(10));

	return r == -ETIMEDOUT ? 0 : r >= 0 ? -EDOM : r;
}

static void prepare_dead(struct world *w)
{
	prepare_open(w);
	pid_t pid = fault_fork();
	if (pid == 0) {
		MUST(open_existing(w) == 0);
		MUST(dure_mutex_lock(w->out, &root_of(w->out)->lock, 0) == 0);
		MUST(dure_block_alloc(w->out, 100, 0, &root_of(w->out)->block) == 0);
		kill(getpid(), SIGKILL);
	}
	MUST(waitpid(pid, NULL, 0) == pid);
}

static int lock_of_the_dead(struct world *w)
{
	struct root *root = root_of(w->seg);
	int r = dure_mutex_lock(w->seg, &root->lock, DURE_S(10));

	if (r == DURE_OWNER_DIED)
		MUST(dure_mutex_mark_consistent(w->seg, &root->lock) == 0);
	if (r >= 0)
		MUST(dure_mutex_unlock(w->seg, &root->lock) == 0);
	return r;
}

static int recover(struct world *w)
{
	return dure_segment_recover(w->seg);
}

static void dead_is_recovered(struct world *w)
{
	struct root *root = root_of(w->seg);
	int r = dure_mutex_lock(w->seg, &root->lock, DURE_S(10));

	MUST(r == DURE_OWNER_DIED);
	MUST(dure_mutex_mark_consistent(w->seg, &root->lock) == 0);
	MUST(dure_mutex_unlock(w->seg, &root->lock) == 0);
	works(w->seg);
}

static void prepare_watched_death(struct world *w)
{
	int ready[2], go[2], status;
	char c;

	prepare_open(w);
	MUST(pipe2(ready, O_CLOEXEC) == 0 && pipe2(go, O_CLOEXEC) == 0);
	pid_t pid = fault_fork();
	if (pid == 0) {
		MUST(open_existing(w) == 0 && write(ready[1], "x", 1) == 1);
		(void)!read(go[0], &c, 1);
		kill(getpid(), SIGKILL);
	}
	MUST(read(ready[0], &c, 1) == 1);
	MUST(open_watch(w) == 0);
	MUST(write(go[1], "x", 1) == 1 && waitpid(pid, &status, 0) == pid);
	for (int i = 0; i < 2; i++) {
		close(ready[i]);
		close(go[i]);
	}
	w->buffer = w->out;
	w->out = UNTOUCHED;
}

static int next_death(struct world *w)
{
	struct dure_participant dead = { .sz = sizeof dead };

	return dure_watch_next(w->buffer, &dead);
}

/* nobody's death is lost: who was not told in the first call is told in the next */
static void close_buffered_watch(struct world *w)
{
	MUST(w->first == 1 || next_death(w) == 1);
	dure_watch_close(w->buffer);
	w->buffer = NULL;
	works(w->seg);
}

/* -- the heap and what stands on it --------------------------------------------------- */

static int reserve_much(struct world *w)
{
	void *block = UNTOUCHED;
	int r = dure_block_reserve(w->seg, 300000, 0, &block);

	w->out = block;
	return r;
}

static int reserve_some(struct world *w)
{
	void *block = UNTOUCHED;
	int r = dure_block_reserve(w->seg, 48, 0, &block);

	w->out = block;
	return r;
}

static void cancel_block(struct world *w)
{
	MUST(dure_block_cancel(w->seg, w->out) >= 0);
	w->out = UNTOUCHED;
}

static void block_is_usable(struct world *w)
{
	memset(w->out, 1, 48);
	works(w->seg);
}

static int begin_transaction(struct world *w)
{
	dure_tx *tx = UNTOUCHED;
	int r = dure_tx_begin(w->seg, &tx);

	w->out = tx;
	return r;
}

static void abort_transaction(struct world *w)
{
	MUST(dure_tx_abort(w->out) >= 0);
	w->out = UNTOUCHED;
}

static int construct(struct world *w)
{
	void *object = UNTOUCHED;
	int r = dure_object_construct(w->seg, "o", DURE_TYPE(struct root), 2000, NULL, NULL, &object);

	w->out = object;
	return r;
}

static void destroy_object(struct world *w)
{
	MUST(dure_object_destroy_at(w->seg, w->out, NULL, NULL) >= 0);
	w->out = UNTOUCHED;
	works(w->seg);
}

static int open_map(struct world *w)
{
	dure_map *map = UNTOUCHED;
	int r = dure_map_open(w->seg, "m", DURE_CREATE, NULL, &map);

	w->out = map;
	return r;
}

static void map_works(struct world *w)
{
	uint64_t value = 5, seen = 0;

	MUST(dure_map_put(w->out, "key", 3, &value) == DURE_CREATED);
	MUST(dure_map_get(w->out, "key", 3, &seen) == 0 && seen == 5);
	works(w->seg);
}

static void close_map(struct world *w)
{
	dure_map_close(w->out);
	w->out = UNTOUCHED;
}

/* -- the table ------------------------------------------------------------------------ */

enum {
	POSIX = DURE_BACKING_POSIX, SYSV = DURE_BACKING_SYSV, PATH = DURE_BACKING_FILE,
	MEMORY_FILE = DURE_BACKING_MEMORY_FILE, BUFFER = DURE_BACKING_BUFFER,
	PRIVATE = DURE_BACKING_PRIVATE, PROCESS = DURE_LIFETIME_PROCESS,
	FILESYSTEM = DURE_LIFETIME_FILESYSTEM,
};

#define CREATE .act = create, .verify = out_works, .finish = close_out, .codes = open_codes
#define OPEN .act = open_existing, .verify = out_works, .finish = close_out, .codes = open_codes
#define CLOSE .prepare = prepare_open, .act = close_seg, .codes = close_codes

const struct scenario scenarios[] = {
	{ "create posix", .backing = POSIX, CREATE },
	{ "create posix without O_TMPFILE", .backing = POSIX, CREATE, .posture = "open" },
	{ "create posix reserved", .backing = POSIX, .act = create_reserved, .verify = out_works,
	  .finish = close_out, .codes = open_codes },
	{ "create named of process lifetime", .lifetime = PROCESS, CREATE },
	{ "create sysv by key", .backing = SYSV, .by_key = true, CREATE,
	  .may_stay = ".key-" },
	{ "create sysv private", .backing = SYSV, CREATE },
	{ "create sysv of process lifetime", .backing = SYSV, .lifetime = PROCESS, CREATE },
	{ "create file", .backing = PATH, CREATE },
	{ "create memory file", .backing = MEMORY_FILE, CREATE },
	{ "create in a buffer", .backing = BUFFER, CREATE },
	{ "create private", .backing = PRIVATE, CREATE },
	{ "open posix", .backing = POSIX, .prepare = prepare_closed, OPEN },
	{ "open posix in use", .backing = POSIX, .prepare = prepare_open, OPEN },
	{ "open named of process lifetime", .lifetime = PROCESS, .prepare = prepare_open, OPEN },
	{ "open sysv by key", .backing = SYSV, .by_key = true, .prepare = prepare_closed, OPEN },
	{ "open sysv by id", .backing = SYSV, .prepare = prepare_open, OPEN },
	{ "open file", .backing = PATH, .prepare = prepare_closed, OPEN },
	{ "open memory file", .backing = MEMORY_FILE, .prepare = prepare_open, OPEN },
	{ "open posix after a death", .backing = POSIX, .prepare = prepare_dead, OPEN },
	{ "open or create posix, new", .backing = POSIX, .act = open_or_create, .verify = out_works,
	  .finish = close_out, .codes = open_codes },
	{ "open or create posix, there", .backing = POSIX, .prepare = prepare_closed,
	  .act = open_or_create, .verify = out_works, .finish = close_out, .codes = open_codes },
	{ "open or create named of process lifetime", .lifetime = PROCESS, .act = open_or_create,
	  .verify = out_works, .finish = close_out, .codes = open_codes },
	{ "open or create sysv by key", .backing = SYSV, .by_key = true, .act = open_or_create,
	  .verify = out_works, .finish = close_out, .codes = open_codes,
	  .may_stay = ".key-" },
	{ "open to read", .backing = POSIX, .prepare = prepare_open, .act = open_to_read,
	  .verify = out_is_clean, .finish = close_out, .codes = open_codes },
	{ "open a view", .backing = POSIX, .prepare = prepare_closed, .act = open_a_view,
	  .verify = out_works, .finish = close_out, .codes = open_codes },
	{ "close posix", .backing = POSIX, CLOSE },
	{ "close file", .backing = PATH, CLOSE },
	{ "close named of process lifetime", .lifetime = PROCESS, CLOSE },
	{ "exists", .backing = POSIX, .prepare = prepare_closed, .act = exists,
	  .codes = exists_codes },
	{ "exists, of process lifetime", .lifetime = PROCESS, .prepare = prepare_open,
	  .act = exists, .codes = exists_codes },
	{ "remove posix", .backing = POSIX, .prepare = prepare_closed, .act = take_name_away,
	  .verify = name_is_gone, .codes = remove_codes },
	{ "remove sysv by key", .backing = SYSV, .by_key = true, .prepare = prepare_closed,
	  .act = take_name_away, .verify = name_is_gone, .codes = remove_codes },
	{ "create a named lock", .backing = POSIX, .act = create_named, .verify = named_works,
	  .finish = close_out, .codes = open_codes },
	{ "create a named lock of process lifetime", .lifetime = PROCESS, .act = create_named,
	  .verify = named_works, .finish = close_out, .codes = open_codes },
	{ "open a named lock", .backing = POSIX, .prepare = prepare_named,
	  .act = open_existing_named, .verify = named_works, .finish = close_out,
	  .codes = open_codes },
	{ "unlink a named lock", .backing = POSIX, .prepare = prepare_named, .act = unlink_named,
	  .verify = named_is_gone, .codes = unlink_codes },
	{ "unlink a named lock in a file", .backing = PATH, .lifetime = FILESYSTEM,
	  .prepare = prepare_named, .act = unlink_named, .verify = named_is_gone,
	  .codes = unlink_codes },
	{ "list", .backing = POSIX, .prepare = prepare_open, .act = list, .codes = list_codes,
	  .result_varies = true },
	{ "list, of process lifetime", .lifetime = PROCESS, .prepare = prepare_open, .act = list,
	  .codes = list_codes, .result_varies = true },
	{ "info", .backing = POSIX, .prepare = prepare_open, .act = info, .codes = info_codes },
	{ "grow", .backing = POSIX, .prepare = prepare_open, .act = grow, .verify = seg_works,
	  .codes = grow_codes },
	{ "trim", .backing = POSIX, .prepare = prepare_to_trim, .act = trim, .verify = seg_works,
	  .codes = attach_codes, .attaches = true },
	{ "trim sysv", .backing = SYSV, .by_key = true, .prepare = prepare_to_trim, .act = trim,
	  .verify = seg_works, .codes = attach_codes, .attaches = true },
	{ "prefault", .backing = POSIX, .prepare = prepare_detached, .act = prefault,
	  .verify = seg_works, .codes = attach_codes, .attaches = true },
	{ "lock in memory", .backing = POSIX, .prepare = prepare_open, .act = lock_memory,
	  .verify = seg_works, .codes = lock_memory_codes },
	{ "advise", .backing = POSIX, .prepare = prepare_open, .act = advise,
	  .codes = advise_codes },
	{ "checkpoint", .backing = PATH, .prepare = prepare_open, .act = checkpoint,
	  .verify = seg_works, .codes = checkpoint_codes, .may_stay = "x.checkpoint" },
	{ "checkpoint without O_TMPFILE", .backing = PATH, .prepare = prepare_open,
	  .act = checkpoint, .verify = seg_works, .codes = checkpoint_codes, .posture = "open",
	  .may_stay = "x.checkpoint" },
	{ "clone", .backing = POSIX, .prepare = prepare_open, .act = clone_to_file,
	  .verify = clone_opens, .codes = clone_codes },
	{ "restore", .backing = PATH, .prepare = prepare_reboot, .act = open_existing,
	  .verify = out_is_restored, .finish = close_out, .codes = open_codes },
	{ "reattach after fork", .backing = POSIX, .prepare = prepare_inherited, .act = reattach,
	  .verify = seg_works, .codes = open_codes },
	{ "watch", .backing = POSIX, .prepare = prepare_open, .act = open_watch,
	  .verify = descriptor_0_is_open, .finish = close_watch, .codes = watch_codes },
	{ "next death", .backing = POSIX, .prepare = prepare_watched_death, .act = next_death,
	  .verify = close_buffered_watch, .codes = watch_next_codes,
	  .result_varies = true },
	{ "attach a thread", .backing = POSIX, .prepare = prepare_detached, .act = attach_thread,
	  .codes = attach_codes },
	{ "wait for a living holder", .backing = POSIX, .prepare = prepare_held,
	  .act = wait_in_vain, .codes = mutex_codes },
	{ "lock of a dead holder", .backing = POSIX, .prepare = prepare_dead,
	  .act = lock_of_the_dead, .verify = seg_works, .codes = mutex_codes, .spares = "fstat" },
	{ "recover", .backing = POSIX, .prepare = prepare_dead, .act = recover,
	  .verify = dead_is_recovered, .codes = attach_codes, .result_varies = true },
	{ "reserve a large block", .backing = POSIX, .prepare = prepare_detached,
	  .act = reserve_much, .verify = block_is_usable, .finish = cancel_block,
	  .codes = attach_codes, .attaches = true },
	{ "reserve a small block", .backing = POSIX, .prepare = prepare_detached,
	  .act = reserve_some, .verify = block_is_usable, .finish = cancel_block,
	  .codes = attach_codes, .attaches = true },
	{ "begin a transaction", .backing = POSIX, .prepare = prepare_detached,
	  .act = begin_transaction, .finish = abort_transaction, .codes = attach_codes, .attaches = true },
	{ "construct an object", .backing = POSIX, .prepare = prepare_detached, .act = construct,
	  .finish = destroy_object, .codes = construct_codes, .attaches = true },
	{ "open a map", .backing = POSIX, .prepare = prepare_detached, .act = open_map,
	  .verify = map_works, .finish = close_map, .codes = map_open_codes, .attaches = true,
	  .spares = "fstat" },
};

const unsigned scenario_count = sizeof scenarios / sizeof *scenarios;
