/* SPDX-License-Identifier: MIT */
/*
 * check_containers.c - are vectors, strings and ordered maps right
 *
 * Why      see check.c. What they lead to are blocks of their own, large enough for what they
 *          say is there; and a tree has its keys in order, each below its own separator.
 * Death    nothing is changed.
 */
#include <inttypes.h>
#include <string.h>

#include "inspect/check.h"
#include "layout/ordered.h"
#include "layout/string.h"
#include "layout/vector.h"

static bool is_used(const struct durei_check *check, const struct durei_seen_block *block)
{
	return block->state == DL_BLOCK_LIVE || block->state == DL_BLOCK_DOOMED ||
	       (block->state == DL_BLOCK_RESERVED && check->has_open_log);
}

/* The usable bytes of a block that a container leads to; 0, and a finding: there is none. */
static uint64_t used_bytes(struct durei_check *check, const char *rule, uint64_t offset)
{
	struct durei_seen_block block;

	if (durei_see_block(check->seg, offset, &block) && is_used(check, &block))
		return block.bytes;
	DAMAGED(check, rule, offset, "a container leads to +%#" PRIx64 ", where no live block is",
		offset);
	return 0;
}

/* [GUARD2] False: an open log is changing it, or is being undone: what is there may be neither. */
static bool stands_still(struct durei_check *check, const struct dl_guard *guard)
{
	durei_check_lock(check, &guard->lock);
	return !check->has_open_log || !cell64_load_acq(&guard->writer);
}

static void check_chunk(struct durei_check *check, const struct dl_vector *v, unsigned chunk,
			uint64_t count)
{
	uint64_t offset = cell64_load_acq(&v->chunks[chunk]), bytes;
	uint64_t start = dl_vector_chunk_start(chunk, v->first_bits);

	if (offset == 0) {
		if (count > start)
			DAMAGED(check, "VECTOR2", durei_offset(check->seg, v), "a vector of %" PRIu64
				" elements has no chunk %u", count, chunk);
		return;
	}
	if (!mul_fits(v->element_bytes, UINT64_C(1) << v->first_bits, &bytes) ||
	    bytes > DL_BYTES_MAX >> chunk) {
		DAMAGED(check, "VECTOR2", offset, "a vector's chunk %u would fit no segment", chunk);
		return;
	}
	uint64_t have = used_bytes(check, "VECTOR2", offset);
	if (have && have < bytes << chunk)
		DAMAGED(check, "VECTOR2", offset, "a vector's chunk %u has %" PRIu64 " bytes, not %"
			PRIu64, chunk, have, bytes << chunk);
}

void durei_check_vector(struct durei_check *check, const void *object, uint64_t bytes)
{
	const struct dl_vector *v = object;
	uint64_t at = durei_offset(check->seg, object), count;

	if (bytes != sizeof *v)
		return;
	if (!stands_still(check, &v->guard))
		return;
	if (!v->element_bytes || v->element_bytes > DL_VECTOR_ELEMENT_MAX ||
	    v->first_bits > DL_VECTOR_FIRST_BITS_MAX || !is_power_of_two(v->align)) {
		DAMAGED(check, "VECTOR2", at, "a vector's elements are of no possible size");
		return;
	}
	count = cell64_load_acq(&v->count);
	if (count >= DL_BYTES_MAX) {
		DAMAGED(check, "VECTOR2", at, "a vector has %" PRIu64 " elements", count);
		return;
	}
	if (count && dl_vector_chunk(count - 1, v->first_bits) >= DL_VECTOR_CHUNKS)
		DAMAGED(check, "VECTOR2", at, "a vector has more elements than chunks");
	for (unsigned chunk = 0; chunk < DL_VECTOR_CHUNKS; chunk++)
		check_chunk(check, v, chunk, count);
}

void durei_check_string(struct durei_check *check, const void *object, uint64_t bytes)
{
	const struct dl_string *s = object;
	uint64_t at = durei_offset(check->seg, object);
	uint64_t offset, length, have, capacity;

	if (bytes != sizeof *s)
		return;
	if (!stands_still(check, &s->guard))
		return;
	offset = cell64_load_acq(&s->text);
	length = cell64_load_acq(&s->length);
	if (!offset) {
		if (length)
			DAMAGED(check, "STRING2", at, "a string of %" PRIu64 " bytes has no block", length);
		return;
	}
	have = used_bytes(check, "STRING2", offset);
	if (!have)
		return;
	capacity = ((const struct dl_text *)durei_at(check->seg, offset))->capacity;
	if (have < sizeof(struct dl_text) || capacity > have - sizeof(struct dl_text))
		DAMAGED(check, "STRING2", offset, "a string's block is too small for %" PRIu64
			" bytes", capacity);
	else if (length > capacity)
		DAMAGED(check, "STRING2", at, "a string is longer than its block");
}

/* -- ordered maps ------------------------------------------------------------------------ */

struct tree_walk {
	struct durei_check *check;
	const struct dl_ordered *map;
	uint64_t count;			/* of entries */
	uint64_t last_word;		/* of the entry seen last */
	const struct dl_ordered_entry *last;	/* its block, if keys are in blocks */
	bool is_number, is_multi, is_damaged;
};

static void tree_damaged(struct tree_walk *walk, uint64_t offset, const char *what)
{
	DAMAGED(walk->check, "ORDERED1", offset, "an ordered map at +%#" PRIx64 ": %s",
		durei_offset(walk->check->seg, walk->map), what);
	walk->is_damaged = true;
}

/* The block of a string's key; NULL, and a finding: it is none, or does not hold its key. */
static const struct dl_ordered_entry *key_block(struct tree_walk *walk, uint64_t offset)
{
	uint64_t bytes = used_bytes(walk->check, "ORDERED1", offset);
	const struct dl_ordered_entry *entry = durei_at(walk->check->seg, offset);

	uint64_t before = sizeof *entry + (walk->is_multi ? sizeof(uint64_t) : 0);

	if (bytes >= sizeof *entry && entry->key_offset >= before && entry->key_offset <= bytes &&
	    entry->key_bytes <= bytes - entry->key_offset)
		return entry;
	tree_damaged(walk, offset, "a key does not lie in its block");
	return NULL;
}

static int compare_bytes(const struct dl_ordered_entry *a, const struct dl_ordered_entry *b,
			 bool is_nocase)
{
	const unsigned char *x = (const unsigned char *)a + a->key_offset;
	const unsigned char *y = (const unsigned char *)b + b->key_offset;
	uint64_t both = min_u64(a->key_bytes, b->key_bytes);

	for (uint64_t i = 0; i < both; i++) {
		int c = x[i], d = y[i];
		if (is_nocase) {
			c += c >= 'A' && c <= 'Z' ? 'a' - 'A' : 0;
			d += d >= 'A' && d <= 'Z' ? 'a' - 'A' : 0;
		}
		if (c != d)
			return c - d;
	}
	return (a->key_bytes > b->key_bytes) - (a->key_bytes < b->key_bytes);
}

static uint64_t serial_of(const struct dl_ordered_entry *entry)
{
	uint64_t serial;

	memcpy(&serial, (const char *)entry + entry->key_offset - sizeof serial, sizeof serial);
	return serial;
}

/* Keys with one word. How a caller orders them only the caller knows. */
static bool is_block_above(const struct tree_walk *walk, const struct dl_ordered_entry *entry,
			   const struct dl_ordered_entry *last)
{
	int r = 0;

	if (walk->map->ordering == DL_ORDERING_CALLER)
		return true;
	if (!walk->is_number)
		r = compare_bytes(entry, last, walk->map->ordering == DL_ORDERING_NOCASE);
	return r > 0 || (r == 0 && walk->is_multi && serial_of(entry) > serial_of(last));
}

/* Is what is met next above (entries: or a separator, at) the entry met last? */
static void check_order(struct tree_walk *walk, uint64_t word,
			const struct dl_ordered_entry *entry, bool is_separator)
{
	bool is_above = word > walk->last_word;

	if (word == walk->last_word && walk->last && entry)
		is_above = is_block_above(walk, entry, walk->last);
	if (walk->count && !is_above)
		tree_damaged(walk, durei_offset(walk->check->seg, walk->map), is_separator
			     ? "a separator is not above the keys before it"
			     : "keys are not in ascending order");
}

/* Else a payload is the value, or nothing. */
static bool has_blocks(const struct tree_walk *walk)
{
	return !walk->is_number || walk->is_multi ||
	       (walk->map->value_bytes != 8 && walk->map->value_bytes != 0);
}

static void check_leaf_slot(struct tree_walk *walk, const struct dl_node *leaf, unsigned slot)
{
	uint64_t word = cell64_load_acq(&leaf->words[slot]);
	uint64_t payload = cell64_load_acq(&leaf->payloads[slot]);
	const struct dl_ordered_entry *entry = NULL;

	if (has_blocks(walk))
		entry = key_block(walk, payload);
	if (!walk->is_damaged && walk->is_multi &&
	    (!serial_of(entry) || serial_of(entry) >= cell64_load_acq(&walk->map->serial)))
		DAMAGED(walk->check, "ORDERED4", payload, "a multimap's entry has a serial number that "
			"has not been given yet");
	if (walk->is_damaged)
		return;
	check_order(walk, word, entry, false);
	walk->last_word = word;
	walk->last = entry;
	walk->count++;
}

/* The node at offset, whose level must be this one. NULL, and a finding. */
static const struct dl_node *seen_node(struct tree_walk *walk, uint64_t offset, unsigned level,
				       bool is_root)
{
	uint64_t bytes = offset % 64 ? 0 : used_bytes(walk->check, "ORDERED1", offset);
	const struct dl_node *node = durei_at(walk->check->seg, offset);

	if (bytes < sizeof *node || (node->level && bytes < sizeof(struct dl_inner)) ||
	    (is_root ? node->level >= DL_ORDERED_LEVELS_MAX : node->level != level) ||
	    !dl_order_is_sane(cell64_load_acq(&node->order))) {
		tree_damaged(walk, offset, "there is no node of the right level");
		return NULL;
	}
	if (walk->check->nodes_left-- == 0) {
		tree_damaged(walk, offset, "trees overlap: together they are larger than the segment");
		return NULL;
	}
	if (!dl_order_count(cell64_load_acq(&node->order)) && (node->level || !is_root))
		tree_damaged(walk, offset, "a node is empty");
	return node;
}

/* As deep as levels go, which grow by one: [ORDERED1]. */
static void check_node(struct tree_walk *walk, uint64_t offset, unsigned level, bool is_root)
{
	const struct dl_node *node = seen_node(walk, offset, level, is_root);
	uint64_t order = node ? cell64_load_acq(&node->order) : 0;

	for (unsigned i = 0; i < dl_order_count(order) && !walk->is_damaged; i++) {
		unsigned slot = dl_order_slot(order, i);
		if (!node->level) {
			check_leaf_slot(walk, node, slot);
			continue;
		}
		uint64_t block = cell64_load_acq(
			&((const struct dl_inner *)(const void *)node)->separators[slot]);
		const struct dl_ordered_entry *entry = block ? key_block(walk, block) : NULL;
		if (i && !walk->is_damaged)
			check_order(walk, cell64_load_acq(&node->words[slot]), entry, true);
		if (i && (!walk->is_number || walk->is_multi) && !block)
			tree_damaged(walk, offset, "a separator has no key");
		if (!walk->is_damaged)
			check_node(walk, cell64_load_acq(&node->payloads[slot]), node->level - 1, false);
	}
}

void durei_check_ordered(struct durei_check *check, const void *object, uint64_t bytes)
{
	const struct dl_ordered *map = object;
	struct tree_walk walk = { .check = check, .map = map };
	uint64_t root;

	if (bytes != sizeof *map)
		return;
	if (!stands_still(check, &map->guard))
		return;
	walk.is_number = map->flags & DL_ORDERED_INTEGER;
	walk.is_multi = map->flags & DL_ORDERED_MULTI;
	if (map->ordering >= DL_ORDERING_COUNT) {
		DAMAGED(check, "ORDERED1", durei_offset(check->seg, map), "an ordered map's ordering is "
			"none there is: %" PRIu32, map->ordering);
		return;
	}
	root = cell64_load_acq(&map->root);
	if (root)
		check_node(&walk, root, 0, true);
	if (!walk.is_damaged && walk.count != cell64_load_acq(&map->count) && !check->has_open_log)
		DAMAGED(check, "ORDERED1", durei_offset(check->seg, map), "an ordered map counts %"
			PRIu64 " entries and has %" PRIu64, cell64_load_acq(&map->count), walk.count);
}
