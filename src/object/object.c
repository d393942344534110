/* SPDX-License-Identifier: MIT */
/*
 * object.c - things in a segment that are found by name
 *
 * Why      A name must lead to a whole object or to nothing. So an object is built in a
 *          reserved block, by the constructor's own means, and its name appears last, in the
 *          same step in which its block, and all that the constructor allocated, become live.
 * Layout   layout/object.h
 * Rules    [OBJECT1] a constructor runs under no lock of ours, unless the caller has begun a
 *                    transaction: then the name's partition is locked first, for a loser could
 *                    not be undone alone
 *          [OBJECT2] what a found entry says of its size and type is checked before use
 *          [OBJECT3] and what is read of it without its lock counts only when the partition's
 *                    version is unchanged afterwards
 * Death    tx/log.c. Before the commit: blocks reserved by the dead, which are free.
 */
#include <dure/object.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/options.h"
#include "heap/heap.h"
#include "index/index.h"
#include "layout/object.h"
#include "object/object.h"
#include "os/futex.h"
#include "os/self.h"
#include "tx/log.h"

enum { TYPE_ALIGN_MAX = 4096, BLOCK_ALIGN = 16, READ_RETRIES_MAX = 10000 };

/* An object as asked for, checked. */
struct wish {
	struct dure_type type;
	uint64_t count;
	uint64_t type_hash;
	uint64_t data_bytes;
	struct durei_key key;
	uint64_t offset;		/* the key of an anonymous object */
	dure_object_function function;
	void *context;
};

/* -- the directory ----------------------------------------------------------------------- */

int durei_object_format(struct durei_lane *lane)
{
	dure_segment *seg = lane->seg;
	uint32_t bits = seg->super.index_bits;
	uint64_t offset;
	int r = durei_block_reserve(lane, dl_index_bytes(bits), 64, &offset);

	if (r < 0)
		return r;
	durei_index_format(durei_at(seg, offset), bits, seg->super.hash_seed);
	r = dure_block_keep(seg, durei_at(seg, offset));
	if (r == 0)		/* nobody sees the segment yet */
		cell64_store_rel(&seg->state->directory, offset);
	return r;
}

static int open_directory(dure_segment *seg, struct durei_index *ret)
{
	return durei_index_open(seg, cell64_load_acq(&seg->state->directory), ret);
}

/* -- what is asked for ------------------------------------------------------------------- */

static int check_type(const struct dure_type *type, uint64_t count)
{
	uint64_t bytes;

	if (!type->name || !*type->name || !type->size_bytes)
		return durei_error(EINVAL, "an object's type needs a name and a size");
	if (!is_power_of_two(type->align_bytes) || type->align_bytes > TYPE_ALIGN_MAX)
		return durei_error(EINVAL, "type %s: an alignment of %" PRIu64 " is no power of two up "
				   "to %d", type->name, type->align_bytes, TYPE_ALIGN_MAX);
	if (!count || !mul_fits(type->size_bytes, count, &bytes) || bytes > DL_BYTES_MAX)
		return durei_error(EINVAL, "%" PRIu64 " elements of %s are none, or too many", count,
				   type->name);
	return 0;
}

static int make_key(const struct durei_index *directory, const char *name, struct wish *wish)
{
	bool is_unique = name == DURE_UNIQUE;
	const char *text = is_unique ? wish->type.name : name;
	size_t bytes = strlen(text);

	if (bytes == 0 || bytes > DURE_OBJECT_NAME_MAX)
		return durei_error(EINVAL, "an object's name has 1 to %d bytes, not %zu",
				   DURE_OBJECT_NAME_MAX, bytes);
	wish->key = (struct durei_key){
		.kind = is_unique ? DL_OBJECT_UNIQUE : DL_OBJECT_NAMED,
		.data = text,
		.bytes = (uint32_t)bytes,
	};
	wish->key.hash = durei_index_hash(directory, wish->key.kind, text, wish->key.bytes);
	return 0;
}

static int make_wish(const struct durei_index *directory, const char *name,
		     struct dure_type type, uint64_t count, struct wish *ret)
{
	int r = check_type(&type, count);

	if (r < 0)
		return r;
	ret->type = type;
	ret->count = count;
	ret->type_hash = hash_bytes(0, type.name, strlen(type.name));
	ret->data_bytes = type.size_bytes * count;
	if (name)
		return make_key(directory, name, ret);
	ret->key = (struct durei_key){ .kind = DL_OBJECT_ANONYMOUS, .bytes = sizeof(uint64_t) };
	return 0;
}

static const char *shown_name(const struct wish *wish)
{
	return wish->key.kind == DL_OBJECT_ANONYMOUS ? "(anonymous)" : wish->key.data;
}

static struct dl_object_notes *notes_of(const struct dl_object *object)
{
	return (void *)((char *)(uintptr_t)object +
			dl_object_notes_offset(object->entry.key_bytes));
}

/* [OBJECT2] */
static bool is_whole(dure_segment *seg, const struct dl_object *object)
{
	uint64_t bytes, start = durei_offset(seg, object);

	return is_power_of_two(object->align) && object->align <= TYPE_ALIGN_MAX &&
	       (start + object->data_offset) % max_u64(object->align, 8) == 0 &&
	       object->data_offset >= dl_object_notes_offset(object->entry.key_bytes) +
					      sizeof(struct dl_object_notes) &&
	       object->element_bytes && object->count &&
	       mul_fits(object->element_bytes, object->count, &bytes) &&
	       durei_bytes_are_backed(seg, start + object->data_offset, bytes);
}

static int check_found(dure_segment *seg, const struct dl_object *object, const struct wish *wish)
{
	if (object->type_hash == wish->type_hash && object->element_bytes == wish->type.size_bytes &&
	    object->align == wish->type.align_bytes)
		return is_whole(seg, object)
			       ? 0
			       : durei_error(EUCLEAN, "segment %s: object %s does not lie inside it: "
					     "run dure check", seg->super.name, shown_name(wish));
	return durei_error(EINVAL, "segment %s: object %s is a %.47s of %" PRIu64 " bytes aligned to "
			   "%u, not a %s of %" PRIu64 " aligned to %" PRIu64, seg->super.name,
			   shown_name(wish),
			   is_whole(seg, object) ? (const char *)notes_of(object)->type_name : "?",
			   object->element_bytes, object->align, wish->type.name,
			   wish->type.size_bytes, wish->type.align_bytes);
}

static void *data_of(const struct dl_object *object)
{
	return (char *)(uintptr_t)object + object->data_offset;
}

/* -- finding ----------------------------------------------------------------------------- */

static int not_there(const dure_segment *seg, const struct wish *wish)
{
	return durei_error(ENOENT, "segment %s has no object %s", seg->super.name, shown_name(wish));
}

/* [OBJECT3] What is read of an object counts while the partition's version stands still. */
static int look_up(const struct durei_index *directory, const struct durei_lane *lane,
		   const struct wish *wish, void **ret, uint64_t *ret_count)
{
	const struct dl_partition *partition = durei_index_partition(directory, wish->key.hash);

	for (int tries = 0; tries < READ_RETRIES_MAX; tries++) {
		uint64_t version = cell64_load_acq(&partition->version);
		const struct dl_object *object;
		int r = 0;
		object = (const struct dl_object *)durei_index_find(directory, lane, &wish->key,
								    sizeof *object, &r);
		if (!object)
			return r < 0 ? r : not_there(directory->seg, wish);
		r = check_found(directory->seg, object, wish);
		void *data = data_of(object);
		uint64_t count = object->count;
		fence_acquire();	/* what was read above, before the version again */
		if (cell64_load_acq(&partition->version) != version)
			continue;
		if (r == 0)
			*ret = data;
		if (r == 0 && ret_count)
			*ret_count = count;
		return r;
	}
	return durei_error_plain(EAGAIN);
}

int dure_object_find(dure_segment *segment, const char *name, struct dure_type type, void **ret,
		     uint64_t *ret_count)
{
	struct durei_lane *lane = durei_lane_last;
	struct durei_index directory;
	struct wish wish;
	int r = lane->seg == segment && segment ? 0 : durei_handle_check(segment);

	if (r == 0)
		r = open_directory(segment, &directory);
	if (r == 0)
		r = name ? make_wish(&directory, name, type, 1, &wish)
			 : durei_error(EINVAL, "an anonymous object cannot be found by name");
	if (r < 0)
		return r;
	if (lane->seg != segment)
		lane = durei_lane_peek(segment);
	return look_up(&directory, lane, &wish, ret, ret_count);
}

/* -- constructing ------------------------------------------------------------------------ */

/* A reserved block with header, name and zeroed elements. */
static int build(struct durei_lane *lane, const struct durei_index *directory, struct wish *wish,
		 struct dl_object **ret)
{
	dure_segment *seg = lane->seg;
	uint64_t align = max_u64(wish->type.align_bytes, BLOCK_ALIGN), offset;
	uint64_t data_offset = align_up(dl_object_notes_offset(wish->key.bytes) +
						sizeof(struct dl_object_notes), align);
	int r = durei_block_reserve(lane, data_offset + wish->data_bytes, align, &offset);

	if (r < 0)
		return r;
	struct dl_object *object = durei_at(seg, offset);
	if (wish->key.kind == DL_OBJECT_ANONYMOUS) {
		wish->offset = offset;
		wish->key.data = &wish->offset;
		wish->key.hash = durei_index_hash(directory, wish->key.kind, &offset,
						  sizeof offset);
	}
	*object = (struct dl_object){
		.entry = { .hash = wish->key.hash, .kind = wish->key.kind,
			   .key_bytes = wish->key.bytes, .key_offset = sizeof *object },
		.type_hash = wish->type_hash,
		.element_bytes = wish->type.size_bytes,
		.count = wish->count,
		.align = (uint32_t)wish->type.align_bytes,
		.data_offset = (uint32_t)data_offset,
	};
	memcpy(object + 1, wish->key.data, wish->key.bytes);
	*notes_of(object) = (struct dl_object_notes){
		.created_ns = durei_clock_wall(),
		.creator_process = seg->has_slot ? seg->slots[seg->slot].process
						 : durei_process_id(),
	};
	memcpy(notes_of(object)->type_name, wish->type.name,
	       strnlen(wish->type.name, DL_TYPE_NAME_BYTES - 1));
	memset(data_of(object), 0, wish->data_bytes);
	*ret = object;
	return 0;
}

/* Under the guard: is the key taken? 0 no; -EEXIST, with the object in *ret; -EUCLEAN */
static int check_free(const struct durei_index *directory, struct durei_index_guard *guard,
		      const struct wish *wish, struct dl_object **ret)
{
	int r;

	if (wish->key.kind == DL_OBJECT_ANONYMOUS)
		return 0;
	*ret = (struct dl_object *)durei_index_find_locked(directory, guard, &wish->key, sizeof **ret,
							   &r);
	if (*ret)
		return durei_error(EEXIST, "segment %s has an object %s already",
				   directory->seg->super.name, shown_name(wish));
	return r;
}

/* The name appears. On failure the block has been given back. */
static int name_it(const struct durei_index *directory, struct durei_lane *lane,
		   const struct wish *wish, struct dl_object *object, struct dl_object **ret_other)
{
	struct durei_index_guard guard;
	int r = durei_index_lock(directory, lane, wish->key.hash, DURE_FOREVER, &guard);

	if (r < 0) {
		(void)durei_block_free(lane, durei_offset(lane->seg, object));
		return r;
	}
	r = check_free(directory, &guard, wish, ret_other);
	if (r < 0)
		(void)durei_block_free(lane, durei_offset(lane->seg, object));
	else
		r = durei_index_insert(directory, &guard, &object->entry);
	durei_index_unlock(&guard);
	return r;
}

/* [OBJECT1]: within the caller's transaction the key is locked and looked at first. */
static int lock_first(const struct durei_index *directory, struct durei_lane *lane,
		      const struct wish *wish, struct dl_object **ret_other)
{
	struct durei_index_guard guard;
	int r;

	if (!durei_log_is_open(lane) || wish->key.kind == DL_OBJECT_ANONYMOUS)
		return 0;
	r = durei_index_lock(directory, lane, wish->key.hash, DURE_FOREVER, &guard);
	return r < 0 ? r : check_free(directory, &guard, wish, ret_other);
}

/* With a constructor: a transaction around all of it. */
static int construct_in_tx(const struct durei_index *directory, struct durei_lane *lane,
			   struct wish *wish, struct dl_object **ret)
{
	struct dl_object *object = NULL, *other = NULL;
	dure_tx *tx;
	int r = dure_tx_begin(lane->seg, &tx);

	if (r < 0)
		return r;
	r = build(lane, directory, wish, &object);
	if (r == 0) {
		r = wish->function(tx, data_of(object), wish->count, wish->context);
		if (r < 0)
			(void)durei_block_free(lane, durei_offset(lane->seg, object));
	}
	if (r >= 0)
		r = name_it(directory, lane, wish, object, &other);
	if (r < 0) {
		(void)dure_tx_abort(tx);
		*ret = other;
		return r;
	}
	*ret = object;
	return dure_tx_commit(tx);
}

static int construct(const struct durei_index *directory, struct durei_lane *lane,
		     struct wish *wish, struct dl_object **ret)
{
	struct dl_object *object, *other = NULL;
	int r = lock_first(directory, lane, wish, &other);

	*ret = other;
	if (r < 0)
		return r;
	if (wish->function)
		return construct_in_tx(directory, lane, wish, ret);
	r = build(lane, directory, wish, &object);
	if (r == 0)
		r = name_it(directory, lane, wish, object, &other);
	*ret = r < 0 ? other : object;
	return r;
}

static int begin_wish(dure_segment *seg, const char *name, struct dure_type type, uint64_t count,
		      dure_object_function function, void *context, struct durei_lane **ret_lane,
		      struct durei_index *ret_directory, struct wish *ret)
{
	int r = 0;

	*ret_lane = durei_lane_get(seg, &r);
	if (*ret_lane)
		r = open_directory(seg, ret_directory);
	if (r == 0)
		r = make_wish(ret_directory, name, type, count, ret);
	ret->function = function;
	ret->context = context;
	return r;
}

int dure_object_construct(dure_segment *segment, const char *name, struct dure_type type,
			  uint64_t count, dure_object_function init, void *context, void **ret)
{
	struct durei_index directory;
	struct durei_lane *lane;
	struct dl_object *object;
	struct wish wish;
	int r = begin_wish(segment, name, type, count, init, context, &lane, &directory, &wish);

	if (r == 0)
		r = construct(&directory, lane, &wish, &object);
	if (r < 0)
		return r;
	*ret = data_of(object);
	return DURE_CREATED;
}

int dure_object_find_or_create(dure_segment *segment, const char *name, struct dure_type type,
			       uint64_t count, dure_object_function init, void *context,
			       void **ret)
{
	struct durei_index directory;
	struct durei_lane *lane;
	struct dl_object *object = NULL;
	struct wish wish;
	int r;

	if (!name)
		return durei_error(EINVAL, "an anonymous object cannot be found: construct it");
	for (int tries = 0; tries < READ_RETRIES_MAX; tries++) {
		r = dure_object_find(segment, name, type, ret, NULL);
		if (r != -ENOENT)
			return r;
		object = NULL;
		r = begin_wish(segment, name, type, count, init, context, &lane, &directory, &wish);
		if (r == 0)
			r = construct(&directory, lane, &wish, &object);
		if (r == -EEXIST && object)	/* somebody else was first, and may destroy it */
			continue;
		if (r < 0)
			return r;
		*ret = data_of(object);
		return DURE_CREATED;
	}
	return durei_error_plain(EAGAIN);
}

/* -- destroying -------------------------------------------------------------------------- */

/* Under the guard, and in a transaction when there is a destructor. */
static int destroy_locked(const struct durei_index *directory, struct durei_index_guard *guard,
			  const struct wish *wish, dure_tx *tx, bool checks_type)
{
	struct dl_object *object;
	int r;

	object = (struct dl_object *)durei_index_find_locked(directory, guard, &wish->key,
							     sizeof *object, &r);
	if (!object)
		return r < 0 ? r : not_there(directory->seg, wish);
	if (checks_type) {
		r = check_found(directory->seg, object, wish);
		if (r < 0)
			return r;
	}
	if (wish->function) {
		r = wish->function(tx, data_of(object), object->count, wish->context);
		if (r < 0)
			return r;
	}
	return durei_index_remove(directory, guard, &object->entry);
}

static int destroy(const struct durei_index *directory, struct durei_lane *lane,
		   const struct wish *wish, bool checks_type)
{
	struct durei_index_guard guard;
	dure_tx *tx = NULL;
	int r = wish->function ? dure_tx_begin(lane->seg, &tx) : 0;

	if (r < 0)
		return r;
	r = durei_index_lock(directory, lane, wish->key.hash, DURE_FOREVER, &guard);
	if (r >= 0) {
		r = destroy_locked(directory, &guard, wish, tx, checks_type);
		durei_index_unlock(&guard);
	}
	if (!tx)
		return r;
	if (r < 0) {
		(void)dure_tx_abort(tx);
		return r;
	}
	return dure_tx_commit(tx);
}

int dure_object_destroy(dure_segment *segment, const char *name, struct dure_type type,
			dure_object_function fini, void *context)
{
	struct durei_index directory;
	struct durei_lane *lane;
	struct wish wish;
	int r;

	if (!name)
		return durei_error(EINVAL, "an anonymous object is destroyed by its address: "
				   "dure_object_destroy_at");
	r = begin_wish(segment, name, type, 1, fini, context, &lane, &directory, &wish);
	return r < 0 ? r : destroy(&directory, lane, &wish, true);
}

/* The header of the object whose first element is at an address; NULL: none, said. */
static struct dl_object *object_at(dure_segment *seg, const void *data)
{
	uint64_t offset = durei_offset(seg, data), start;
	struct durei_block block;
	struct dl_object *object;

	if (offset < seg->mapped_bytes && durei_block_start(seg, offset, &start) &&
	    durei_block_at(seg, start, &block) && (block.is_live || block.is_reserved) &&
	    durei_bytes_are_backed(seg, start, sizeof *object)) {
		object = durei_at(seg, start);
		if (object->data_offset == offset - start && object->entry.kind > 0 &&
		    object->entry.kind < DL_OBJECT_KIND_END &&
		    object->entry.key_offset == sizeof *object &&
		    object->entry.key_bytes <= DURE_OBJECT_NAME_MAX && is_whole(seg, object))
			return object;
	}
	durei_error(EINVAL, "segment %s: no object begins at %p", seg->super.name, data);
	return NULL;
}

int dure_object_destroy_at(dure_segment *segment, void *object, dure_object_function fini,
			   void *context)
{
	char name[DURE_OBJECT_NAME_MAX + 1];
	struct durei_index directory;
	struct dl_object *found;
	struct wish wish;
	int r = 0;
	struct durei_lane *lane = durei_lane_get(segment, &r);

	if (!lane)
		return r;
	r = open_directory(segment, &directory);
	if (r < 0)
		return r;
	found = object_at(segment, object);
	if (!found)
		return -EINVAL;
	/* the key is copied: the object may go while we wait for its partition */
	memcpy(name, found + 1, found->entry.key_bytes);
	name[found->entry.key_bytes] = '\0';
	wish = (struct wish){
		.key = { .kind = found->entry.kind, .bytes = found->entry.key_bytes, .data = name,
			 .hash = found->entry.hash },
		.function = fini,
		.context = context,
	};
	return destroy(&directory, lane, &wish, false);
}

/* -- looking ----------------------------------------------------------------------------- */

static void fill_info(const struct dl_object *object, uint64_t offset,
		      struct dure_object_info *ret)
{
	uint32_t bytes = object->entry.key_bytes;
	const struct dl_object_notes *notes = notes_of(object);

	*ret = (struct dure_object_info){
		.sz = sizeof *ret,
		.kind = object->entry.kind,
		.creator_process = notes->creator_process,
		.count = object->count,
		.element_bytes = object->element_bytes,
		.align_bytes = object->align,
		.created_ns = notes->created_ns,
		.ref = { offset + object->data_offset },
	};
	if (object->entry.kind != DL_OBJECT_ANONYMOUS && bytes <= DURE_OBJECT_NAME_MAX)
		memcpy(ret->name, object + 1, bytes);
	memcpy(ret->type_name, notes->type_name, sizeof ret->type_name - 1);
}

int dure_object_info_of(dure_segment *segment, const void *object, struct dure_object_info *info)
{
	int r = durei_handle_check(segment);
	struct dure_object_info filled;
	const struct dl_object *found;

	if (r < 0)
		return r;
	found = object_at(segment, object);
	if (!found)
		return -EINVAL;
	fill_info(found, durei_offset(segment, found), &filled);
	return durei_options_write(info, &filled, sizeof filled, sizeof filled);
}

/* The infos are copied first: visitors run under no lock. */
struct listing {
	struct dure_object_info *infos;
	size_t count, room;
};

static int add_to_listing(dure_segment *seg, struct dl_entry *entry,
			  const struct dl_entry *content, uint64_t bytes, void *context)
{
	struct listing *listing = context;
	const struct dl_object *object = (const struct dl_object *)content;

	if (bytes < sizeof *object ||
	    dl_object_notes_offset(content->key_bytes) + sizeof(struct dl_object_notes) > bytes)
		return 0;
	if (listing->count == listing->room) {
		size_t room = listing->room ? listing->room * 2 : 64;
		void *more = realloc(listing->infos, room * sizeof *listing->infos);
		if (!more)
			return durei_error_plain(ENOMEM);
		listing->infos = more;
		listing->room = room;
	}
	fill_info(object, durei_offset(seg, entry), &listing->infos[listing->count++]);
	return 0;
}

int dure_object_list(dure_segment *segment,
		     int (*visit)(const struct dure_object_info *info, void *context),
		     void *context)
{
	struct durei_index directory;
	struct listing listing = { 0 };
	int r = durei_handle_check(segment);

	if (r == 0)
		r = open_directory(segment, &directory);
	if (r == 0)
		r = durei_index_visit(&directory, durei_lane_to_read(segment), add_to_listing,
				      &listing);
	for (size_t i = 0; r == 0 && i < listing.count; i++)
		r = visit(&listing.infos[i], context);
	free(listing.infos);
	return r;
}

int dure_object_count(dure_segment *segment, uint64_t *ret_count)
{
	struct durei_index directory;
	int r = durei_handle_check(segment);

	if (r == 0)
		r = open_directory(segment, &directory);
	if (r == 0)
		*ret_count = durei_index_count(&directory);
	return r;
}
