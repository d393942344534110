/* SPDX-License-Identifier: MIT */
/*
 * named.c - containers by name, and those that have none
 *
 * Why      A container is an object of the segment: it appears with its name, complete, and the
 *          directory lists it. All kinds are opened by the same three flags. One that belongs to
 *          an element of another container is an anonymous object; the element is its ref.
 * How      An anonymous container can be given a name later: that is an object of its own, an
 *          owner, with the ref in it. Who opens a container by such a name is led on.
 * Layout   layout/owner.h
 * Death    object/object.c.
 */
#include "container/named.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "layout/object.h"
#include "layout/owner.h"

void durei_name_keep(struct durei_name *to, struct durei_where where)
{
	if (where.name)
		strncpy(to->text, where.name, sizeof to->text - 1);
	else
		snprintf(to->text, sizeof to->text, "+%#llx", (unsigned long long)where.at->offset);
}

/* -- without a name ---------------------------------------------------------------------- */

int durei_unnamed_find(dure_segment *seg, dure_ref at, struct dure_object_info *ret)
{
	void *object = dure_ref_get(seg, at, 1);
	int r = durei_handle_check(seg);

	ret->sz = sizeof *ret;
	if (r == 0)
		r = object ? dure_object_info_of(seg, object, ret) : -EINVAL;
	if (r == 0 && ret->kind == DL_OBJECT_ANONYMOUS)
		return 0;
	if (r < 0 && r != -EINVAL)
		return r;
	return durei_error(ENOENT, "segment %s: no container without a name is at +%#llx",
			   seg->super.name, (unsigned long long)at.offset);
}

static int find_at(dure_segment *seg, const char *what, dure_ref at, struct dure_type type,
		   void **ret)
{
	struct dure_object_info info;
	int r = durei_unnamed_find(seg, at, &info);

	if (r < 0)
		return r;
	if (strcmp(info.type_name, type.name) != 0 || info.element_bytes != type.size_bytes)
		return durei_error(EINVAL, "segment %s: at +%#llx is a %.47s, no %s", seg->super.name,
				   (unsigned long long)at.offset, info.type_name, what);
	*ret = durei_at(seg, at.offset);
	return 0;
}

static int open_at(dure_segment *seg, const char *what, dure_ref *at, uint32_t flags,
		   struct dure_type type, dure_object_function init, void *plan, void **ret)
{
	if (flags & DURE_OPEN && (at->offset || !(flags & DURE_CREATE)))
		return find_at(seg, what, *at, type, ret);
	if (at->offset)
		return durei_error(EEXIST, "a new %s needs an empty ref, not +%#llx", what,
				   (unsigned long long)at->offset);
	int r = dure_object_construct(seg, DURE_ANONYMOUS, type, 1, init, plan, ret);
	if (r >= 0)
		at->offset = durei_offset(seg, *ret);
	return r;
}

/* -- by name ----------------------------------------------------------------------------- */

static const struct dure_type owner_type = { DL_OWNER_TYPE, sizeof(struct dl_owner), 8 };

int durei_owner_find(dure_segment *seg, const char *name, dure_ref *ret)
{
	struct dl_owner *owner;
	int r = dure_object_find(seg, name, owner_type, (void **)&owner, NULL);

	if (r == 0)
		ret->offset = cell64_load_acq(&owner->container);
	return r;
}

static int open_by_name(dure_segment *seg, const char *name, uint32_t flags, struct dure_type type,
			dure_object_function init, void *plan, void **ret)
{
	switch (flags) {
	case DURE_OPEN:
		return dure_object_find(seg, name, type, ret, NULL);
	case DURE_CREATE:
		return dure_object_construct(seg, name, type, 1, init, plan, ret);
	default:
		return dure_object_find_or_create(seg, name, type, 1, init, plan, ret);
	}
}

int durei_named_open(dure_segment *seg, const char *what, struct durei_where where, uint32_t flags,
		     struct dure_type type, dure_object_function init, void *plan, void **ret)
{
	dure_ref at;
	int r = durei_handle_check(seg);

	if (r < 0)
		return r;
	if (where.at ? where.name != NULL : !where.name || where.name == DURE_UNIQUE)
		return durei_error(EINVAL, "a %s needs a name, or the place of a ref", what);
	if (!flags || flags & ~(uint32_t)(DURE_CREATE | DURE_OPEN))
		return durei_error(EINVAL, "opening %s %s: flags are DURE_CREATE, DURE_OPEN or both",
				   what, where.name ? where.name : "");
	if (where.at)
		return open_at(seg, what, where.at, flags, type, init, plan, ret);
	r = open_by_name(seg, where.name, flags, type, init, plan, ret);
	if (r != -EINVAL || !(flags & DURE_OPEN))
		return r;
	if (durei_owner_find(seg, where.name, &at) == 0)
		return find_at(seg, what, at, type, ret);
	return open_by_name(seg, where.name, flags, type, init, plan, ret);	/* for its sentence */
}
