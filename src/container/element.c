/* SPDX-License-Identifier: MIT */
/*
 * element.c - containers of equal elements: opening them, and checking what they hold
 *
 * Why      Two programs that mean different things by one name must find out before the first
 *          element is read: the container remembers its elements' type, and refuses another one.
 * Rules    layout/element.h
 * Death    object/object.c.
 */
#include "container/element.h"

#include <string.h>

#include "base/error.h"
#include "base/hash.h"
#include "layout/owner.h"

static uint64_t type_hash(const struct dure_type *type)
{
	return hash_bytes(0, type->name, strlen(type->name));
}

int durei_element_check(const struct durei_kind *kind, const struct dure_type *type)
{
	if (!type->name || !*type->name || !type->size_bytes || type->size_bytes > DL_ELEMENT_MAX)
		return durei_error(EINVAL, "a %s's type needs a name, and a size of 1 to %d bytes",
				   kind->what, DL_ELEMENT_MAX);
	if (!is_power_of_two(type->align_bytes) || type->align_bytes > DL_ELEMENT_ALIGN_MAX ||
	    type->size_bytes % type->align_bytes)
		return durei_error(EINVAL, "type %s: an alignment of %llu is no power of two up to %d "
				   "that divides the size", type->name,
				   (unsigned long long)type->align_bytes, DL_ELEMENT_ALIGN_MAX);
	return 0;
}

void durei_element_format(struct dl_element *shared, const struct dure_type *type)
{
	shared->bytes = type->size_bytes;
	shared->align = (uint32_t)type->align_bytes;
	shared->type_hash = type_hash(type);
	memcpy(shared->type_name, type->name, strnlen(type->name, DL_ELEMENT_NAME_BYTES - 1));
}

static const struct dl_element *element_of(const struct durei_elements *e)
{
	return (const void *)((const char *)e->shared + e->kind->element);
}

int durei_elements_bind(struct durei_elements *e, const struct durei_kind *kind, dure_segment *seg,
			void *shared, struct durei_where where)
{
	e->seg = seg;
	e->kind = kind;
	e->shared = shared;
	e->bytes = element_of(e)->bytes;
	e->align = element_of(e)->align;
	durei_name_keep(&e->name, where);
	if (e->bytes && e->bytes <= DL_ELEMENT_MAX && is_power_of_two(e->align) &&
	    e->align <= DL_ELEMENT_ALIGN_MAX)
		return 0;
	return durei_elements_damaged(e, "the size of the elements");
}

static int check_found(const struct durei_elements *e, const struct dure_type *type)
{
	const struct dl_element *element = element_of(e);

	if (element->type_hash == type_hash(type) && e->bytes == type->size_bytes)
		return 0;
	return durei_error(EINVAL, "segment %s: %s %s has elements %.47s of %llu bytes, not %s of %llu",
			   e->seg->super.name, e->kind->what, e->name.text,
			   (const char *)element->type_name, (unsigned long long)e->bytes,
			   type->name, (unsigned long long)type->size_bytes);
}

int durei_elements_open(struct durei_elements *ret, const struct durei_kind *kind,
			dure_segment *seg, struct durei_where where, const struct dure_type *type,
			uint32_t flags, dure_object_function init, void *plan)
{
	void *shared = NULL;
	int made = durei_named_open(seg, kind->what, where, flags, kind->object, init, plan, &shared);
	int r = made;

	if (r >= 0)
		r = durei_elements_bind(ret, kind, seg, shared, where);
	if (r == 0)
		r = check_found(ret, type);
	return r < 0 ? r : made;
}

bool durei_elements_own(const struct durei_elements *elements)
{
	static const struct dure_type owner = { DL_OWNER_TYPE, sizeof(struct dl_owner), 8 };

	return elements->bytes == owner.size_bytes &&
	       element_of(elements)->type_hash == type_hash(&owner);
}

int durei_elements_find(struct durei_elements *ret, const struct durei_kind *kind,
			dure_segment *seg, const char *name)
{
	void *shared = NULL;
	struct durei_where where = durei_by_name(name);
	int r = durei_named_open(seg, kind->what, where, DURE_OPEN, kind->object, NULL, NULL, &shared);

	return r < 0 ? r : durei_elements_bind(ret, kind, seg, shared, where);
}

int durei_elements_damaged(const struct durei_elements *elements, const char *what)
{
	return durei_error(EUCLEAN, "segment %s: %s of %s %s is missing or wrong: run dure check",
			   elements->seg->super.name, what, elements->kind->what,
			   elements->name.text);
}
