/* SPDX-License-Identifier: MIT */
/*
 * fault_native.c - the kernel's own objects, with each system call refused
 *
 * Rules    as in fault_scenarios.c. Keys are of the process: a child of fault.c has the namespace
 *          to itself, and a refused creation must leave nothing behind its key.
 */
#include "fault.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "os/sysv.h"

#define COMMON EINVAL, EACCES, ENOMEM, EOPNOTSUPP
#define GONE ENOENT, EPERM

static const int key_codes[] = { EEXIST, ENOENT, EIO, COMMON, 0 };
static const int get_codes[] = { EEXIST, ENOSPC, EBUSY, COMMON, GONE, 0 };
static const int id_codes[] = { COMMON, GONE, EMFILE, 0 };
static const int sem_open_codes[] = { EEXIST, ENOSPC, EBUSY, EAGAIN, ETIMEDOUT, ESTALE, COMMON,
				      GONE, 0 };
static const int sem_codes[] = { EAGAIN, ETIMEDOUT, ESTALE, EMSGSIZE, ENOSPC, COMMON, 0 };
static const int posix_codes[] = { ENOENT, EEXIST, ENOSPC, EMFILE, EBUSY, EIO, EMSGSIZE, COMMON,
0 };
static const int mapping_codes[] = { ENOSPC, EMFILE, EBUSY, EIO, EAGAIN, EPERM, ESTALE, COMMON, 0 };
static const int msg_codes[] = { EAGAIN, ETIMEDOUT, ESTALE, EMSGSIZE, COMMON, GONE, 0 };

static int32_t key(void)
{
	return 0x5b000000 | (getpid() & 0xffffff);
}

static void *as_output(int32_t id)
{
	return (void *)(intptr_t)id;
}

static int32_t id_of(const struct world *w)
{
	return (int32_t)(intptr_t)w->out;
}

/* There is no output, and yet something to finish. */
static int done(struct world *w, int r)
{
	if (r >= 0)
		w->out = NULL;
	return r;
}

/* what prepare has made, for act */
static int32_t made;
static dure_sysv_sem *made_sem;

/* -- System V shared memory --------------------------------------------------------------- */

static int get_keys(struct world *w)
{
	struct dure_sysv_key_source sources[2] = { { "/", 1 }, { "/dev", 1 } };
	int32_t keys[2] = { 0x5a5a5a50, 0x5a5a5a50 };
	int r = dure_sysv_keys(sources, 2, keys);

	w->out = as_output(keys[1]);
	return r;
}

static int get_segment(struct world *w)
{
	int32_t id = 0x5a5a5a50;
	int r = dure_sysv_shm_get(key(), 10000, DURE_CREATE | DURE_OPEN, NULL, &id);

	w->out = as_output(id);
	return r;
}

static void prepare_segment(struct world *w)
{
	MUST(get_segment(w) == DURE_CREATED);
	made = id_of(w);
	w->out = UNTOUCHED;
}

static void prepare_absence(struct world *w)
{
	(void)w;
	MUST(dure_sysv_shm_get(key(), 0, DURE_OPEN, NULL, &made) == -ENOENT);
}

static void remove_segment(struct world *w)
{
	MUST(dure_sysv_remove(DURE_SYSV_SHM, id_of(w)) == 0);
	w->out = UNTOUCHED;
}

static int attach_for_good(struct world *w)
{
	return dure_sysv_shm_attach(made, NULL, DURE_SYSV_ATTACH_THEN_REMOVE, &w->out);
}

static void detach(struct world *w)
{
	MUST(dure_sysv_shm_detach(w->out) == 0);
	w->out = UNTOUCHED;
}

static void prepare_attached(struct world *w)
{
	prepare_segment(w);
	MUST(dure_sysv_shm_attach(made, NULL, 0, &w->buffer) == 0);
}

static int detach_it(struct world *w)
{
	return dure_sysv_shm_detach(w->buffer);
}

static void forget_detached(struct world *w)
{
	w->buffer = NULL;
	MUST(dure_sysv_remove(DURE_SYSV_SHM, made) == 0);
}

static int segment_facts(struct world *w)
{
	struct dure_sysv_shm_info info = { .sz = sizeof info };
	struct dure_sysv_info common = { .sz = sizeof common };
	int r = dure_sysv_shm_info(made, &info);

	(void)w;
	return r < 0 ? r : dure_sysv_info(DURE_SYSV_SHM, made, &common);
}

static int change_segment(struct world *w)
{
	struct dure_sysv_changes changes = { .sz = sizeof changes, .what = DURE_SYSV_SET_MODE,
					     .mode = 0640 };
	int r = dure_sysv_set(DURE_SYSV_SHM, made, &changes);

	(void)w;
	return r < 0 ? r : dure_sysv_shm_lock(made, 1);
}

static int remove_made_segment(struct world *w)
{
	(void)w;
	return dure_sysv_remove(DURE_SYSV_SHM, made);
}

static int count_one(const struct dure_sysv_info *info, void *context)
{
	(void)info;
	(void)context;
	return 0;
}

static int list_and_limits(struct world *w)
{
	struct dure_sysv_limits limits = { .sz = sizeof limits };
	int r = dure_sysv_list(DURE_SYSV_SHM, count_one, NULL);

	(void)w;
	return r < 0 ? r : dure_sysv_limits(&limits);
}

/* -- semaphores --------------------------------------------------------------------------- */

static const uint16_t values[3] = { 4, 0, 9 };

static int open_set(struct world *w)
{
	struct dure_sysv_sem_options options = { .sz = sizeof options, .values = values };
	dure_sysv_sem *sem = UNTOUCHED;
	int r = dure_sysv_sem_open(key(), 3, DURE_CREATE | DURE_OPEN, &options, DURE_S(5), &sem);

	w->out = sem;
	return r;
}

static void set_is_complete(struct world *w)
{
	uint16_t got[3];

	MUST(dure_sysv_sem_get(w->out, got, 3) == 0);
	MUST(memcmp(got, values, sizeof got) == 0);
}

static void remove_set(struct world *w)
{
	MUST(dure_sysv_remove(DURE_SYSV_SEM, dure_sysv_sem_id(w->out)) == 0);
	dure_sysv_sem_close(w->out);
	w->out = UNTOUCHED;
}

static void prepare_set(struct world *w)
{
	MUST(open_set(w) == DURE_CREATED);
	made_sem = w->out;
	w->out = UNTOUCHED;
}

/* as a dead maker leaves it */
static void prepare_half_made(struct world *w)
{
	(void)w;
	MUST(durei_sem_get(key(), 4, DUREI_IPC_CREATE, 0600) >= 0);
}

static int use_set(struct world *w)
{
	struct dure_sysv_sem_operation ops[2] = { { .index = 0, .change = -1 },
						  { .index = 1, .change = 1 } };

	return done(w, dure_sysv_sem_operate(made_sem, ops, 2, DURE_S(5)));
}

static int wait_in_vain(struct world *w)
{
	struct dure_sysv_sem_operation op = { .index = 1, .change = -9 };
	int r = dure_sysv_sem_operate(made_sem, &op, 1, DURE_MS(1));

	return done(w, r == -ETIMEDOUT ? 0 : r);
}

static int read_and_set(struct world *w)
{
	uint16_t got[3];
	int r = dure_sysv_sem_get(made_sem, got, 3);

	if (r == 0)
		r = dure_sysv_sem_set(made_sem, got, 3);
	return done(w, r < 0 ? r : dure_sysv_sem_set_one(made_sem, 1, 3));
}

static int set_facts(struct world *w)
{
	struct dure_sysv_sem_info info = { .sz = sizeof info };

	return done(w, dure_sysv_sem_info(made_sem, 1, &info));
}

static void forget_set(struct world *w)
{
	MUST(dure_sysv_remove(DURE_SYSV_SEM, dure_sysv_sem_id(made_sem)) == 0);
	dure_sysv_sem_close(made_sem);
	w->out = UNTOUCHED;
}

/* -- queues ------------------------------------------------------------------------------- */

static int get_queue(struct world *w)
{
	struct dure_sysv_msg_options options = { .sz = sizeof options, .bytes_max = 5000 };
	int32_t id = 0x5a5a5a50;
	int r = dure_sysv_msg_get(key(), DURE_CREATE, &options, &id);

	w->out = as_output(id);
	return r;
}

static void remove_queue(struct world *w)
{
	MUST(dure_sysv_remove(DURE_SYSV_MSG, id_of(w)) == 0);
	w->out = UNTOUCHED;
}

static void prepare_queue(struct world *w)
{
	MUST(get_queue(w) == DURE_CREATED);
	made = id_of(w);
	w->out = UNTOUCHED;
	MUST(dure_sysv_msg_send(made, 7, "seven", 5, 0) == 0);
}

static int send_one(struct world *w)
{
	return done(w, dure_sysv_msg_send(made, 8, "eight", 5, DURE_S(5)));
}

static int receive_one(struct world *w)
{
	char got[8];

	return done(w, dure_sysv_msg_receive(made, 7, 0, got, sizeof got, DURE_S(5), NULL));
}

static int await_none(struct world *w)
{
	char got[8];
	int r = dure_sysv_msg_receive(made, 99, 0, got, sizeof got, DURE_MS(1), NULL);

	return done(w, r == -ETIMEDOUT ? 0 : r);
}

static int look_at_one(struct world *w)
{
	struct dure_sysv_msg_info info = { .sz = sizeof info };
	char got[8];
	int r = dure_sysv_msg_info(made, &info);

	return done(w, r < 0 ? r : dure_sysv_msg_peek(made, 0, got, sizeof got, NULL));
}

static void forget_queue(struct world *w)
{
	MUST(dure_sysv_remove(DURE_SYSV_MSG, made) == 0);
	w->out = UNTOUCHED;
}

/* -- POSIX -------------------------------------------------------------------------------- */

static const char *posix_name(void)
{
	static char name[32];

	snprintf(name, sizeof name, "/dure-fault-%d", (int)getpid());
	return name;
}

static int made_fd;
static dure_posix_sem *made_posix_sem;

static void close_and_remove(struct world *w, uint32_t kind)
{
	close((int)(intptr_t)w->out);
	MUST(dure_posix_remove(kind, posix_name()) == 0);
	w->out = UNTOUCHED;
}

static int open_memory(struct world *w)
{
	struct dure_posix_shm_options options = { .sz = sizeof options, .size_bytes = 10000 };
	int fd = 0x5a5a5a50;
	int r = dure_posix_shm_open(posix_name(), DURE_CREATE | DURE_OPEN, &options, &fd);

	w->out = as_output(fd);
	return r;
}

static void close_memory(struct world *w)
{
	close_and_remove(w, DURE_POSIX_SHM);
}

static void prepare_memory(struct world *w)
{
	MUST(open_memory(w) == DURE_CREATED);
	made_fd = id_of(w);
	w->out = UNTOUCHED;
}

static int resize_memory(struct world *w)
{
	return done(w, dure_posix_shm_resize(made_fd, 30000));
}

static void forget_memory(struct world *w)
{
	w->out = as_output(made_fd);
	close_memory(w);
}

static void forget_first_memory(struct world *w)
{
	close(made_fd);
	close_memory(w);
}

static int open_semaphore(struct world *w)
{
	dure_posix_sem *sem = UNTOUCHED;
	int r = dure_posix_sem_open(posix_name(), DURE_CREATE | DURE_OPEN, NULL, &sem);

	w->out = sem;
	return r;
}

static void close_semaphore(struct world *w)
{
	dure_posix_sem_close(w->out);
	MUST(dure_posix_remove(DURE_POSIX_SEM, posix_name()) == 0);
	w->out = UNTOUCHED;
}

static void prepare_semaphore(struct world *w)
{
	MUST(open_semaphore(w) == DURE_CREATED);
	made_posix_sem = w->out;
	w->out = UNTOUCHED;
}

static int use_semaphore(struct world *w)
{
	int r = dure_posix_sem_post(made_posix_sem);

	if (r == 0)
		r = dure_posix_sem_value(made_posix_sem);
	if (r > 0)
		r = dure_posix_sem_wait(made_posix_sem, DURE_S(5));
	return done(w, r);
}

static void forget_semaphore(struct world *w)
{
	w->out = made_posix_sem;
	close_semaphore(w);
}

static void forget_first_semaphore(struct world *w)
{
	dure_posix_sem_close(made_posix_sem);
	close_semaphore(w);
}

static int open_posix_queue(struct world *w)
{
	struct dure_posix_queue_options options = { .sz = sizeof options, .message_bytes = 16 };
	int fd = 0x5a5a5a50;
	int r = dure_posix_queue_open(posix_name(), DURE_CREATE | DURE_OPEN, &options, &fd);

	w->out = as_output(fd);
	return r;
}

static void close_posix_queue(struct world *w)
{
	close_and_remove(w, DURE_POSIX_QUEUE);
}

static void prepare_posix_queue(struct world *w)
{
	MUST(open_posix_queue(w) == DURE_CREATED);
	made_fd = id_of(w);
	w->out = UNTOUCHED;
}

static int use_posix_queue(struct world *w)
{
	struct dure_posix_queue_info info = { .sz = sizeof info };
	char got[16];
	int r = dure_posix_queue_send(made_fd, "x", 1, 3, DURE_S(5));

	if (r == 0)
		r = dure_posix_queue_info(made_fd, &info);
	if (r == 0)
		r = dure_posix_queue_receive(made_fd, got, sizeof got, DURE_S(5), NULL);
	if (r == 1)
		r = dure_posix_queue_notify(made_fd, 0, 0);
	return done(w, r);
}

static void forget_posix_queue(struct world *w)
{
	w->out = as_output(made_fd);
	close_posix_queue(w);
}

static int posix_limits(struct world *w)
{
	struct dure_posix_limits limits = { .sz = sizeof limits };

	(void)w;
	return dure_posix_limits(&limits);
}

static int remove_posix(struct world *w)
{
	return done(w, dure_posix_remove(DURE_POSIX_QUEUE, posix_name()));
}

static void forget_descriptor(struct world *w)
{
	close(made_fd);
	w->out = UNTOUCHED;
}

/* -- mappings ----------------------------------------------------------------------------- */

static dure_mapping *made_mapping;

static int map_with(struct world *w, int fd, uint32_t flags)
{
	struct dure_mapping_options options = { .sz = sizeof options, .flags = flags };
	dure_mapping *mapping = UNTOUCHED;
	int r = dure_mapping_open(fd, 100, 50000, &options, &mapping);

	w->out = mapping;
	return r;
}

static void prepare_file(struct world *w)
{
	prepare_memory(w);
	MUST(ftruncate(made_fd, 0) == 0);
}

static int map_file(struct world *w)
{
	return map_with(w, made_fd,
					    DURE_MAPPING_EXTEND | DURE_MAPPING_LOCK | DURE_MAPPING_POPULATE |
					    DURE_MAPPING_TRANSPARENT);
}

static int map_memory(struct world *w)
{
	return map_with(w, -1, DURE_MAPPING_PRIVATE | DURE_MAPPING_LOCK);
}

static void close_mapping(struct world *w)
{
	dure_mapping_close(w->out);
	w->out = UNTOUCHED;
}

static void close_mapping_and_file(struct world *w)
{
	dure_mapping_close(w->out);
	forget_memory(w);
}

static void prepare_mapping(struct world *w)
{
	prepare_memory(w);
	MUST(map_with(w, made_fd, DURE_MAPPING_EXTEND) == 0);
	made_mapping = w->out;
	w->out = UNTOUCHED;
}

static int resize_mapping(struct world *w)
{
	return done(w, dure_mapping_resize(made_mapping, 200000,
					   DURE_MAPPING_EXTEND | DURE_MAPPING_MOVE));
}

/* shorter again, so that what is mapped is what it was */
static void forget_mapping(struct world *w)
{
	dure_mapping_close(made_mapping);
	forget_memory(w);
}

static int use_mapping(struct world *w)
{
	uint64_t bytes;
	int r = dure_mapping_sync(made_mapping, 0, 0, 0);

	if (r == 0)
		r = dure_mapping_protect(made_mapping, 0, 0,
					 DURE_PROTECT_READ | DURE_PROTECT_WRITE);
	if (r == 0)
		r = dure_mapping_lock(made_mapping, 0, 0, 1);
	if (r == 0)
		r = dure_mapping_advise(made_mapping, 0, 0, DURE_ADVISE_RANDOM);
	if (r == 0)
		r = dure_file_advise(made_fd, 0, 0, DURE_ADVISE_RANDOM);
	if (r == 0)
		r = dure_mapping_resident(made_mapping, 0, 0, &bytes);
	return done(w, r);
}

static int copy_guarded(struct world *w)
{
	static char got[50000];
	int r = dure_mapping_read(made_mapping, 0, got, sizeof got);

	return done(w, r == sizeof got ? dure_mapping_write(made_mapping, 0, got, sizeof got) : r);
}

/* -- the table ---------------------------------------------------------------------------- */

const struct scenario scenarios[] = {
	{ "keys", .act = get_keys, .codes = key_codes },
	{ "sysv: make a segment", .prepare = prepare_absence, .act = get_segment,
	  .finish = remove_segment, .codes = get_codes },
	{ "sysv: find a segment", .prepare = prepare_segment, .act = get_segment,
	  .finish = remove_segment, .codes = get_codes },
	{ "sysv: detach", .prepare = prepare_attached, .act = detach_it, .release = forget_detached,
	  .codes = id_codes },
	{ "sysv: attach, then remove", .prepare = prepare_segment, .act = attach_for_good,
	  .finish = detach, .codes = id_codes },
	{ "sysv: facts of a segment", .prepare = prepare_segment, .act = segment_facts,
	  .codes = id_codes },
	{ "sysv: change a segment", .prepare = prepare_segment, .act = change_segment,
	  .codes = id_codes },
	{ "sysv: remove a segment", .prepare = prepare_segment, .act = remove_made_segment,
	  .codes = id_codes },
	{ "sysv: list and limits", .act = list_and_limits, .codes = id_codes },
	{ "sysv: make a set", .act = open_set, .verify = set_is_complete, .finish = remove_set,
	  .codes = sem_open_codes, .result_varies = true },
	{ "sysv: complete a set", .prepare = prepare_half_made, .act = open_set,
	  .verify = set_is_complete, .finish = remove_set, .codes = sem_open_codes,
	  .result_varies = true },
	{ "sysv: operate", .prepare = prepare_set, .act = use_set, .finish = forget_set,
	  .codes = sem_codes },
	{ "sysv: wait for a semaphore", .prepare = prepare_set, .act = wait_in_vain,
	  .finish = forget_set, .codes = sem_codes },
	{ "sysv: values of a set", .prepare = prepare_set, .act = read_and_set,
	  .finish = forget_set, .codes = sem_codes },
	{ "sysv: facts of a set", .prepare = prepare_set, .act = set_facts, .finish = forget_set,
	  .codes = sem_codes },
	{ "sysv: make a queue", .act = get_queue, .finish = remove_queue, .codes = get_codes },
	{ "sysv: send", .prepare = prepare_queue, .act = send_one, .finish = forget_queue,
	  .codes = msg_codes },
	{ "sysv: receive", .prepare = prepare_queue, .act = receive_one, .finish = forget_queue,
	  .codes = msg_codes },
	{ "sysv: wait for a message", .prepare = prepare_queue, .act = await_none,
	  .finish = forget_queue, .codes = msg_codes },
	{ "sysv: look at a message", .prepare = prepare_queue, .act = look_at_one,
	  .finish = forget_queue, .codes = msg_codes },
	{ "posix: make memory", .act = open_memory, .finish = close_memory, .codes = posix_codes },
	{ "posix: open memory", .prepare = prepare_memory, .act = open_memory,
	  .finish = forget_first_memory, .codes = posix_codes },
	{ "posix: resize memory", .prepare = prepare_memory, .act = resize_memory,
	  .finish = forget_memory, .codes = posix_codes },
	{ "posix: make a semaphore", .act = open_semaphore, .finish = close_semaphore,
	  .codes = posix_codes },
	{ "posix: open a semaphore", .prepare = prepare_semaphore, .act = open_semaphore,
	  .finish = forget_first_semaphore, .codes = posix_codes },
	{ "posix: make a queue", .act = open_posix_queue, .finish = close_posix_queue,
	  .codes = posix_codes },
	{ "posix: use a queue", .prepare = prepare_posix_queue, .act = use_posix_queue,
	  .finish = forget_posix_queue, .codes = posix_codes },
	{ "posix: remove a queue", .prepare = prepare_posix_queue, .act = remove_posix,
	  .finish = forget_descriptor, .codes = posix_codes },
	{ "posix: use a semaphore", .prepare = prepare_semaphore, .act = use_semaphore,
	  .finish = forget_semaphore, .codes = msg_codes },
	{ "posix: limits", .act = posix_limits, .codes = posix_codes },
	{ "mapping: of a file", .prepare = prepare_file, .act = map_file,
	  .finish = close_mapping_and_file, .codes = mapping_codes },
	{ "mapping: of memory", .act = map_memory, .finish = close_mapping,
	.codes = mapping_codes },
	{ "mapping: resize", .prepare = prepare_mapping, .act = resize_mapping,
	  .finish = forget_mapping, .codes = mapping_codes },
	{ "mapping: use", .prepare = prepare_mapping, .act = use_mapping, .finish = forget_mapping,
	  .codes = mapping_codes },
	{ "mapping: guarded copies", .prepare = prepare_mapping, .act = copy_guarded,
	  .finish = forget_mapping, .codes = mapping_codes },
};

const unsigned scenario_count = sizeof scenarios / sizeof *scenarios;
