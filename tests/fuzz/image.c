/* SPDX-License-Identifier: MIT */
/*
 * image.c - segments at a moment, and where in them something is worth damaging
 *
 * Format of images.bin, numbers of 32 bits, little-endian: for each image
 *	bytes of the file (0: no more images), of the segment at most, count of stretches,
 *	then for each stretch offset, length, bytes. All else is zero.
 */
#include "image.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "base/hash.h"
#include "layout/log.h"
#include "layout/map.h"
#include "layout/object.h"
#include "layout/page.h"

__asm__(".pushsection .rodata\n"
	".balign 16\n"
	"images_start:\n"
	".incbin \"" FUZZ_IMAGES "\"\n"
	"images_end:\n"
	".byte 0\n"
	".popsection\n");
extern const unsigned char images_start[], images_end[];

static struct image *images[IMAGES_MAX];
static unsigned image_count;

/* -- finding the spots ------------------------------------------------------------------- */

static void add_spot(struct spots *spots, uint64_t offset)
{
	if (spots->count < SPOTS_MAX)
		spots->offsets[spots->count++] = (uint32_t)offset;
}

static void add_words(struct image *image, enum spot_kind kind, uint64_t offset, uint64_t bytes)
{
	for (uint64_t at = 0; at < bytes && offset + at + 8 <= image->file_bytes; at += 8)
		add_spot(&image->spots[kind], offset + at);
}

static uint64_t word_at(const struct image *image, uint64_t offset)
{
	uint64_t word = 0;

	if (offset + 8 <= image->max_bytes)
		memcpy(&word, image->bytes + offset, 8);
	return word;
}

static void find_tables(struct image *image, const struct dl_super *s)
{
	add_words(image, SPOT_SUPER, 0, offsetof(struct dl_super, checksum));
	add_words(image, SPOT_STATE, DL_STATE_OFFSET, sizeof(struct dl_state));
	add_words(image, SPOT_STATUS, s->lane_status_offset, (uint64_t)s->lane_count * 8);
	for (uint32_t i = 0; i < s->group_count; i++)
		add_spot(&image->spots[SPOT_GROUP], s->groups_offset + i);
	for (uint32_t i = 0; i < s->slot_count; i++)
		add_words(image, SPOT_SLOT, s->slots_offset + i * sizeof(struct dl_slot), 48);
	add_words(image, SPOT_PAGE, s->pages_offset, (s->max_bytes >> s->page_shift) * 8);
	for (uint32_t i = 1; i < s->lane_count; i++) {
		uint64_t lane = s->lanes_offset + (uint64_t)i * DL_LANE_BYTES;
		add_words(image, SPOT_LANE, lane + 64, 256);
		add_words(image, SPOT_LANE, lane + offsetof(struct dl_lane, shares), 64);
		add_words(image, SPOT_LOG, lane + offsetof(struct dl_lane, log), 512);
	}
	add_words(image, SPOT_DATA, s->data_offset, image->file_bytes - s->data_offset);
	for (uint64_t at = 0; at + 8 <= image->file_bytes; at += 8)
		if (word_at(image, at))
			add_spot(&image->spots[SPOT_ANY], at);
}

static void find_blocks(struct image *image, const struct dl_super *s)
{
	for (uint64_t page = 0; page < image->file_bytes >> s->page_shift; page++) {
		uint64_t word = word_at(image, s->pages_offset + page * 8);
		uint64_t start = page << s->page_shift;
		if (dl_page_kind(word) == DL_PAGE_RUN_LIVE)
			add_spot(&image->blocks, start);
		if (dl_page_kind(word) != DL_PAGE_OWNED && dl_page_kind(word) != DL_PAGE_LOOSE)
			continue;
		struct dl_class_shape shape = dl_class_shape(dl_page_class(word), s->page_shift);
		uint64_t states = start + dl_states_offset(&shape, page);
		for (uint32_t i = 0; i < shape.block_count; i++) {
			if (i < 8 || image->bytes[states + i])
				add_spot(&image->spots[SPOT_BLOCK_STATE], states + i);
			if (image->bytes[states + i] && image->bytes[states + i] != DL_BLOCK_FREED)
				add_spot(&image->blocks, start + i * shape.block_bytes);
		}
	}
}

static void find_index(struct image *image, uint64_t offset, int is_directory);

static void find_entry(struct image *image, uint64_t offset, int is_directory)
{
	struct dl_object object;

	add_words(image, SPOT_ENTRY, offset, is_directory ? 160 : 64);
	if (!is_directory)
		return;
	memcpy(&object, image->bytes + offset, sizeof object);
	uint64_t notes = offset + dl_object_notes_offset(object.entry.key_bytes);
	if (strcmp((const char *)image->bytes + notes +
			   offsetof(struct dl_object_notes, type_name), "dure_map") == 0) {
		add_words(image, SPOT_ENTRY, offset + object.data_offset, 16);
		find_index(image, word_at(image, offset + object.data_offset), 0);
	}
}

static void find_index(struct image *image, uint64_t offset, int is_directory)
{
	struct dl_index index;

	memcpy(&index, image->bytes + offset, sizeof index);
	add_words(image, SPOT_INDEX, offset, 32);
	for (uint64_t i = 0; i < UINT64_C(1) << index.partition_bits; i++) {
		uint64_t part = offset + sizeof index + i * sizeof(struct dl_partition);
		uint64_t word = word_at(image, part + offsetof(struct dl_partition, table));
		uint64_t table = word & ~(uint64_t)DL_TABLE_BITS_MASK;
		add_spot(&image->spots[SPOT_LOCK], part);
		add_words(image, SPOT_INDEX, part, 16);
		add_words(image, SPOT_INDEX, part + 64, 24);
		for (uint64_t b = 0; table && b < UINT64_C(1) << (word & DL_TABLE_BITS_MASK); b++) {
			add_words(image, SPOT_TABLE, table + b * 64, 64);
			for (uint64_t slot = 0; slot < DL_BUCKET_SLOTS; slot++) {
				uint64_t entry = word_at(image, table + b * 64 + slot * 8) &
						 DL_SLOT_OFFSET_MASK;
				if (entry)
					find_entry(image, entry, is_directory);
			}
		}
	}
}

static void find_spots(struct image *image)
{
	const struct dl_super *s = (const struct dl_super *)(void *)image->bytes;

	find_tables(image, s);
	find_blocks(image, s);
	find_index(image, word_at(image, DL_STATE_OFFSET + offsetof(struct dl_state, directory)), 1);
}

/* -- reading images.bin ------------------------------------------------------------------ */

static uint32_t take32(const unsigned char **at)
{
	uint32_t n = (uint32_t)(*at)[0] | (uint32_t)(*at)[1] << 8 | (uint32_t)(*at)[2] << 16 |
		     (uint32_t)(*at)[3] << 24;

	*at += 4;
	return n;
}

static struct image *read_image(const unsigned char **at)
{
	uint32_t bytes = take32(at);
	struct image *image = bytes ? calloc(1, sizeof *image) : NULL;

	if (!image)
		return NULL;
	image->file_bytes = bytes;
	image->max_bytes = take32(at);
	if (image->max_bytes < bytes)
		image->max_bytes = bytes;
	image->bytes = calloc(1, image->max_bytes);
	if (!image->bytes)
		abort();
	for (uint32_t stretches = take32(at); stretches; stretches--) {
		uint32_t offset = take32(at), length = take32(at);
		memcpy(image->bytes + offset, *at, length);
		*at += length;
	}
	find_spots(image);
	return image;
}

unsigned images_load(void)
{
	const unsigned char *at = images_start;
	struct image *image;

	if (image_count)
		return image_count;
	while (image_count < IMAGES_MAX && (image = read_image(&at)))
		images[image_count++] = image;
	if (!image_count || at > images_end)
		abort();
	return image_count;
}

const struct image *image_at(unsigned number)
{
	return images[number % image_count];
}

/* -- damaging ---------------------------------------------------------------------------- */

void damage_read(struct damage *ret, const uint8_t bytes[DAMAGE_BYTES])
{
	ret->kind = bytes[0];
	ret->how = bytes[1];
	memcpy(&ret->which, bytes + 2, 2);
	memcpy(&ret->value, bytes + 4, 8);
}

void damage_write(const struct damage *damage, uint8_t bytes[DAMAGE_BYTES])
{
	bytes[0] = damage->kind;
	bytes[1] = damage->how;
	memcpy(bytes + 2, &damage->which, 2);
	memcpy(bytes + 4, &damage->value, 8);
}

/* As segment/geometry.c lays it out. */
static void lay_out(struct dl_super *s)
{
	uint64_t pages = s->max_bytes >> (s->page_shift & 31);

	s->group_count = (uint32_t)div_up(pages, DL_GROUP_PAGES);
	s->lane_status_offset = DL_SUPER_BYTES;
	s->groups_offset = s->lane_status_offset + (uint64_t)s->lane_count * 8;
	s->slots_offset = align_up(s->groups_offset + s->group_count, 128);
	s->pages_offset = s->slots_offset + (uint64_t)s->slot_count * sizeof(struct dl_slot);
	s->lanes_offset = align_up(s->pages_offset + pages * 8, DL_LANE_BYTES);
	s->data_offset = align_up(s->lanes_offset + (uint64_t)s->lane_count * DL_LANE_BYTES,
				  UINT64_C(1) << (s->page_shift & 31));
}

void super_repair(struct dl_super *super, int relays)
{
	if (relays)
		lay_out(super);
	super->checksum = hash_bytes(0, super, offsetof(struct dl_super, checksum));
}

static uint64_t changed(const struct patient *p, const struct damage *d, uint64_t old)
{
	const struct spots *spots = &p->image->spots[d->kind], *blocks = &p->image->blocks;
	uint64_t from = 0, at;
	unsigned shift;

	switch ((enum damage_how)(d->how % HOW_COUNT)) {
	case HOW_SET:
		return d->value;
	case HOW_XOR:
		return old ^ d->value;
	case HOW_ADD:
		return old + d->value;
	case HOW_SET_LOW:
		return (old & ~UINT64_C(0xffffffff)) | (d->value & 0xffffffff);
	case HOW_SET_HIGH:
		return (old & 0xffffffff) | d->value << 32;
	case HOW_SET_BYTE:
		shift = (unsigned)(d->value >> 8 & 7) * 8;
		return (old & ~(UINT64_C(0xff) << shift)) | (d->value & 0xff) << shift;
	case HOW_COPY:
		at = d->kind == SPOT_AT ? (d->value & 0xffff) * 8
					: spots->offsets[d->value % spots->count];
		if (at + 8 <= p->max_bytes)
			memcpy(&from, p->bytes + at, 8);
		return from;
	case HOW_PAGE_WORD:
		return (d->value & 0xf) | (d->value >> 8 & 0xff) << DL_PAGE_CLASS_SHIFT |
		       (d->value >> 16 & 0xff) << DL_PAGE_LANE_SHIFT |
		       d->value >> 24 << DL_PAGE_COUNT_SHIFT;
	case HOW_BLOCK:
		return (old & ~DL_SLOT_OFFSET_MASK) | blocks->offsets[d->value % blocks->count];
	case HOW_TABLE:
		return blocks->offsets[d->value / 64 % blocks->count] | d->value % 64;
	case HOW_COUNT:
		break;
	}
	return old;
}

static void damage_word(const struct patient *p, const struct damage *d, uint64_t offset)
{
	uint64_t word = 0;

	if (offset + 8 > p->max_bytes)
		return;
	memcpy(&word, p->bytes + offset, 8);
	word = changed(p, d, word);
	memcpy(p->bytes + offset, &word, 8);
}

static void damage_geometry(const struct patient *p, const struct damage *d)
{
	struct dl_super *s = (struct dl_super *)(void *)p->bytes;
	uint32_t small = (uint32_t)d->value;

	switch (d->which % 5) {
	case 0:
		s->page_shift = small;
		break;
	case 1:
		s->slot_count = small;
		break;
	case 2:
		s->lane_count = small;
		break;
	case 3:
		s->max_bytes = d->value;
		break;
	default:
		s->index_bits = small;
		break;
	}
	super_repair(s, 1);
}

/* which: lane 0-1, committed 2, kind 4-7; value: offset 0-31, second 32-63 */
static void add_log_entry(const struct patient *p, const struct damage *d)
{
	const struct dl_super *s = (const struct dl_super *)(void *)p->image->bytes;
	uint64_t id = 1 + (d->which & 3u) % (s->lane_count - 1);
	uint64_t at = s->lanes_offset + id * DL_LANE_BYTES, used, words, offset;
	struct dl_lane *lane = (struct dl_lane *)(void *)(p->bytes + at);

	if (at + DL_LANE_BYTES > p->max_bytes)
		return;
	used = lane->log_used.raw >> DL_LOG_USED_SHIFT;
	words = lane->log_used.raw & DL_LOG_USED_LAST_MASK;
	if (used % 8 || used + 16 > DL_LOG_INLINE_BYTES)
		used = words = 0;
	offset = d->value & 0xffffffff;
	if (d->how % HOW_COUNT == HOW_BLOCK)
		offset = p->image->blocks.offsets[offset % p->image->blocks.count];
	if (d->how % HOW_COUNT == HOW_PAGE_WORD)
		offset = s->pages_offset + offset % (s->max_bytes >> s->page_shift) * 8;
	uint64_t entry[2] = { (d->which >> 4 & 0xfu) | words << 4 | offset << 16, d->value >> 32 };
	memcpy(lane->log + used, entry, sizeof entry);
	lane->log_used.raw = (used + 16) << DL_LOG_USED_SHIFT | 2;
	lane->log_state.raw = (lane->log_state.raw & ~UINT64_C(0xff)) |
			      (DL_LOG_ACTIVE + (d->which >> 2 & 3));
	p->bytes[s->lane_status_offset + id * 8] = DL_LANE_OWNED;
}

/* A word that names a lane, of its generation or one near it. value: lane, distance, flags */
static void damage_lock(const struct patient *p, const struct damage *d, uint64_t offset)
{
	const struct dl_super *s = (const struct dl_super *)(void *)p->image->bytes;
	uint64_t id = 1 + (d->value & 0xff) % (s->lane_count - 1), status;
	uint32_t generation, word;

	if (offset + 4 > p->max_bytes)
		return;
	memcpy(&status, p->image->bytes + s->lane_status_offset + id * 8, 8);
	generation = (uint32_t)(status >> DL_LANE_GENERATION_SHIFT) + (d->value >> 8 & 3);
	word = (uint32_t)id | (generation & DL_LANE_GENERATION_MASK) << 16 |
	       ((uint32_t)(d->value >> 16) & 7) << 29;
	memcpy(p->bytes + offset, &word, 4);
}

void damage_do(struct patient *p, const struct damage *given)
{
	struct damage d = *given;
	const struct spots *spots;
	uint64_t offset;

	d.kind %= SPOT_KIND_COUNT;
	spots = &p->image->spots[d.kind];
	offset = spots->count ? spots->offsets[d.which % spots->count] : 0;
	switch ((enum spot_kind)d.kind) {
	case SPOT_GEOMETRY:
		damage_geometry(p, &d);
		break;
	case SPOT_LOG_ENTRY:
		add_log_entry(p, &d);
		break;
	case SPOT_LENGTH:
		p->file_bytes = d.value % (p->max_bytes + 1);
		break;
	case SPOT_LOCK:
		damage_lock(p, &d, offset);
		break;
	case SPOT_GROUP:
	case SPOT_BLOCK_STATE:
		if (offset && offset < p->max_bytes)
			p->bytes[offset] = (uint8_t)changed(p, &d, p->bytes[offset]);
		break;
	case SPOT_SUPER:
		damage_word(p, &d, offset);
		super_repair((struct dl_super *)(void *)p->bytes, 0);
		break;
	case SPOT_STATE:
	case SPOT_STATUS:
	case SPOT_SLOT:
	case SPOT_PAGE:
	case SPOT_LANE:
	case SPOT_LOG:
	case SPOT_INDEX:
	case SPOT_TABLE:
	case SPOT_ENTRY:
	case SPOT_DATA:
	case SPOT_ANY:
		if (spots->count)
			damage_word(p, &d, offset);
		break;
	case SPOT_AT:
		damage_word(p, &d, d.which * UINT64_C(8));
		break;
	case SPOT_KIND_COUNT:
		break;
	}
}
