/* SPDX-License-Identifier: MIT */
/*
 * fresh.h - what is tested is made anew for each test, in a segment of its own, and leaves nothing
 */
#ifndef TESTS_API_FRESH_H
#define TESTS_API_FRESH_H

#include "../t.h"

static dure_segment *seg;
static uint64_t blocks_without;		/* live blocks when there is nothing that is tested */

/* each test file's own: with the defaults of its tests */
static void make(void);
static void unmake(void);

/* The directory has room for all names that there will be: each may need a table. */
static inline void make_room_for_names(void)
{
	static const char *const names[] = { "board", "queue", "service", "topic", "other" };
	enum { COUNT = sizeof names / sizeof *names };
	uint64_t *object;

	for (int i = 0; i < COUNT; i++)
		T_OK(dure_object_construct(seg, names[i], DURE_TYPE(uint64_t), 1, NULL, NULL,
					   (void **)&object));
	for (int i = 0; i < COUNT; i++)
		T_OK(dure_object_destroy(seg, names[i], DURE_TYPE(uint64_t), NULL, NULL));
}

static inline int setup(void **state)
{
	(void)state;
	seg = t_segment(64 << 20);
	make_room_for_names();
	make();
	unmake();
	blocks_without = t_live_blocks(seg);
	make();
	return 0;
}

static inline int teardown(void **state)
{
	(void)state;
	T_OK(dure_segment_recover(seg));
	t_clean(seg);
	unmake();
	assert_int_equal(t_live_blocks(seg), blocks_without);
	t_clean(seg);
	t_close(seg);
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* the same numbers in each run */
static inline unsigned dice(unsigned sides)
{
	static uint64_t state = 88172645463325252u;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (unsigned)(state % sides);
}

static inline int poll_for(int fd, int timeout_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, timeout_ms);
}

#endif
