/* SPDX-License-Identifier: MIT */
/*
 * segments.h - what tests of segments put into them, and how they see that two handles share it
 */
#ifndef TESTS_API_SEGMENTS_H
#define TESTS_API_SEGMENTS_H

#include "../t.h"

struct root {
	dure_mutex lock;
	uint64_t value;
	dure_ref block;
};

static inline struct root *root_of(dure_segment *seg)
{
	struct root *root;

	T_OK(dure_object_find_or_create(seg, "root", DURE_TYPE(struct root), 1, NULL, NULL,
					(void **)&root));
	return root;
}

/* writes something through one handle, sees it through the other */
static inline void share(dure_segment *a, dure_segment *b)
{
	struct root *x = root_of(a), *y = root_of(b);

	x->value = 42;
	assert_int_equal(y->value, 42);
	T_OK(dure_mutex_lock(a, &x->lock, DURE_FOREVER));
	T_IS(dure_mutex_lock(b, &y->lock, 0), a == b ? -EDEADLK : -EAGAIN);
	T_OK(dure_block_alloc(a, 1000, 0, &x->block));
	memset(dure_ref_get(b, y->block, 1000), 9, 1000);
	T_OK(dure_block_free_from(a, &x->block));
	T_OK(dure_mutex_unlock(a, &x->lock));
	T_OK(dure_mutex_lock(b, &y->lock, 0));
	T_OK(dure_mutex_unlock(b, &y->lock));
	t_clean(a);
}

#endif
