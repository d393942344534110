/* SPDX-License-Identifier: MIT */
/*
 * check_containers.c - are vectors, bitmaps, deques, priority queues, lists, strings and ordered maps right
 *
 * Why      see check.c. What they lead to are blocks of their own, large enough for what they
 *          say is there; and a tree has its keys in order, each below its own separator.
 * Death    nothing is changed.
 */
#include <inttypes.h>
#include <string.h>

#include "inspect/check.h"
#include "layout/array.h"
#include "layout/element.h"
#include "layout/bitmap.h"
#include "layout/deque.h"
#include "layout/list.h"
#include "layout/ordered.h"
#include "layout/priority.h"
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

/* False, and a finding: its elements are of no possible size. */
static bool check_element(struct durei_check *check, const struct dl_element *element)
{
	if (element->bytes && element->bytes <= DL_ELEMENT_MAX && is_power_of_two(element->align))
		return true;
	DAMAGED(check, "ELEMENT1", durei_offset(check->seg, element),
		"a container's elements are of no possible size");
	return false;
}

static void check_array_chunk(struct durei_check *check, const struct dl_array *array,
			      unsigned chunk, uint64_t count, uint64_t place_bytes)
{
	uint64_t offset = cell64_load_acq(&array->chunks[chunk]), bytes;
	uint64_t start = dl_array_chunk_start(chunk, array->first_bits);

	if (offset == 0) {
		if (count > start)
			DAMAGED(check, "ARRAY2", durei_offset(check->seg, array),
				"of %" PRIu64 " elements some have no chunk %u", count, chunk);
		return;
	}
	if (!mul_fits(place_bytes, UINT64_C(1) << array->first_bits, &bytes) ||
	    bytes > DL_BYTES_MAX >> chunk) {
		DAMAGED(check, "ARRAY2", offset, "chunk %u would fit no segment", chunk);
		return;
	}
	uint64_t have = used_bytes(check, "ARRAY2", offset);
	if (have && have < bytes << chunk)
		DAMAGED(check, "ARRAY2", offset, "chunk %u has %" PRIu64 " bytes, not %" PRIu64, chunk,
			have, bytes << chunk);
}

/* An array of which the first count places are used. */
static void check_array(struct durei_check *check, const struct dl_array *array, uint64_t count,
			uint64_t place_bytes)
{
	uint64_t at = durei_offset(check->seg, array);

	if (array->first_bits > DL_ARRAY_FIRST_BITS_MAX || count >= DL_BYTES_MAX) {
		DAMAGED(check, "ARRAY2", at, "an array with 2^%u places at first cannot have %" PRIu64,
			array->first_bits, count);
		return;
	}
	if (count && dl_array_chunk(count - 1, array->first_bits) >= DL_ARRAY_CHUNKS)
		DAMAGED(check, "ARRAY2", at, "an array has more places than chunks");
	for (unsigned chunk = 0; chunk < DL_ARRAY_CHUNKS; chunk++)
		check_array_chunk(check, array, chunk, count, place_bytes);
}

/* A place of an array that has been checked. */
static const void *seen_place(const struct durei_check *check, const struct dl_array *array,
			      uint64_t number, uint64_t place_bytes)
{
	unsigned chunk = dl_array_chunk(number, array->first_bits);
	uint64_t in = number - dl_array_chunk_start(chunk, array->first_bits);

	return (const char *)durei_at(check->seg, cell64_load_acq(&array->chunks[chunk])) +
	       in * place_bytes;
}

static bool are_owners(const struct dl_element *element)
{
	return element->bytes == sizeof(struct dl_owner) &&
	       strncmp((const char *)element->type_name, DL_OWNER_TYPE, DL_ELEMENT_NAME_BYTES) == 0;
}

void durei_check_vector(struct durei_check *check, const void *object, uint64_t bytes)
{
	const struct dl_vector *v = object;
	uint64_t findings = check->sums.damaged, count;

	if (bytes != sizeof *v || !stands_still(check, &v->guard) ||
	    !check_element(check, &v->element))
		return;
	count = cell64_load_acq(&v->count);
	check_array(check, &v->array, count, v->element.bytes);
	if (check->sums.damaged != findings || !are_owners(&v->element))
		return;
	for (uint64_t i = 0; i < count; i++)
		durei_check_owner(check, seen_place(check, &v->array, i, sizeof(struct dl_owner)));
}

void durei_check_bitmap(struct durei_check *check, const void *object, uint64_t bytes)
{
	const struct dl_bitmap *b = object;
	uint64_t findings = check->sums.damaged, bits, last;
	unsigned chunk;
	const struct cell64 *words;

	if (bytes != sizeof *b || !stands_still(check, &b->guard) ||
	    !check_element(check, &b->element))
		return;
	bits = cell64_load_acq(&b->bits);
	check_array(check, &b->array, dl_bitmap_words(bits), sizeof *words);
	if (check->sums.damaged != findings || bits % 64 == 0)
		return;
	last = dl_bitmap_words(bits) - 1;
	chunk = dl_array_chunk(last, b->array.first_bits);
	words = durei_at(check->seg, cell64_load_acq(&b->array.chunks[chunk]));
	last -= dl_array_chunk_start(chunk, b->array.first_bits);
	if (cell64_load_acq(&words[last]) >> bits % 64)
		DAMAGED(check, "BITMAP1", durei_offset(check->seg, b), "a bitmap of %" PRIu64
			" bits has set ones behind its end", bits);
}

/* The table of a deque; NULL, and a finding: there is none of that size. */
static const struct dl_deque_table *seen_table(struct durei_check *check, uint64_t offset)
{
	const struct dl_deque_table *table = durei_at(check->seg, offset);
	uint64_t bytes = used_bytes(check, "DEQUE2", offset), room;

	if (!bytes)
		return NULL;
	room = (bytes - sizeof *table) / sizeof *table->chunks;
	if (bytes > sizeof *table && is_power_of_two(table->places) && table->places <= room)
		return table;
	DAMAGED(check, "DEQUE2", offset, "a deque's table is larger than its block");
	return NULL;
}

void durei_check_deque(struct durei_check *check, const void *object, uint64_t bytes)
{
	const struct dl_deque *d = object;
	const struct dl_deque_table *table = NULL;
	uint64_t at = durei_offset(check->seg, object), first, count, needed = 0, chunk;

	if (bytes != sizeof *d || !stands_still(check, &d->guard) ||
	    !check_element(check, &d->element))
		return;
	first = cell64_load_acq(&d->first);
	count = cell64_load_acq(&d->end) - first;
	if (d->chunk_bits > DL_DEQUE_CHUNK_BITS_MAX || count >> DL_DEQUE_COUNT_BITS_MAX ||
	    !mul_fits(d->element.bytes, UINT64_C(1) << d->chunk_bits, &chunk)) {
		DAMAGED(check, "DEQUE2", at, "a deque has %" PRIu64 " elements, 2^%u in a chunk",
			count, d->chunk_bits);
		return;
	}
	if (cell64_load_acq(&d->table))
		table = seen_table(check, cell64_load_acq(&d->table));
	else if (count)
		DAMAGED(check, "DEQUE2", at, "a deque has elements, and no table");
	if (!table)
		return;
	if (count)
		needed = ((first + count - 1) >> d->chunk_bits) - (first >> d->chunk_bits) + 1;
	if (needed > table->places)
		DAMAGED(check, "DEQUE2", at, "a deque has more chunks than its table");
	for (uint64_t i = 0; i < table->places; i++) {
		uint64_t n = (first >> d->chunk_bits) + i;
		uint64_t offset = cell64_load_acq(&table->chunks[n & (table->places - 1)]);
		if (!offset && i < needed)
			DAMAGED(check, "DEQUE2", at, "elements of a deque have no chunk");
		if (offset && used_bytes(check, "DEQUE3", offset) < chunk)
			DAMAGED(check, "DEQUE3", offset, "a deque's chunk is too small");
	}
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

/* -- priority queues ----------------------------------------------------------------------- */

struct heap_walk {
	struct durei_check *check;
	const struct dl_priority *queue;
	uint64_t count, places, place_bytes;
};

static void heap_damaged(const struct heap_walk *walk, const char *rule, const char *what)
{
	uint64_t at = durei_offset(walk->check->seg, walk->queue);

	DAMAGED(walk->check, rule, at, "a priority queue at +%#" PRIx64 ": %s", at, what);
}

static const struct dl_priority_entry *seen_entry(const struct heap_walk *walk, uint64_t number)
{
	return seen_place(walk->check, &walk->queue->heap, number, sizeof(struct dl_priority_entry));
}

static const struct dl_priority_place *seen_element(const struct heap_walk *walk, uint64_t number)
{
	return seen_place(walk->check, &walk->queue->elements, number, walk->place_bytes);
}

/* False, and a finding. */
static bool check_entry(const struct heap_walk *walk, uint64_t number)
{
	const struct dl_priority_entry *e = seen_entry(walk, number);
	uint64_t place = cell64_load_acq(&e->place), word = cell64_load_acq(&e->word), above = word;
	bool is_highest = walk->queue->flags & DL_PRIORITY_HIGHEST;

	if (place >= walk->places || cell64_load_acq(&seen_element(walk, place)->at) != number) {
		heap_damaged(walk, "PRIORITY2", "an entry's place does not know it");
		return false;
	}
	if (number)
		above = cell64_load_acq(&seen_entry(walk, (number - 1) / DL_PRIORITY_WAYS)->word);
	if (is_highest ? word > above : word < above) {
		heap_damaged(walk, "PRIORITY1", "an entry comes before its parent");
		return false;
	}
	return true;
}

static void check_free_places(const struct heap_walk *walk)
{
	uint64_t next = cell64_load_acq(&walk->queue->free), n = 0, at;

	for (; next && n < walk->places; n++) {
		at = next <= walk->places ? cell64_load_acq(&seen_element(walk, next - 1)->at) : 0;
		if (!(at & DL_PRIORITY_FREE))
			break;
		next = at & ~DL_PRIORITY_FREE;
	}
	if (next || n + walk->count != walk->places)
		heap_damaged(walk, "PRIORITY3", "places have no entry, and are not free");
}

void durei_check_priority(struct durei_check *check, const void *object, uint64_t bytes)
{
	const struct dl_priority *q = object;
	struct heap_walk walk = { .check = check, .queue = q };
	uint64_t findings = check->sums.damaged, align;

	if (bytes != sizeof *q || !stands_still(check, &q->guard) ||
	    !check_element(check, &q->element))
		return;
	walk.count = cell64_load_acq(&q->count);
	walk.places = cell64_load_acq(&q->places);
	align = max_u64(q->element.align, 8);
	walk.place_bytes = align_up(align_up(sizeof(struct dl_priority_place) +
						     align_up(q->key_bytes, 8), q->element.align) +
					    q->element.bytes, align);
	check_array(check, &q->heap, walk.count, sizeof(struct dl_priority_entry));
	check_array(check, &q->elements, walk.places, walk.place_bytes);
	if (check->sums.damaged != findings)
		return;
	for (uint64_t i = 0; i < walk.count; i++)
		if (!check_entry(&walk, i))
			return;
	check_free_places(&walk);
}

/* -- lists ------------------------------------------------------------------------------- */

struct ring_walk {
	struct durei_check *check;
	const struct dl_list *list;
	uint64_t count;
};

static void ring_damaged(const struct ring_walk *walk, const char *rule, uint64_t offset,
			 const char *what)
{
	DAMAGED(walk->check, rule, offset, "a list at +%#" PRIx64 ": %s",
		durei_offset(walk->check->seg, walk->list), what);
}

/* The node at an offset; NULL, and a finding: there can be none, or its block is not used. */
static const struct dl_list_node *seen_list_node(const struct ring_walk *walk, uint64_t offset)
{
	dure_segment *seg = walk->check->seg;
	const struct dl_list *list = walk->list;
	uint64_t element = offset - list->node_offset, block;

	if (offset == durei_offset(seg, &list->head))
		return &list->head;
	if (offset % 8 || offset < seg->super.data_offset || element < seg->super.data_offset ||
	    !durei_bytes_are_backed(seg, offset, sizeof(struct dl_list_node)) ||
	    !durei_bytes_are_backed(seg, element, list->element.bytes)) {
		ring_damaged(walk, "LIST1", offset, "a neighbour lies outside");
		return NULL;
	}
	block = element - max_u64(sizeof(struct dl_list_node), list->element.align);
	if (!(list->flags & DL_LIST_INTRUSIVE) && !used_bytes(walk->check, "LIST1", block))
		return NULL;
	return durei_at(seg, offset);
}

/* As far as neighbours lead to each other. [LIST1] */
static void check_ring(struct ring_walk *walk)
{
	dure_segment *seg = walk->check->seg;
	const struct dl_list_node *node = &walk->list->head, *next;

	for (;; node = next, walk->count++) {
		uint64_t at = durei_offset(seg, node);
		next = seen_list_node(walk, cell64_load_acq(&node->next));
		if (!next)
			return;
		if (cell64_load_acq(&next->prev) != at) {
			ring_damaged(walk, "LIST1", at, "of neighbours only one leads to the other");
			return;
		}
		if (next == &walk->list->head)
			return;
		if (cell64_load_acq(&next->list) != durei_offset(seg, walk->list)) {
			ring_damaged(walk, "LIST2", at, "an element says it is in another one");
			return;
		}
	}
}

void durei_check_list(struct durei_check *check, const void *object, uint64_t bytes)
{
	const struct dl_list *list = object;
	struct ring_walk walk = { .check = check, .list = list };
	uint64_t findings = check->sums.damaged;

	if (bytes != sizeof *list || !stands_still(check, &list->guard) ||
	    !check_element(check, &list->element))
		return;
	check_ring(&walk);
	if (check->sums.damaged == findings && walk.count != cell64_load_acq(&list->count))
		ring_damaged(&walk, "LIST4", durei_offset(check->seg, list),
			     "its count is not that of its elements");
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
