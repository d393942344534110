/* SPDX-License-Identifier: MIT */
/*
 * root.h - for tests of what stands in one object of a segment: seg, root, and the end of both
 *
 * struct root is defined before this is included.
 */
#ifndef TESTS_API_ROOT_H
#define TESTS_API_ROOT_H

#include "../t.h"

static dure_segment *seg;
static struct root *root;

/* in seg; zeros */
static inline void make_root(void)
{
	T_OK(dure_object_construct(seg, "root", DURE_TYPE(struct root), 1, NULL, NULL, (void **)&root));
}

static inline void make_segment_and_root(void)
{
	seg = t_segment(16 << 20);
	make_root();
}

/* nothing is left by the dead, and nothing is damaged */
static int teardown(void **state)
{
	(void)state;
	t_finish(seg);
	return 0;
}

#endif
