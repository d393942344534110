/* SPDX-License-Identifier: MIT */
/*
 * segment.c - how long does it take to attach to a segment, and to create one
 *
 * Attaching: a segment of 64 MiB that another process has open is opened by name, and the
 * first object in it is found. Closing is not counted, for anybody. The bare calls
 * (shm_open, mmap, reading a word) are the least it can cost.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "named.h"
#include "share.h"

static const uint64_t segment_bytes = 64u << 20;

struct state {
	char name[64], other[64];
	pid_t owner;
	int socket;
};

/* -- dure -------------------------------------------------------------------------------- */

static _Noreturn void own(const struct state *s, int socket)
{
	struct dure_segment_options options = { .sz = sizeof options, .size_bytes = segment_bytes };
	dure_segment *segment;
	void *object;
	char word = 'r';

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	bench_must(dure_segment_open(s->name, DURE_CREATE, &options, &segment), s->name);
	bench_must(dure_object_construct(segment, "first", DURE_TYPE(uint64_t), 1, NULL, NULL,
					 &object), "construct");
	if (write(socket, &word, 1) == 1)
		(void)!read(socket, &word, 1);
	bench_must(dure_segment_close(segment), "close");
	_exit(0);
}

static struct state *make_state(void)
{
	struct state *s = calloc(1, sizeof *s);

	snprintf(s->name, sizeof s->name, "dure-bench-attach-%d", (int)getpid());
	snprintf(s->other, sizeof s->other, "dure-bench-new-%d", (int)getpid());
	return s;
}

static void *open_owned(const void *argument)
{
	struct state *s = make_state();
	int pair[2];
	char word;

	(void)argument;
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0 || (s->owner = fork()) < 0)
		bench_die("fork failed");
	if (s->owner == 0) {
		close(pair[0]);
		own(s, pair[1]);
	}
	close(pair[1]);
	s->socket = pair[0];
	if (read(s->socket, &word, 1) != 1)
		bench_die("the segment's owner died");
	return s;
}

static void close_owned(void *state)
{
	struct state *s = state;

	shutdown(s->socket, SHUT_RDWR);
	close(s->socket);
	waitpid(s->owner, NULL, 0);
	bench_must(dure_segment_remove(s->name, 0, NULL), "remove");
	free(s);
}

static double attach_round(void *state, uint64_t ops)
{
	struct state *s = state;
	double total = 0;

	for (uint64_t i = 0; i < ops; i++) {
		double start = bench_now();
		dure_segment *segment;
		void *object;
		bench_must(dure_segment_open(s->name, DURE_OPEN, NULL, &segment), "open");
		bench_must(dure_object_find(segment, "first", DURE_TYPE(uint64_t), &object, NULL),
			   "find");
		(void)*(volatile uint64_t *)object;
		total += bench_now() - start;
		bench_must(dure_segment_close(segment), "close");
	}
	return total / (double)ops / 1000;
}

static double create_round(void *state, uint64_t ops)
{
	struct dure_segment_options options = { .sz = sizeof options, .size_bytes = segment_bytes };
	struct state *s = state;
	double total = 0;

	for (uint64_t i = 0; i < ops; i++) {
		double start = bench_now();
		dure_segment *segment;
		bench_must(dure_segment_open(s->other, DURE_CREATE, &options, &segment), "create");
		total += bench_now() - start;
		bench_must(dure_segment_close(segment), "close");
		bench_must(dure_segment_remove(s->other, 0, NULL), "remove");
	}
	return total / (double)ops / 1000;
}

/* -- the bare calls ---------------------------------------------------------------------- */

static void *map_shm(const char *name, int flags)
{
	int fd = shm_open(name, O_RDWR | flags, 0600);
	void *memory;

	if (fd < 0 || (flags & O_CREAT && ftruncate(fd, (off_t)segment_bytes) != 0))
		bench_die("shm_open %s failed", name);
	memory = mmap(NULL, segment_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		bench_die("mmap failed");
	close(fd);
	return memory;
}

static void *open_bare(const void *argument)
{
	struct state *s = make_state();

	(void)argument;
	strcat(s->name, "-bare");
	strcat(s->other, "-bare");
	*(volatile uint64_t *)map_shm(s->name, O_CREAT | O_EXCL) = 1;
	return s;
}

static void close_bare(void *state)
{
	struct state *s = state;

	shm_unlink(s->name);
	free(s);
}

static double bare_round(const char *name, uint64_t ops, int flags)
{
	double total = 0;

	for (uint64_t i = 0; i < ops; i++) {
		double start = bench_now();
		volatile uint64_t *memory = map_shm(name, flags);
		if (flags & O_CREAT)
			*memory = 1;
		else
			(void)*memory;
		total += bench_now() - start;
		munmap((void *)(uintptr_t)memory, segment_bytes);
		if (flags & O_CREAT)
			shm_unlink(name);
	}
	return total / (double)ops / 1000;
}

static double bare_attach(void *state, uint64_t ops)
{
	return bare_round(((struct state *)state)->name, ops, 0);
}

static double bare_create(void *state, uint64_t ops)
{
	return bare_round(((struct state *)state)->other, ops, O_CREAT | O_EXCL);
}

const struct bench_row bench_segment_rows[] = {
	{
		.name = "attach",
		.what = "attach to a segment of 64 MiB and find a first name",
		.unit = "us",
		.ops = 200,
		.contenders = {
			{ .who = "dure", .open = open_owned, .round = attach_round,
			  .close = close_owned },
			{ .who = "shm_open + mmap", .open = open_bare, .round = bare_attach,
			  .close = close_bare },
			{ .who = "Boost", .open = bench_boost_attach_open,
			  .round = bench_boost_attach_round, .close = bench_boost_attach_close },
		},
		.goals = { { .text = "", .fixed = 40 } },
	},
	{
		.name = "create",
		.what = "create a segment of 64 MiB",
		.unit = "us",
		.ops = 100,
		.contenders = {
			{ .who = "dure", .open = open_owned, .round = create_round,
			  .close = close_owned },
			{ .who = "shm_open + mmap", .open = open_bare, .round = bare_create,
			  .close = close_bare },
			{ .who = "Boost", .open = bench_boost_attach_open,
			  .round = bench_boost_create_round, .close = bench_boost_attach_close },
		},
		.goals = { { .text = "", .fixed = 80 } },
	},
	{ .name = NULL },
};
