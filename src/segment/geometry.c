/* SPDX-License-Identifier: MIT */
/*
 * geometry.c - where the parts of a segment lie
 *
 * Why      Four numbers (max_bytes, page_shift, slot_count, lane_count) determine every
 *          offset. They are stored, and so are the offsets; a reader computes the offsets
 *          again and refuses a segment where they differ, so no stored offset is ever trusted.
 * Rules    [GEO1] all tables lie below data_offset, in the order of layout/super.h
 *          [GEO2] nothing here is written after the segment has a name
 *          [GEO3] how far the tables are in use changes: who opens the segment refuses what is
 *                 beyond them
 * Death    nothing shared is touched.
 */
#include "segment/geometry.h"

#include <inttypes.h>
#include <string.h>

#include "base/hash.h"

#define KIB UINT64_C(1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)

enum {
	GROW_FACTOR = 16,		/* default max_bytes / size_bytes */
	THREADS_MANY = 1024,
	DATA_PAGES_MIN = 4,		/* the object directory, and room for an object */
};

/* Small pages for small segments: a lane wants a page for each size it uses. */
static unsigned page_shift_for(uint64_t size_bytes)
{
	return size_bytes <= MIB ? 12 : size_bytes <= 256 * MIB ? 14 : 16;
}

static uint32_t places_for(uint64_t size_bytes, bool is_sparse)
{
	if (size_bytes < 128 * KIB)
		return 4;
	if (size_bytes < MIB)
		return 16;
	if (size_bytes < 16 * MIB || !is_sparse)
		return 128;
	return THREADS_MANY;
}

static uint32_t index_bits_for(uint64_t size_bytes)
{
	return size_bytes < MIB ? 2 : size_bytes < 16 * MIB ? 4 : 6;
}

/* Everything that follows from the four numbers. False when there is no room for data. */
static bool lay_out(struct dl_super *s)
{
	uint64_t pages = s->max_bytes >> s->page_shift;

	s->group_count = (uint32_t)div_up(pages, DL_GROUP_PAGES);
	s->lane_status_offset = DL_SUPER_BYTES;
	s->groups_offset = s->lane_status_offset + (uint64_t)s->lane_count * 8;
	s->slots_offset = align_up(s->groups_offset + s->group_count, 128);
	s->pages_offset = s->slots_offset + (uint64_t)s->slot_count * sizeof(struct dl_slot);
	s->lanes_offset = align_up(s->pages_offset + pages * 8, DL_LANE_BYTES);
	s->data_offset = align_up(s->lanes_offset + (uint64_t)s->lane_count * DL_LANE_BYTES,
				  UINT64_C(1) << s->page_shift);
	return s->data_offset + ((uint64_t)DATA_PAGES_MIN << s->page_shift) <= s->max_bytes;
}

/* Chooses max_bytes so that the tables and data_bytes fit: bigger tables move the data. */
static void make_room(struct dl_super *s, uint64_t data_bytes, uint64_t unit)
{
	s->max_bytes = align_up(data_bytes, unit);
	do {
		lay_out(s);
		s->max_bytes = align_up(max_u64(s->max_bytes, s->data_offset + data_bytes), unit);
		lay_out(s);
	} while (s->max_bytes - s->data_offset < data_bytes);
}

static uint64_t default_max(const struct durei_backing *backing, uint64_t size)
{
	if (!backing->grows)
		return size;
	if (sizeof(void *) == 4)	/* leave a 32-bit program room for other things */
		return max_u64(size, min_u64(size * GROW_FACTOR, 256 * MIB));
	return min_u64(max_u64(size * GROW_FACTOR, GIB), DL_BYTES_MAX / 2);
}

static int check_sizes(const struct durei_request *request, uint64_t size, uint64_t max)
{
	if (size > DL_BYTES_MAX / 2 || max > DL_BYTES_MAX / 2)
		return durei_error(EFBIG, "%s: size_bytes %" PRIu64 " or max_bytes %" PRIu64
				   " is beyond the format's %" PRIu64, request->name, size, max,
				   DL_BYTES_MAX / 2);
	if (size > max)
		return durei_error(EINVAL, "%s: size_bytes %" PRIu64 " is more than max_bytes "
				   "%" PRIu64, request->name, size, max);
	return 0;
}

/* The four numbers, from what was asked for. */
static int plan_numbers(const struct durei_request *request, const struct durei_backing *backing,
			struct dl_super *s)
{
	const struct dure_segment_options *o = &request->options;
	uint64_t size = o->size_bytes ? o->size_bytes : DUREI_DEFAULT_BYTES;
	if (!backing->is_fixed)
		size = max_u64(size, DUREI_SMALLEST_BYTES);
	uint64_t max = o->max_bytes ? o->max_bytes : default_max(backing, size);
	int r = check_sizes(request, size, max);

	if (r < 0)
		return r;
	uint32_t places = places_for(size, backing->is_sparse);
	s->page_shift = page_shift_for(size);
	s->index_bits = index_bits_for(size);
	s->slot_count = o->processes_max ? o->processes_max : places;
	s->lane_count = (o->threads_max ? o->threads_max : places) + 1;
	if (s->slot_count > DL_SLOTS_MAX || s->lane_count > DL_LANES_MAX)
		return durei_error(EINVAL, "%s: processes_max %u or threads_max %u is more than "
				   "%d or %d", request->name, s->slot_count, o->threads_max,
				   DL_SLOTS_MAX, DL_LANES_MAX - 1);
	uint64_t unit = max_u64(backing->grain_bytes(request), UINT64_C(1) << s->page_shift);
	if (backing->is_fixed)
		s->max_bytes = align_down(size, UINT64_C(1) << s->page_shift);
	else
		make_room(s, max, unit);
	return 0;
}

int durei_geometry_plan(const struct durei_request *request, const struct durei_backing *backing,
			struct dl_super *ret)
{
	struct dl_super s = {
		.byte_order = DL_BYTE_ORDER,
		.version_major = DL_VERSION_MAJOR,
		.version_minor = DL_VERSION_MINOR,
		.backing = backing->kind,
		.lifetime = request->options.lifetime,
		.mode = request->options.mode,
	};
	int r = plan_numbers(request, backing, &s);

	if (r < 0)
		return r;
	memcpy(s.magic, DL_MAGIC, sizeof s.magic);
	if (!lay_out(&s))
		return durei_error(EINVAL, "%s: %" PRIu64 " bytes are too few for %u processes, "
				   "%u threads and some data: the tables alone take %" PRIu64
				   ": ask for more, or for fewer places", request->name,
				   s.max_bytes, s.slot_count, s.lane_count - 1, s.data_offset);
	if (s.max_bytes > SIZE_MAX)
		return durei_error(EFBIG, "%s: a maximum of %" PRIu64 " bytes does not fit this "
				   "program's address space: give a smaller max_bytes",
				   request->name, s.max_bytes);
	*ret = s;
	return 0;
}

uint64_t durei_geometry_checksum(const struct dl_super *super)
{
	return hash_bytes(0, super, offsetof(struct dl_super, checksum));
}

static int check_version(const struct dl_super *s, const char *name)
{
	if (memcmp(s->magic, DL_MAGIC, sizeof s->magic) != 0)
		return durei_error(EPROTO, "%s is not a dure segment (it does not begin with the "
				   "magic bytes)", name);
	if (s->byte_order != DL_BYTE_ORDER)
		return durei_error(EPROTO, "%s was made on a machine of the other byte order: "
				   "segments cannot be moved between the two", name);
	if (s->version_major != DL_VERSION_MAJOR)
		return durei_error(EPROTO, "%s has format %u.%u, this library knows format %d: "
				   "use a library of that version", name, s->version_major,
				   s->version_minor, DL_VERSION_MAJOR);
	if (s->features_incompatible & ~DL_FEATURES_INCOMPATIBLE)
		return durei_error(EPROTO, "%s uses format features %#" PRIx64 " that this library "
				   "does not know: use a newer one", name,
				   s->features_incompatible & ~DL_FEATURES_INCOMPATIBLE);
	return 0;
}

int durei_geometry_check(const struct dl_super *super, const char *name)
{
	struct dl_super again = *super;
	int r = check_version(super, name);

	if (r < 0)
		return r;
	if (super->checksum != durei_geometry_checksum(super))
		return durei_error(EUCLEAN, "%s: the super block's checksum is wrong: the file is "
				   "damaged", name);
	if (super->page_shift < DL_PAGE_SHIFT_MIN || super->page_shift > DL_PAGE_SHIFT_MAX ||
	    super->page_shift % 2 || super->max_bytes > DL_BYTES_MAX || super->slot_count < 1 ||
	    super->slot_count > DL_SLOTS_MAX || super->lane_count < 2 ||
	    super->lane_count > DL_LANES_MAX || super->index_bits > 10 || !lay_out(&again) ||
	    memcmp(&again, super, sizeof again) != 0 ||
	    !memchr(super->name, 0, sizeof super->name))
		return durei_error(EUCLEAN, "%s: the super block contradicts itself: the file is "
				   "damaged", name);
	if (super->max_bytes > SIZE_MAX)
		return durei_error(EFBIG, "%s may grow to %" PRIu64 " bytes, more than this "
				   "program can address", name, super->max_bytes);
	return 0;
}

/* [GEO3] */
int durei_geometry_check_state(const dure_segment *seg)
{
	const struct dl_super *s = &seg->super;
	uint64_t limit = cell64_load_acq(&seg->state->limit_bytes);
	uint64_t slots = cell32_load_acq(&seg->state->slot_high);
	uint64_t lanes = cell32_load_acq(&seg->state->lane_high);

	if (limit < s->data_offset || limit > s->max_bytes ||
	    limit % (UINT64_C(1) << s->page_shift))
		return durei_error(EUCLEAN, "segment %s is damaged: its limit %" PRIu64 " is not between "
				   "%" PRIu64 " and %" PRIu64, s->name, limit, s->data_offset,
				   s->max_bytes);
	if (slots > s->slot_count || lanes > s->lane_count)
		return durei_error(EUCLEAN, "segment %s is damaged: %" PRIu64 " of %u places for "
				   "processes and %" PRIu64 " of %u for threads are in use", s->name,
				   slots, s->slot_count, lanes, s->lane_count);
	return 0;
}

void durei_geometry_apply(dure_segment *seg)
{
	const struct dl_super *s = &seg->super;
	uint64_t pages = s->max_bytes >> s->page_shift;

	seg->state = durei_at(seg, DL_STATE_OFFSET);
	seg->lane_status = durei_at(seg, s->lane_status_offset);
	seg->groups = durei_at(seg, s->groups_offset);
	seg->slots = durei_at(seg, s->slots_offset);
	seg->pages = durei_at(seg, s->pages_offset);
	seg->page_shift = s->page_shift;
	seg->claim_shift = log2_ceil(div_up(pages, DL_CLAIM_WORDS * 64));
	seg->class_count = dl_class_count(s->page_shift);
	for (unsigned i = 0; i < seg->class_count; i++)
		seg->classes[i] = dl_class_shape(i, s->page_shift);
}
