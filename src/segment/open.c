/* SPDX-License-Identifier: MIT */
/*
 * open.c - making a segment, joining it, leaving it
 *
 * Why      Between "there is no such segment" and "here it is" nobody may see anything. A
 *          segment is built where nobody can find it, by the same calls that later use it,
 *          and gets its name in one step at the end.
 * Rules    [OPEN1] exactly one of several creators publishes; the others find its segment
 *          [OPEN2] a super block is checked before anything is mapped, and copied
 *          [OPEN3] what the dead predecessor in our slot left is dealt with before our
 *                  first own lane exists
 *          [OPEN4] who joins looks, with his place taken, whether the name still leads to what
 *                  he has found; who removes it asks for places before the name goes [CAT2].
 *                  So nobody uses, unforced, what nobody else can find
 * Death    creating: see the death tables of the backings. Opening, after step
 *          1 find, map          nothing                         the kernel
 *          2 token              an attached slot of the dead    whoever needs what it held
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/options.h"
#include "os/file.h"
#include "os/futex.h"
#include "os/map.h"
#include "os/self.h"
#include "segment/backing.h"
#include "segment/checkpoint.h"
#include "segment/geometry.h"
#include "segment/grow.h"
#include "segment/lane.h"
#include "segment/open.h"
#include "segment/participant.h"
#include "segment/recover.h"
#include "segment/token.h"

enum { OPEN_ATTEMPTS = 64 };	/* creators and removers may alternate; not for ever */

/* -- building ---------------------------------------------------------------------------- */

/* Backs the tables as far as they are used from the start. */
static int back_tables(dure_segment *seg, uint64_t limit_bytes)
{
	const struct dl_super *s = &seg->super;
	int r = seg->backing->reserve(seg, 0, s->slots_offset);

	if (r == 0)
		r = seg->backing->reserve(seg, s->pages_offset,
					  (limit_bytes >> s->page_shift) * 8);
	return r < 0 ? durei_no_space(seg, -r, s->slots_offset) : 0;
}

/* All but the magic bytes: see write_magic. */
static int write_super(dure_segment *seg, const struct durei_request *request)
{
	struct dl_super *s = &seg->super;
	int r = durei_random(s->uuid, sizeof s->uuid);

	if (r == 0)
		r = durei_random(&s->hash_seed, sizeof s->hash_seed);
	if (r < 0)
		return durei_error(EIO, "getrandom: %s", strerror(-r));
	s->created_ns = durei_clock_wall();
	s->creator_process = durei_process_id();
	s->creator_user = durei_user_id();
	durei_process_name((char *)s->creator_name, sizeof s->creator_name);
	snprintf((char *)s->name, sizeof s->name, "%s", request->name);
	s->checksum = durei_geometry_checksum(s);
	memcpy(seg->base + sizeof s->magic, (char *)s + sizeof s->magic,
	       sizeof *s - sizeof s->magic);
	return 0;
}

/* The segment is complete; for who finds it by key, this store says so. */
static void write_magic(dure_segment *seg)
{
	uint64_t magic;

	memcpy(&magic, seg->super.magic, sizeof magic);
	cell64_store_rel((struct cell64 *)(void *)seg->base, magic);
}

static void write_state(dure_segment *seg, uint64_t limit_bytes)
{
	cell64_store_rel(&seg->state->limit_bytes, limit_bytes);
	cell32_store_rel(&seg->state->lane_high, 1);
	for (uint64_t page = 0; page < durei_first_page(seg); page++)
		cell64_store_rel(&seg->pages[page], DL_PAGE_META);
	for (uint32_t group = 0; group < seg->super.group_count; group++)
		cell8_store_rel(&seg->groups[group], DL_GROUP_MAYBE_HOLE);
}

static int let_rooms_format(dure_segment *seg)
{
	int r = 0;
	struct durei_lane *lane = durei_lane_get(seg, &r);

	for (unsigned i = 0; r == 0 && durei_menders[i]; i++)
		if (durei_menders[i]->format)
			r = durei_menders[i]->format(lane);
	return r;
}

static void apply_memory_flags(dure_segment *seg, uint32_t flags)
{
	if (!(flags & DURE_SEGMENT_DUMP) && seg->backing->kind != DURE_BACKING_BUFFER)
		(void)durei_map_leave_out_of_dump(seg->base, seg->mapped_bytes);
	if (flags & DURE_SEGMENT_HUGE)
		(void)dure_segment_advise(seg, DURE_ADVISE_HUGE);
}

static uint64_t wanted_limit(const dure_segment *seg, uint64_t size_bytes)
{
	uint64_t page = UINT64_C(1) << seg->super.page_shift;

	if (seg->backing->is_fixed)
		return seg->super.max_bytes;
	uint64_t bytes = max_u64(size_bytes ? size_bytes : DUREI_DEFAULT_BYTES,
				 DUREI_SMALLEST_BYTES);
	return min_u64(seg->super.data_offset + align_up(bytes, page), seg->super.max_bytes);
}

static int fill(dure_segment *seg, const struct durei_request *request)
{
	uint64_t limit = wanted_limit(seg, request->options.size_bytes);
	int r = seg->backing->map(seg);

	if (r == 0) {
		durei_geometry_apply(seg);
		r = back_tables(seg, limit);
	}
	if (r == 0)
		r = write_super(seg, request);
	if (r < 0)
		return r;
	write_state(seg, limit);
	seg->grows_by_itself = request->options.flags & DURE_SEGMENT_GROW;
	apply_memory_flags(seg, request->options.flags);
	r = durei_token_take(seg);
	if (r == 0)
		durei_token_describe(seg);
	if (r == 0)
		r = let_rooms_format(seg);
	if (r == 0 && request->options.flags & DURE_SEGMENT_RESERVE)
		r = durei_reserve_pages(seg, limit - seg->super.data_offset);
	if (r == 0 && request->options.flags & DURE_SEGMENT_LOCK)
		r = dure_segment_lock_memory(seg, 1);
	return r == 0 ? durei_boot_begin(seg) : r;
}

static void abandon(dure_segment *seg, bool is_new)
{
	struct durei_lane *lane = durei_lane_peek(seg);

	if (lane)
		durei_lane_detach(lane);
	durei_lane_discard_parked(seg);
	durei_token_drop(seg);
	if (is_new && seg->backing->unmake)
		seg->backing->unmake(seg);
	durei_handle_free(seg);
}

static int create_new(const struct durei_request *request, const struct durei_backing *backing,
		      const struct durei_builder *builder, dure_segment **ret)
{
	struct dl_super plan;
	dure_segment *seg;
	int r = durei_geometry_plan(request, backing, &plan);

	if (r == 0)
		r = durei_handle_new(DUREI_ACCESS_WRITE, backing, &seg);
	if (r < 0)
		return r;
	seg->super = plan;
	r = backing->make(seg, request, plan.max_bytes);
	if (r == 0)
		r = fill(seg, request);
	if (r == 0 && builder)
		r = builder->build(seg, builder->context);
	if (r >= 0) {
		write_magic(seg);
		r = backing->publish(seg, request);
	}
	if (r < 0) {
		abandon(seg, true);
		return r;
	}
	*ret = seg;
	return DURE_CREATED;
}

/* -- joining ----------------------------------------------------------------------------- */

static int check_wishes(const dure_segment *seg, const struct durei_request *request)
{
	const struct dure_segment_options *o = &request->options;
	const struct dl_super *s = &seg->super;

	if (o->lifetime != s->lifetime && request->wants_lifetime)
		return durei_error(EEXIST, "segment %s exists with another lifetime (%u, wanted %u): "
				   "remove it, or open it without options.lifetime", request->name,
				   s->lifetime, o->lifetime);
	if (s->features_read_only & ~DL_FEATURES_READ_ONLY && seg->access == DUREI_ACCESS_WRITE)
		return durei_error(EPROTO, "segment %s uses features that this library can only read: "
				   "open it with DURE_READ_ONLY, or use a newer library",
				   request->name);
	if (o->size_bytes > s->max_bytes - s->data_offset && !seg->backing->is_fixed)
		return durei_error(EFBIG, "segment %s can have at most %" PRIu64 " bytes of data, "
				   "wanted %" PRIu64 ": remove it and create it with a larger "
				   "max_bytes", request->name, s->max_bytes - s->data_offset,
				   o->size_bytes);
	return 0;
}

/* As a reader, or with a private view. */
static int join_to_look(dure_segment *seg)
{
	int r = durei_token_take_shared(seg);

	if (r == 0)
		r = durei_boot_check(seg);
	if (r == 0)
		r = durei_geometry_check_state(seg);
	if (r == 0 && seg->access == DUREI_ACCESS_VIEW)
		durei_recover_possessed(seg);
	return r;
}

/* [OPEN4] A remover who saw nobody here holds ADMIN until the name is gone. */
static int check_name(dure_segment *seg, const struct durei_request *request)
{
	struct durei_file_facts facts;
	int r;

	if (!seg->backing->has_locks || seg->backing->kind == DURE_BACKING_MEMORY_FILE)
		return 0;
	if (durei_byte_is_locked(seg->fd, DL_LOCK_ADMIN) == 1) {
		r = durei_admin_lock(seg->fd, seg->path);
		if (r < 0)
			return r;
		durei_byte_unlock(seg->fd, DL_LOCK_ADMIN);
	}
	r = durei_file_stat_path(seg->path, &facts);
	if (r == 0 && facts.device == seg->device && facts.inode == seg->inode)
		return 0;
	return durei_path_error(request, "open", r < 0 ? -r : ENOENT);
}

/* As a participant. 0 or DURE_RESTORED */
static int join(dure_segment *seg, const struct durei_request *request)
{
	int r = durei_token_take(seg), restored = 0;

	if (r == 0)
		r = check_name(seg, request);
	if (r < 0)
		return r;
	if (seg->backing->has_locks)
		restored = durei_boot_check(seg);
	if (restored < 0)
		return restored;
	r = durei_geometry_check_state(seg);	/* a restored one's is the image's */
	if (r < 0)
		return r;
	if (!seg->backing->has_locks)
		durei_recover_possessed(seg);
	durei_recover_slot(seg);
	durei_token_describe(seg);
	seg->grows_by_itself = request->options.flags & DURE_SEGMENT_GROW;
	if (!seg->backing->is_fixed && request->options.size_bytes)
		r = durei_grow_to(seg, wanted_limit(seg, request->options.size_bytes));
	if (r == 0)
		r = durei_boot_begin(seg);
	return r < 0 ? r : restored;
}

static enum durei_access access_of(const struct durei_request *request)
{
	return request->flags & DURE_COPY_ON_WRITE ? DUREI_ACCESS_VIEW
	       : request->flags & DURE_READ_ONLY   ? DUREI_ACCESS_READ
						   : DUREI_ACCESS_WRITE;
}

/* What is used of the tables must be there: the file may have been cut. */
static bool tables_are_backed(dure_segment *seg)
{
	const struct dl_super *s = &seg->super;

	return durei_bytes_are_backed(seg, 0, s->slots_offset) &&
	       durei_bytes_are_backed(seg, s->slots_offset,
				      (uint64_t)durei_slot_end(seg) * sizeof(struct dl_slot)) &&
	       durei_bytes_are_backed(seg, s->lanes_offset,
				      (uint64_t)durei_lane_end(seg) * DL_LANE_BYTES) &&
	       durei_bytes_are_backed(seg, s->pages_offset, durei_page_limit(seg) * 8);
}

static int open_existing(const struct durei_request *request,
			 const struct durei_backing *backing, dure_segment **ret)
{
	dure_segment *seg;
	int r = durei_handle_new(access_of(request), backing, &seg);

	if (r < 0)
		return r;
	r = backing->find(seg, request);
	if (r == 0)
		r = backing->read_super(seg, &seg->super);
	if (r == 0)
		r = durei_geometry_check(&seg->super, *request->name ? request->name
								    : request->path);
	if (r == 0)
		r = check_wishes(seg, request);
	if (r == 0)
		r = backing->map(seg);
	if (r == 0) {
		durei_geometry_apply(seg);
		if (!tables_are_backed(seg))
			r = durei_error(EUCLEAN, "segment %s is damaged: it has been cut short",
					request->path);
	}
	if (r == 0)
		r = seg->access == DUREI_ACCESS_WRITE ? join(seg, request) : join_to_look(seg);
	if (r < 0) {
		abandon(seg, false);
		return r;
	}
	apply_memory_flags(seg, request->options.flags);
	*ret = seg;
	return r;
}

/* -- the public face --------------------------------------------------------------------- */

static int check_flags(uint32_t flags)
{
	uint32_t known = DURE_CREATE | DURE_OPEN | DURE_READ_ONLY | DURE_COPY_ON_WRITE;
	uint32_t looking = DURE_READ_ONLY | DURE_COPY_ON_WRITE;

	if (flags & ~known)
		return durei_error(EINVAL, "flags %#x have unknown bits", flags);
	if (!(flags & (DURE_CREATE | DURE_OPEN)))
		return durei_error(EINVAL, "flags must contain DURE_CREATE, DURE_OPEN or both");
	if (flags & looking && flags & DURE_CREATE)
		return durei_error(EINVAL, "a segment cannot be created read-only or copy-on-write");
	if ((flags & looking) == looking)
		return durei_error(EINVAL, "give DURE_READ_ONLY or DURE_COPY_ON_WRITE, not both");
	return 0;
}

static int read_request(const char *name, uint32_t flags,
			const struct dure_segment_options *options, struct durei_request *ret)
{
	uint32_t known = DURE_SEGMENT_RESERVE | DURE_SEGMENT_GROW | DURE_SEGMENT_HUGE |
			 DURE_SEGMENT_LOCK | DURE_SEGMENT_DUMP;
	int r = check_flags(flags);

	if (r == 0)
		r = durei_options_read(&ret->options, sizeof ret->options, sizeof ret->options,
				       options);
	if (r < 0)
		return r;
	ret->name = name ? name : "";
	ret->flags = flags;
	ret->path[0] = '\0';
	ret->wants_lifetime = ret->options.lifetime != DURE_LIFETIME_DEFAULT;
	if (ret->options.flags & ~known)
		return durei_error(EINVAL, "options.flags %#x have unknown bits", ret->options.flags);
	if (ret->options.mode & ~0777u)
		return durei_error(EINVAL, "options.mode %#o has other bits than 0777",
				   ret->options.mode);
	if (!ret->options.mode)
		ret->options.mode = 0600;
	return 0;
}

int durei_request_read(const char *name, uint32_t flags,
		       const struct dure_segment_options *options, struct durei_request *request,
		       const struct durei_backing **ret_backing)
{
	int r = read_request(name, flags, options, request);

	return r < 0 ? r : durei_backing_choose(request, ret_backing);
}

static int open_or_create(const char *name, uint32_t flags,
			  const struct dure_segment_options *options,
			  const struct durei_builder *builder, dure_segment **ret)
{
	const struct durei_backing *backing;
	struct durei_request request;
	int r = -ENOENT;

	for (int attempt = 0; attempt < OPEN_ATTEMPTS; attempt++) {
		/* anew each time: the name may have become a link or a file meanwhile */
		r = durei_request_read(name, flags, options, &request, &backing);
		if (r < 0)
			return r;
		if (flags & DURE_OPEN) {
			r = open_existing(&request, backing, ret);
			if (r != -ENOENT || !(flags & DURE_CREATE))
				return r;
		}
		r = create_new(&request, backing, builder, ret);
		if (r == -EEXIST && !(flags & DURE_OPEN))
			return durei_path_error(&request, "create", EEXIST);
		if (r != -EEXIST)
			return r;
	}
	return r;
}

int durei_segment_open(const char *name, uint32_t flags,
		       const struct dure_segment_options *options,
		       const struct durei_builder *builder, dure_segment **ret)
{
	int cancel = durei_cancel_hold();
	int r = open_or_create(name, flags, options, builder, ret);

	durei_cancel_restore(cancel);
	return r;
}

int dure_segment_open(const char *name, uint32_t flags,
		      const struct dure_segment_options *options, dure_segment **ret)
{
	if (!ret)
		return durei_error(EINVAL, "dure_segment_open: no place for the result");
	return durei_segment_open(name, flags, options, NULL, ret);
}

/* -- leaving ----------------------------------------------------------------------------- */

void durei_segment_ref(dure_segment *seg)
{
	__atomic_fetch_add(&seg->references, 1, __ATOMIC_RELAXED);
}

void durei_segment_unref(dure_segment *seg)
{
	if (__atomic_sub_fetch(&seg->references, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	if (seg->access == DUREI_ACCESS_WRITE)
		durei_boot_end(seg);
	durei_token_drop(seg);
	durei_handle_free(seg);
}

static int close_in_child(dure_segment *seg)
{
	seg->has_slot = false;		/* the parent's */
	seg->slot_pin = NULL;		/* not inherited */
	durei_handle_free(seg);
	return 0;
}

int dure_segment_close(dure_segment *segment)
{
	int cancel, r = 0;

	if (!segment)
		return 0;
	if (segment->magic == DUREI_SEGMENT_MAGIC && *segment->alive != 1)
		return close_in_child(segment);
	cancel = durei_cancel_hold();
	r = dure_thread_detach(segment);
	/* leaving writes, too: to our place in the segment */
	if (r == 0 && segment->is_protected)
		r = dure_segment_protect(segment, DURE_PROTECT_READ | DURE_PROTECT_WRITE);
	if (r == 0) {
		segment->is_closed = 1;
		durei_lane_discard_parked(segment);
		durei_segment_unref(segment);
	}
	durei_cancel_restore(cancel);
	return r;
}

/* -- after fork -------------------------------------------------------------------------- */

static int attach_again(dure_segment *seg)
{
	seg->has_slot = false;
	seg->slot_pin = NULL;
	seg->lanes = NULL;		/* their memory is the parent's affair */
	seg->references = 1;
	pthread_mutex_init(&seg->lanes_lock, NULL);
	int r = seg->access == DUREI_ACCESS_WRITE ? durei_token_take(seg)
						  : durei_token_take_shared(seg);
	if (r < 0)
		return r;
	*seg->alive = 1;	/* the advice is inherited: a grandchild sees 0 again */
	if (seg->access == DUREI_ACCESS_WRITE) {
		durei_recover_slot(seg);
		durei_token_describe(seg);
	}
	return 0;
}

int dure_segment_reattach(dure_segment *segment)
{
	if (!segment || segment->magic != DUREI_SEGMENT_MAGIC)
		return durei_error(EINVAL, "not an open segment (NULL, or closed)");
	if (*segment->alive == 1)
		return durei_error(EINVAL, "segment %s: the handle was not inherited through fork",
				   segment->super.name);
	if (!segment->backing->has_locks)
		return durei_error(EOPNOTSUPP, "segment %s: %s is not shared with a child",
				   segment->super.name, segment->backing->title);
	int cancel = durei_cancel_hold();
	int r = attach_again(segment);
	durei_cancel_restore(cancel);
	return r;
}

int dure_segment_recover(dure_segment *segment)
{
	int r = 0;
	struct durei_lane *lane = durei_lane_get(segment, &r);

	return lane ? durei_recover_all(segment, lane) : r;
}
