/* SPDX-License-Identifier: MIT */
/*
 * owner.c - the end of any container, with the containers that it owns; names that are given later
 *
 * Why      A container that owns others must take them with it, whatever is in them, and whoever
 *          dies meanwhile: nothing may be lost that an owner led to, and no owner may lead to
 *          what is gone.
 * How      From the inside out: what an element owns is emptied first, a bounded number of elements
 *          at a time; then one transaction destroys it and takes the element away. So all that is
 *          not gone is still led to, and who destroys again goes on.
 * Layout   layout/owner.h
 * Rules    layout/owner.h
 *          [OWNERC1] containers own others up to DURE_CONTAINER_DEPTH_MAX deep: in a damaged segment,
 *                    where they may own each other, this comes to an end
 *          [OWNERC2] an owner that leads to nothing, or to no container, owns nothing: it is taken away
 *          [OWNERC3] the object goes before the element, in the order in which a program that makes
 *                    and inserts one takes the locks
 * Death    clear, and destroy, after step
 *          1 some elements of what is owned   a container with fewer elements   whoever does it next
 *          2 the owned one and its element    the same                          the same
 *          3 some elements                    the same                          the same
 *          4 name and rest                    gone                              -
 *          each of them is a log (tx/log.c). give_name, take_name: object/object.c.
 */
#include "container/owner.h"

#include <dure/container.h>

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "layout/owner.h"
#include "tx/log.h"

static const struct durei_container *const kinds[] = {
	&durei_bitmaps, &durei_deques, &durei_lists, &durei_maps, &durei_ordereds, &durei_priorities,
	&durei_strings, &durei_vectors,
};

enum { KINDS = sizeof kinds / sizeof *kinds };

/* -- any container ------------------------------------------------------------------------ */

/* One that has been found; close with free(handle). */
struct found {
	const struct durei_container *kind;
	void *shared, *handle;
};

static int bind(struct found *f, dure_segment *seg, struct durei_where where)
{
	int r;

	f->handle = calloc(1, f->kind->handle_bytes);
	if (!f->handle)
		return durei_error_plain(ENOMEM);
	r = f->kind->bind(f->handle, seg, f->shared, where);
	if (r < 0) {
		free(f->handle);
		f->handle = NULL;
	}
	return r;
}

static int find_at(dure_segment *seg, dure_ref at, struct found *ret)
{
	struct dure_object_info info;
	int r = durei_unnamed_find(seg, at, &info);

	if (r < 0)
		return r;
	for (int i = 0; i < KINDS; i++)
		if (strcmp(info.type_name, kinds[i]->object.name) == 0 &&
		    info.element_bytes == kinds[i]->object.size_bytes) {
			*ret = (struct found){ .kind = kinds[i], .shared = durei_at(seg, at.offset) };
			return bind(ret, seg, durei_by_ref(&at));
		}
	return durei_error(EINVAL, "segment %s: the %.47s at +%#llx is no container", seg->super.name,
			   info.type_name, (unsigned long long)at.offset);
}

/* Steps 1 to 3. */
static int empty(const struct found *f, struct durei_lane *lane, unsigned depth)
{
	int r = f->kind->free_some != NULL;

	if (depth > DURE_CONTAINER_DEPTH_MAX)				/* [OWNERC1] */
		return durei_error(EUCLEAN, "segment %s: containers own others more than %d deep, or in a "
				   "circle", lane->seg->super.name, DURE_CONTAINER_DEPTH_MAX);
	while (r > 0)
		r = f->kind->free_some(f->handle, lane, depth);
	return r;
}

/* Step 2. [OWNERC3] */
static int free_with_element(dure_segment *seg, const struct found *f, int (*take)(void *context),
			     void *context)
{
	dure_tx *tx;
	int r = dure_tx_begin(seg, &tx);

	if (r < 0)
		return r;
	if (f->handle)
		r = dure_object_destroy_at(seg, f->shared, f->kind->free_rest, f->handle);
	if (r == 0)
		r = take(context);
	if (r == 0)
		return dure_tx_commit(tx);
	(void)dure_tx_abort(tx);
	return r;
}

int durei_owned_free(struct durei_lane *lane, dure_ref owned, unsigned depth,
		     int (*take)(void *context), void *context)
{
	struct found f = { .handle = NULL };
	int r = owned.offset ? find_at(lane->seg, owned, &f) : 0;

	if (r == -ENOENT || r == -EINVAL)				/* [OWNERC2] */
		r = 0;
	if (r == 0 && f.handle)
		r = empty(&f, lane, depth + 1);
	if (r == 0)
		r = free_with_element(lane->seg, &f, take, context);
	free(f.handle);
	return r;
}

static struct durei_lane *lane_outside_tx(dure_segment *seg, const char *what, int *ret_error)
{
	struct durei_lane *lane = durei_lane_get(seg, ret_error);

	if (!lane || !durei_log_is_open(lane))
		return lane;
	*ret_error = durei_error(EDEADLK, "a %s cannot be cleared or destroyed inside a transaction",
				 what);
	return NULL;
}

int durei_container_empty(const struct durei_container *kind, void *handle, dure_segment *seg)
{
	struct found f = { .kind = kind, .handle = handle };
	int r = 0;
	struct durei_lane *lane = lane_outside_tx(seg, kind->what, &r);

	return lane ? empty(&f, lane, 0) : r;
}

/* -- by name ----------------------------------------------------------------------------- */

static const struct dure_type owner_type = { DL_OWNER_TYPE, sizeof(struct dl_owner), 8 };

struct name {
	dure_segment *seg;
	const char *text;
};

static int destroy_name(void *context)
{
	const struct name *name = context;

	return dure_object_destroy(name->seg, name->text, owner_type, NULL, NULL);
}

/* Step 4. */
static int free_named(dure_segment *seg, const char *name, const struct found *f)
{
	struct name owner = { seg, name };
	dure_ref at;

	if (durei_owner_find(seg, name, &at) < 0)
		return dure_object_destroy(seg, name, f->kind->object, f->kind->free_rest, f->handle);
	return free_with_element(seg, f, destroy_name, &owner);
}

int durei_container_end(const struct durei_container *kind, dure_segment *seg, const char *name)
{
	struct found f = { .kind = kind };
	int r = durei_named_open(seg, kind->what, durei_by_name(name), DURE_OPEN, kind->object, NULL,
				 NULL, &f.shared);

	if (r == 0)
		r = bind(&f, seg, durei_by_name(name));
	if (r == 0)
		r = durei_container_empty(kind, f.handle, seg);
	if (r == 0)
		r = free_named(seg, name, &f);
	free(f.handle);
	return r;
}

/* The constructor of a name. */
static int lead_to(dure_tx *tx, void *object, uint64_t count, void *context)
{
	const dure_ref *at = context;

	(void)tx;
	(void)count;
	cell64_store_rel(&((struct dl_owner *)object)->container, at->offset);
	return 0;
}

int dure_container_give_name(dure_segment *segment, dure_ref at, const char *name)
{
	struct found f = { .handle = NULL };
	void *owner;
	int r = durei_handle_check(segment);

	if (r == 0 && (!name || name == DURE_UNIQUE))
		r = durei_error(EINVAL, "a container's name is a text");
	if (r == 0)
		r = find_at(segment, at, &f);
	if (r < 0)
		return r;
	free(f.handle);
	r = dure_object_construct(segment, name, owner_type, 1, lead_to, &at, &owner);
	return r < 0 ? r : 0;
}

/* The destructor of a name, under its lock. */
static int see_ref(dure_tx *tx, void *object, uint64_t count, void *context)
{
	(void)tx;
	(void)count;
	((dure_ref *)context)->offset = cell64_load_acq(&((struct dl_owner *)object)->container);
	return 0;
}

int dure_container_take_name(dure_segment *segment, const char *name, dure_ref *ret)
{
	dure_ref at = { 0 };
	int r = 0;
	struct durei_lane *lane = durei_lane_get(segment, &r);

	if (!lane)
		return r;
	if (!name || name == DURE_UNIQUE)
		return durei_error(EINVAL, "a container's name is a text");
	if (!durei_log_is_open(lane))
		return durei_error(EPERM, "%s: a container that has lost its name and has no other owner "
				   "would be lost: take the name in a transaction", name);
	r = dure_object_destroy(segment, name, owner_type, see_ref, &at);
	if (r == 0)
		*ret = at;
	return r;
}

/* -- without a name ---------------------------------------------------------------------- */

int dure_container_clear(dure_segment *segment, dure_ref at)
{
	struct found f = { .handle = NULL };
	int r = durei_handle_check(segment);

	if (r == 0)
		r = find_at(segment, at, &f);
	if (r == 0)
		r = durei_container_empty(f.kind, f.handle, segment);
	free(f.handle);
	return r;
}

static int free_unnamed(dure_segment *seg, struct durei_lane *lane, const struct found *f)
{
	int r = 0;

	if (!durei_log_is_open(lane))
		r = empty(f, lane, 0);
	else if (f->kind->is_empty && !f->kind->is_empty(f->handle))
		r = durei_error(EBUSY, "a %s that has elements is cleared before the transaction which "
				"destroys it: dure_container_clear", f->kind->what);
	return r < 0 ? r : dure_object_destroy_at(seg, f->shared, f->kind->free_rest, f->handle);
}

int dure_container_destroy(dure_segment *segment, dure_ref at)
{
	struct found f = { .handle = NULL };
	int r = 0;
	struct durei_lane *lane = durei_lane_get(segment, &r);

	if (!lane)
		return r;
	r = find_at(segment, at, &f);
	if (r == 0)
		r = free_unnamed(segment, lane, &f);
	free(f.handle);
	return r;
}
