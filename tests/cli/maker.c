/* SPDX-License-Identifier: MIT */
/*
 * maker.c - segments for the tests of the command
 *
 *	maker posix|process NAME	\
 *	maker file PATH			 > makes it, with some objects in it
 *	maker sysv KEY			/
 *	maker dump KEY			sysv, and its maker's core dump has it
 *	maker left NAME			the same as posix, but nobody stays
 *	maker holder NAME		posix, and its maker holds a lock in a transaction, for which
 *					a thread of its own waits
 *	maker sharer NAME		posix, and its maker reads under a lock and has three units
 *					of a semaphore
 *	maker circle NAME		posix, and three children wait for each other's locks
 *	maker publisher NAME		posix, and its maker has a topic of three publications, and a
 *					subscriber that has taken one and has it on loan
 *	maker containers NAME		posix, and each kind of container twice: KIND with odd things in
 *					it, KIND-2 empty
 *	maker hostile NAME		posix, with objects whose names are markup and escapes
 *	maker dead NAME			posix, and a participant was killed with a lock and reserved
 *					blocks
 *
 * Says "ready PID" (dead: the pid of the dead one) and stays until its input ends.
 */
#include <dure.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

struct shop {
	dure_mutex lock;
	uint64_t stock;
};

struct hall {
	dure_rwlock lock;
	dure_semaphore semaphore;
};

struct point {
	double x, y;
};

static dure_segment *seg;
static struct shop *shop;

static void must(int r)
{
	if (r >= 0)
		return;
	fprintf(stderr, "maker: %s\n", dure_last_error());
	exit(1);
}

static void open_segment(const char *kind, const char *name)
{
	struct dure_segment_options o = { .sz = sizeof o, .size_bytes = 4 << 20 };

	if (strcmp(kind, "process") == 0)
		o.lifetime = DURE_LIFETIME_PROCESS;
	if (strcmp(kind, "file") == 0)
		o.backing = DURE_BACKING_FILE;
	if (strcmp(kind, "dump") == 0)
		o.flags = DURE_SEGMENT_DUMP;
	if (strcmp(kind, "sysv") == 0 || strcmp(kind, "dump") == 0) {
		o.backing = DURE_BACKING_SYSV;
		o.key = (int32_t)strtol(name, NULL, 0);
		name = NULL;
	}
	must(dure_segment_open(name, DURE_CREATE, &o, &seg));
}

static void furnish(void)
{
	struct dure_map_options m = { .sz = sizeof m, .partitions = 4 };
	dure_map *map;
	void *object;

	must(dure_object_construct(seg, "shop", DURE_TYPE(struct shop), 1, NULL, NULL,
				   (void **)&shop));
	must(dure_object_construct(seg, "points", DURE_TYPE(struct point), 1000, NULL, NULL, &object));
	must(dure_object_construct(seg, "odd\n\033[31mname", DURE_TYPE(int), 1, NULL, NULL, &object));
	must(dure_object_construct(seg, DURE_UNIQUE, DURE_TYPE(struct point), 1, NULL, NULL, &object));
	must(dure_map_open(seg, "words", DURE_CREATE, &m, &map));
	must(dure_map_add(map, "one", 3, 1, NULL));
	dure_map_close(map);
	must(dure_thread_detach(seg));
}

/* -- holders ------------------------------------------------------------------------------ */

static void hold(void)
{
	dure_tx *tx;

	must(dure_tx_begin(seg, &tx));
	must(dure_tx_lock(tx, &shop->lock, DURE_FOREVER));
	must(dure_tx_add(tx, &shop->stock, sizeof shop->stock));
	shop->stock = 99;
}

static void *wait_for_lock(void *context)
{
	dure_mutex_lock(seg, &shop->lock, DURE_FOREVER);
	return context;
}

static int look_for_waiter(const struct dure_thread_info *info, void *context)
{
	(void)context;
	return info->waits_for.offset != 0;
}

/* Until the other thread is seen to wait, at most about ten seconds. */
static void hold_and_be_waited_for(void)
{
	struct timespec moment = { .tv_nsec = 1000000 };
	pthread_t thread;

	hold();
	if (pthread_create(&thread, NULL, wait_for_lock, NULL) != 0)
		exit(1);
	for (int i = 0; i < 10000; i++) {
		if (dure_thread_list(seg, look_for_waiter, NULL))
			return;
		nanosleep(&moment, NULL);
	}
	fputs("maker: nobody waits for the lock\n", stderr);
	exit(1);
}

enum { FORKS = 3 };

static dure_mutex *forks;

static int count_waiter(const struct dure_thread_info *info, void *context)
{
	*(int *)context += info->waits_for.offset != 0;
	return 0;
}

/* Each has one and wants the next; plain mutexes do not look for circles. */
static void dine(int number)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	must(dure_segment_reattach(seg));
	must(dure_mutex_lock(seg, &forks[number], DURE_FOREVER));
	for (int taken = 0; taken < FORKS; ) {
		struct dure_participant holder = { .sz = sizeof holder };
		taken = 0;
		for (int i = 0; i < FORKS; i++)
			taken += dure_mutex_holder(seg, &forks[i], &holder) == 1;
	}
	dure_mutex_lock(seg, &forks[(number + 1) % FORKS], DURE_FOREVER);
	exit(1);
}

static void wait_in_a_circle(void)
{
	struct timespec moment = { .tv_nsec = 1000000 };

	must(dure_object_construct(seg, "forks", DURE_TYPE(dure_mutex), FORKS, NULL, NULL,
				   (void **)&forks));
	for (int i = 0; i < FORKS; i++)
		if (fork() == 0)
			dine(i);
	for (int i = 0, waiting = 0; i < 10000; i++, waiting = 0) {
		dure_thread_list(seg, count_waiter, &waiting);
		if (waiting == FORKS)
			return;
		nanosleep(&moment, NULL);
	}
	fputs("maker: there is no circle\n", stderr);
	exit(1);
}

static void share(void)
{
	struct hall *hall;

	must(dure_object_construct(seg, "hall", DURE_TYPE(struct hall), 1, NULL, NULL, (void **)&hall));
	must(dure_semaphore_post(seg, &hall->semaphore, 5));
	must(dure_rwlock_lock(seg, &hall->lock, DURE_SHARED, 0));
	must(dure_semaphore_take(seg, &hall->semaphore, 3, 0, 0));
}

static const char odd_text[] = "with, comma \"quoted\"\r\n\xc3\xa9\xe2\x82\xac";
static const char odd_bytes[] = "\xff\0\n,\"";

static void make_maps(const char *name, uint64_t value_bytes, int is_full)
{
	struct dure_map_options o = { .sz = sizeof o, .partitions = 4, .value_bytes = value_bytes };
	int64_t values[] = { INT64_MIN, -5, 77 };
	dure_map *map;

	must(dure_map_open(seg, name, DURE_CREATE, &o, &map));
	if (is_full) {
		must(dure_map_put(map, "plain", 5, &values[0]));
		must(dure_map_put(map, odd_text, sizeof odd_text - 1, &values[1]));
		must(dure_map_put(map, odd_bytes, sizeof odd_bytes - 1, &values[2]));
	}
	dure_map_close(map);
}

static void make_ordered(const char *name, const char *ordering, uint64_t value_bytes, int is_full)
{
	struct dure_ordered_options o = { .sz = sizeof o, .ordering = ordering,
					  .flags = DURE_ORDERED_MULTI, .value_bytes = value_bytes };
	static const double doubles[] = { -0.0, 0.1, 1e300, -5e-324, 3.0 };
	static const uint64_t numbers[] = { 0, 1, 5, UINT64_MAX, (uint64_t)1 << 63 };
	dure_ordered *map;

	must(dure_ordered_open(seg, name, DURE_CREATE, &o, &map));
	for (unsigned i = 0; is_full && i < 10; i++) {
		unsigned char value[16] = { (unsigned char)(i * 40), [15] = 1 };
		if (strcmp(ordering, "double") == 0)
			must(dure_ordered_put(map, &doubles[i / 2], 8, value));
		else if (strcmp(ordering, "nocase") == 0)
			must(dure_ordered_put(map, i % 2 ? "Word" : "word", 4, value));
		else
			must(dure_ordered_put(map, &numbers[i / 2], 8, value));
	}
	dure_ordered_close(map);
}

static void make_lists(const char *suffix, int is_full)
{
	static const struct point points[] = { { 1, 2 }, { -0.5, 1e9 } };
	static const double doubles[] = { 1.5, -2, 1e-300 };
	static const int numbers[] = { -1, 2147483647, 0 };
	dure_vector *vectors[3];
	dure_string *string;
	char name[32];

	snprintf(name, sizeof name, "points%s", suffix);
	must(dure_vector_open(seg, name, DURE_TYPE(struct point), DURE_CREATE | DURE_OPEN, NULL,
			      &vectors[0]));
	snprintf(name, sizeof name, "doubles%s", suffix);
	must(dure_vector_open(seg, name, DURE_TYPE(double), DURE_CREATE, NULL, &vectors[1]));
	snprintf(name, sizeof name, "numbers%s", suffix);
	must(dure_vector_open(seg, name, DURE_TYPE(int), DURE_CREATE, NULL, &vectors[2]));
	snprintf(name, sizeof name, "string%s", suffix);
	must(dure_string_open(seg, name, DURE_CREATE, &string));
	if (is_full) {
		must(dure_vector_push_many(vectors[0], points, 2, NULL));
		must(dure_vector_push_many(vectors[1], doubles, 3, NULL));
		must(dure_vector_push_many(vectors[2], numbers, 3, NULL));
		must(dure_string_set(string, odd_text, sizeof odd_text - 1));
	}
	for (int i = 0; i < 3; i++)
		dure_vector_close(vectors[i]);
	dure_string_close(string);
}

static void make_containers(void)
{
	for (int i = 0; i < 2; i++) {
		make_maps(i ? "map-2" : "map", 8, !i);
		make_maps(i ? "set-2" : "set", DURE_MAP_NO_VALUE, !i);
		make_ordered(i ? "double-2" : "double", "double", 4, !i);
		make_ordered(i ? "signed-2" : "signed", "signed", 16, !i);
		make_ordered(i ? "unsigned-2" : "unsigned", "unsigned", DURE_ORDERED_NO_VALUE, !i);
		make_ordered(i ? "nocase-2" : "nocase", "nocase", 1, !i);
		make_lists(i ? "-2" : "-1", !i);
	}
}

/* what would be markup, a command to a terminal, or text turned around */
static void name_hostilely(void)
{
	static const char *const names[] = {
		"<script>alert(1)</script>", "]]>&amp;\"'<b x='", "\033]0;title\a\033[2J", "back\xe2\x80\xaewards",
		"no \xff utf-8",
	};
	void *object;

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		must(dure_object_construct(seg, names[i], DURE_TYPE(struct point), 300, NULL, NULL,
					   &object));
}

static pid_t let_one_die(void)
{
	void *blocks[10];
	pid_t pid = fork();

	if (pid == 0) {
		must(dure_segment_reattach(seg));
		must(dure_block_reserve_many(seg, 300, 0, 10, blocks));
		hold();
		kill(getpid(), SIGKILL);
	}
	waitpid(pid, NULL, 0);
	return pid;
}

static void publish(void)
{
	dure_subscriber *subscriber;
	dure_topic *topic;
	const void *data;

	must(dure_topic_open(seg, "pose", DURE_CREATE, NULL, &topic));
	must(dure_topic_subscribe(topic, NULL, &subscriber));
	for (int i = 0; i < 3; i++)
		must(dure_topic_send(topic, "12345678", 8, 0));
	must(dure_subscriber_take(subscriber, &data, NULL, 0));
}

int main(int argc, char **argv)
{
	pid_t pid = getpid();

	if (argc != 3) {
		fputs("usage: maker posix|process|file|sysv|left|holder|sharer|circle|publisher|"
		      "containers|hostile|dump|dead NAME\n", stderr);
		return 2;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	open_segment(argv[1], argv[2]);
	furnish();
	if (strcmp(argv[1], "holder") == 0)
		hold_and_be_waited_for();
	if (strcmp(argv[1], "sharer") == 0)
		share();
	if (strcmp(argv[1], "circle") == 0)
		wait_in_a_circle();
	if (strcmp(argv[1], "publisher") == 0)
		publish();
	if (strcmp(argv[1], "containers") == 0)
		make_containers();
	if (strcmp(argv[1], "dump") == 0)
		hold();
	if (strcmp(argv[1], "hostile") == 0)
		name_hostilely();
	if (strcmp(argv[1], "dead") == 0)
		pid = let_one_die();
	printf("ready %d\n", (int)pid);
	fflush(stdout);
	if (strcmp(argv[1], "left") != 0)
		while (getchar() != EOF)
			;
	if (strcmp(argv[1], "holder") == 0 || strcmp(argv[1], "sharer") == 0 ||
	    strcmp(argv[1], "circle") == 0 || strcmp(argv[1], "publisher") == 0)
		_exit(0);
	must(dure_segment_close(seg));
	return 0;
}
