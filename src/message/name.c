/* SPDX-License-Identifier: MIT */
/*
 * name.c - the name of a queue or ring, held still while it is opened or destroyed
 *
 * Why      Who opens something must say so in it before anybody can free it. Finding does not
 *          lock the name; but constructing within a transaction does, also when the name turns
 *          out to be taken (object/object.c [OBJECT1]). So everything is opened by constructing.
 * Death    object/object.c
 */
#include "message/name.h"

#include "base/error.h"
#include "tx/log.h"

static int begin(const struct durei_name *n, uint32_t flags, dure_tx **ret)
{
	int r = 0;
	struct durei_lane *lane = durei_lane_get(n->seg, &r);

	if (!lane)
		return r;
	if (!n->name || n->name == DURE_UNIQUE)
		return durei_error(EINVAL, "a %s needs a name", n->what);
	if (!flags || flags & ~(uint32_t)(DURE_CREATE | DURE_OPEN))
		return durei_error(EINVAL, "%s %s: flags are DURE_CREATE, DURE_OPEN or both", n->what,
				   n->name);
	if (durei_log_is_open(lane))
		return durei_error(EDEADLK, "%s %s cannot be opened or destroyed inside a transaction",
				   n->what, n->name);
	return dure_tx_begin(n->seg, ret);
}

static int find_or_make(const struct durei_name *n, uint32_t flags, void **ret)
{
	int r = flags & DURE_CREATE ? 0 : dure_object_find(n->seg, n->name, n->type, ret, NULL);

	if (r == 0)
		r = dure_object_construct(n->seg, n->name, n->type, 1, n->format, n->options, ret);
	if (r == DURE_CREATED && !(flags & DURE_CREATE))	/* destroyed meanwhile */
		return durei_error(ENOENT, "segment %s has no %s %s", n->seg->super.name, n->what,
				   n->name);
	if (r == -EEXIST && flags & DURE_OPEN)
		r = dure_object_find(n->seg, n->name, n->type, ret, NULL);
	return r;
}

int durei_name_hold(const struct durei_name *n, uint32_t flags, dure_tx **ret_tx, void **ret)
{
	dure_tx *tx;
	int r = begin(n, flags, &tx);

	if (r < 0)
		return r;
	r = find_or_make(n, flags, ret);
	if (r < 0)
		(void)dure_tx_abort(tx);
	else
		*ret_tx = tx;
	return r;
}
