/* SPDX-License-Identifier: MIT */
/*
 * way_kernel.c - the kernel's ways between two processes, and the least there can be
 *
 * bounce: a word that the other process waits for, in a line of its own, and nothing else; what the
 * hardware takes. futex: the same, asleep. ck_ring: Concurrency Kit's, of pointers to places that
 * both processes have at the same address; bytes are copied in and out.
 */
#include "way.h"

#include <ck_ring.h>
#include <linux/futex.h>
#include <mqueue.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SMALL_MAX = 8192, PLACES = 256, POSIX_DEPTH = 8 };

static void *shared_memory(size_t bytes)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		bench_die("no shared memory");
	return memory;
}

/* -- a word ------------------------------------------------------------------------------ */

struct words {
	_Alignas(128) _Atomic uint32_t there;
	_Alignas(128) _Atomic uint32_t back;
};

struct word_end {
	_Atomic uint32_t *out, *in;
	uint32_t sent, seen;
};

static void *open_words(const struct bench_way_use *use)
{
	(void)use;
	return shared_memory(sizeof(struct words));
}

static void *join_words(void *shared, const struct bench_way_use *use, unsigned index)
{
	struct word_end *end = calloc(1, sizeof *end);
	struct words *words = shared;

	(void)use;
	end->out = index ? &words->back : &words->there;
	end->in = index ? &words->there : &words->back;
	return end;
}

static void close_words(void *shared)
{
	munmap(shared, sizeof(struct words));
}

static void send_bounce(void *state, const void *data, size_t bytes)
{
	struct word_end *end = state;

	(void)data;
	(void)bytes;
	atomic_store_explicit(end->out, ++end->sent, memory_order_release);
}

static void receive_bounce(void *state, void *data, size_t bytes)
{
	struct word_end *end = state;

	(void)data;
	(void)bytes;
	while (atomic_load_explicit(end->in, memory_order_acquire) == end->seen)
		__builtin_ia32_pause();
	end->seen++;
}

const struct bench_way bench_way_bounce = { open_words, join_words, send_bounce, receive_bounce,
					    close_words };

static void send_futex(void *state, const void *data, size_t bytes)
{
	struct word_end *end = state;

	send_bounce(end, data, bytes);
	syscall(SYS_futex, end->out, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static void receive_futex(void *state, void *data, size_t bytes)
{
	struct word_end *end = state;

	(void)data;
	(void)bytes;
	while (atomic_load_explicit(end->in, memory_order_acquire) == end->seen)
		syscall(SYS_futex, end->in, FUTEX_WAIT, end->seen, NULL, NULL, 0);
	end->seen++;
}

const struct bench_way bench_way_futex = { open_words, join_words, send_futex, receive_futex,
					   close_words };

/* -- ck_ring ----------------------------------------------------------------------------- */

struct ck_direction {
	ck_ring_t ring;
	ck_ring_buffer_t buffer[PLACES];
	unsigned char places[2 * PLACES][SMALL_MAX];	/* some are out of the ring, and still read */
};

struct ck_end {
	struct ck_direction *out, *in;
	unsigned next;
};

static void *open_ck(const struct bench_way_use *use)
{
	struct ck_direction *both;

	if (use->bytes > SMALL_MAX)
		return NULL;
	both = shared_memory(2 * sizeof *both);
	ck_ring_init(&both[0].ring, PLACES);
	ck_ring_init(&both[1].ring, PLACES);
	return both;
}

static void *join_ck(void *shared, const struct bench_way_use *use, unsigned index)
{
	struct ck_end *end = calloc(1, sizeof *end);
	struct ck_direction *both = shared;

	(void)use;
	end->out = &both[index];
	end->in = &both[!index];
	return end;
}

static void send_ck(void *state, const void *data, size_t bytes)
{
	struct ck_end *end = state;
	struct ck_direction *out = end->out;
	unsigned char *place = out->places[end->next++ % (2 * PLACES)];

	memcpy(place, data, bytes);
	while (!ck_ring_enqueue_spsc(&out->ring, out->buffer, place))
		__builtin_ia32_pause();
}

static void receive_ck(void *state, void *data, size_t bytes)
{
	struct ck_end *end = state;
	void *place;

	while (!ck_ring_dequeue_spsc(&end->in->ring, end->in->buffer, &place))
		__builtin_ia32_pause();
	memcpy(data, place, bytes);
}

static void close_ck(void *shared)
{
	munmap(shared, 2 * sizeof(struct ck_direction));
}

const struct bench_way bench_way_ck_ring = { open_ck, join_ck, send_ck, receive_ck, close_ck };

/* -- descriptors ------------------------------------------------------------------------- */

struct files {
	int out[2], in[2];		/* of process 0 and 1 */
};

struct file_end {
	int out, in;
};

static void *open_pipes(const struct bench_way_use *use)
{
	struct files *files = malloc(sizeof *files);
	int there[2], back[2];

	(void)use;
	if (pipe(there) < 0 || pipe(back) < 0)
		bench_die("no pipes");
	*files = (struct files){ { there[1], back[1] }, { back[0], there[0] } };
	return files;
}

static void *open_unix(const struct bench_way_use *use)
{
	struct files *files = malloc(sizeof *files);
	int pair[2];

	(void)use;
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
		bench_die("no sockets");
	*files = (struct files){ { pair[0], pair[1] }, { pair[0], pair[1] } };
	return files;
}

static void *join_files(void *shared, const struct bench_way_use *use, unsigned index)
{
	const struct files *files = shared;
	struct file_end *end = malloc(sizeof *end);

	(void)use;
	*end = (struct file_end){ files->out[index], files->in[index] };
	return end;
}

static void send_file(void *end, const void *data, size_t bytes)
{
	for (size_t done = 0; done < bytes; ) {
		ssize_t n = write(((struct file_end *)end)->out, (const char *)data + done, bytes - done);
		if (n <= 0)
			bench_die("write failed");
		done += (size_t)n;
	}
}

static void receive_file(void *end, void *data, size_t bytes)
{
	for (size_t done = 0; done < bytes; ) {
		ssize_t n = read(((struct file_end *)end)->in, (char *)data + done, bytes - done);
		if (n <= 0)
			bench_die("read failed");
		done += (size_t)n;
	}
}

static void close_files(void *shared)
{
	struct files *files = shared;

	for (int i = 0; i < 2; i++) {
		close(files->out[i]);
		if (files->in[i] != files->out[i])
			close(files->in[i]);
	}
	free(files);
}

const struct bench_way bench_way_pipe = { open_pipes, join_files, send_file, receive_file,
					  close_files };
const struct bench_way bench_way_unix = { open_unix, join_files, send_file, receive_file,
					  close_files };

/* -- System V: two types in one queue ---------------------------------------------------- */

struct system_v_end {
	int id;
	long out;
	struct { long type; char bytes[SMALL_MAX]; } message;
};

static void *open_system_v(const struct bench_way_use *use)
{
	int *shared = malloc(sizeof *shared);

	*shared = use->bytes <= SMALL_MAX ? msgget(IPC_PRIVATE, 0600) : -1;
	if (*shared >= 0)
		return shared;
	free(shared);
	return NULL;
}

static void *join_system_v(void *shared, const struct bench_way_use *use, unsigned index)
{
	struct system_v_end *end = calloc(1, sizeof *end);

	(void)use;
	end->id = *(int *)shared;
	end->out = 1 + (long)index;
	return end;
}

static void send_system_v(void *state, const void *data, size_t bytes)
{
	struct system_v_end *end = state;

	end->message.type = end->out;
	memcpy(end->message.bytes, data, bytes);
	if (msgsnd(end->id, &end->message, bytes, 0) < 0)
		bench_die("msgsnd failed");
}

static void receive_system_v(void *state, void *data, size_t bytes)
{
	struct system_v_end *end = state;

	if (msgrcv(end->id, &end->message, bytes, 3 - end->out, 0) < 0)
		bench_die("msgrcv failed");
	memcpy(data, end->message.bytes, bytes);
}

static void close_system_v(void *shared)
{
	msgctl(*(int *)shared, IPC_RMID, NULL);
	free(shared);
}

const struct bench_way bench_way_system_v = { open_system_v, join_system_v, send_system_v,
					      receive_system_v, close_system_v };

/* -- POSIX queues ------------------------------------------------------------------------ */

struct posix {
	mqd_t queues[2];
};

struct posix_end {
	mqd_t out, in;
};

static mqd_t posix_queue(const struct bench_way_use *use, int direction)
{
	struct mq_attr a = { .mq_maxmsg = POSIX_DEPTH, .mq_msgsize = (long)use->bytes };
	char name[48];
	mqd_t queue;

	snprintf(name, sizeof name, "/bench-way-%d-%d", (int)getpid(), direction);
	queue = mq_open(name, O_CREAT | O_EXCL | O_RDWR, 0600, &a);
	mq_unlink(name);
	return queue;
}

static void *open_posix(const struct bench_way_use *use)
{
	struct posix *shared = malloc(sizeof *shared);

	for (int i = 0; i < 2; i++)
		shared->queues[i] = use->bytes <= SMALL_MAX ? posix_queue(use, i) : (mqd_t)-1;
	if (shared->queues[0] != (mqd_t)-1 && shared->queues[1] != (mqd_t)-1)
		return shared;
	free(shared);
	return NULL;
}

static void *join_posix(void *shared, const struct bench_way_use *use, unsigned index)
{
	const struct posix *queues = shared;
	struct posix_end *end = malloc(sizeof *end);

	(void)use;
	*end = (struct posix_end){ queues->queues[index], queues->queues[!index] };
	return end;
}

static void send_posix(void *end, const void *data, size_t bytes)
{
	if (mq_send(((struct posix_end *)end)->out, data, bytes, 0) < 0)
		bench_die("mq_send failed");
}

static void receive_posix(void *end, void *data, size_t bytes)
{
	if (mq_receive(((struct posix_end *)end)->in, data, bytes, NULL) < 0)
		bench_die("mq_receive failed");
}

static void close_posix(void *shared)
{
	struct posix *queues = shared;

	mq_close(queues->queues[0]);
	mq_close(queues->queues[1]);
	free(queues);
}

const struct bench_way bench_way_posix = { open_posix, join_posix, send_posix, receive_posix,
					   close_posix };
