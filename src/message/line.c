/* SPDX-License-Identifier: MIT */
/*
 * line.c - messages in order: treaps of lines
 *
 * Why      A queue is asked for the highest priority, for a type, for the lowest of some types;
 *          and a message that comes back goes to where it was. All of that must not cost more
 *          with more messages, only (a little) with more kinds of them that wait at once.
 * How      A treap: a binary tree by key, and a heap by a number that is computed from the
 *          key. So it is balanced on average whatever comes when, and needs neither parents nor
 *          rotations: a new line splits a part in two, one that ends joins two parts.
 * Rules    layout/queue.h
 *          [LINE1] every store into what others may reach is remembered by the open log first
 *          [LINE2] what is read is foreign bytes: a message is checked before it is followed,
 *                  and a path longer than any honest one is damage
 * Death    tx/log.c: all of an operation is undone, or none.
 */
#include "message/line.h"

#include "base/hash.h"
#include "layout/service.h"
#include "tx/log.h"

enum { PATH_MAX_STEPS = 1024 };		/* of some 3 log2(lines) */

static int damaged(const struct durei_lines *lines)
{
	return durei_error(EUCLEAN, "segment %s: the messages of the queue at +%#llx contradict "
			   "themselves: run dure check", lines->seg->super.name,
			   (unsigned long long)lines->queue);
}

/* A message, and with it the head of a call where there is one. */
static bool is_backed(dure_segment *seg, uint64_t queue, uint64_t offset)
{
	const struct dl_queue *q = durei_at(seg, queue);
	uint64_t bytes = sizeof(struct dl_message);

	return durei_bytes_are_backed(seg, offset, bytes + sizeof(struct dl_call)) ||
	       (!(q->flags & DL_QUEUE_IS_SERVICE) && durei_bytes_are_backed(seg, offset, bytes));
}

struct dl_message *durei_message_at(dure_segment *seg, uint64_t queue, uint64_t offset)
{
	struct dl_message *m = durei_at(seg, offset);

	if (__builtin_expect(offset % 16 || offset < seg->super.data_offset ||
			     !is_backed(seg, queue, offset), 0))
		return NULL;
	return __builtin_expect(m->queue == queue, 1) ? m : NULL;
}

static struct dl_message *at(const struct durei_lines *lines, uint64_t offset)
{
	return durei_message_at(lines->seg, lines->queue, offset);
}

static uint64_t offset_of(const struct durei_lines *lines, const struct dl_message *m)
{
	return durei_offset(lines->seg, m);
}

static struct dl_links *links(const struct durei_lines *lines, const struct dl_message *m)
{
	struct dl_message *message = (struct dl_message *)(uintptr_t)m;

	return lines->order == DUREI_BY_TYPE ? &message->kind : &message->order;
}

/* -- keys -------------------------------------------------------------------------------- */

struct durei_line_key durei_line_key(const struct durei_lines *lines, const struct dl_message *m)
{
	struct durei_line_key key = { 0, DL_PRIORITY_MAX - (uint64_t)m->priority };

	if (lines->order == DUREI_BY_TAKING)
		key.minor = 0;
	else if (lines->order == DUREI_BY_TYPE)
		key.major = (uint64_t)m->type;
	return key;
}

static int compare(struct durei_line_key a, struct durei_line_key b)
{
	if (a.major != b.major)
		return a.major < b.major ? -1 : 1;
	return a.minor < b.minor ? -1 : a.minor > b.minor;
}

/* Is a's line above b's in the treap? The keys break ties, so it is one treap for all. */
static bool is_above(struct durei_line_key a, struct durei_line_key b)
{
	uint64_t weight_a = hash_u64(a.major, a.minor), weight_b = hash_u64(b.major, b.minor);

	return weight_a != weight_b ? weight_a > weight_b : compare(a, b) < 0;
}

/* -- looking ----------------------------------------------------------------------------- */

struct dl_message *durei_lines_from(const struct durei_lines *lines, struct durei_line_key key,
				    int *ret_error)
{
	uint64_t offset = cell64_load_rlx(lines->root);
	struct dl_message *best = NULL;

	for (int steps = 0; offset && steps < PATH_MAX_STEPS; steps++) {
		struct dl_message *m = at(lines, offset);
		if (!m)
			break;
		if (compare(durei_line_key(lines, m), key) < 0) {
			offset = cell64_load_rlx(&links(lines, m)->right);
		} else {
			best = m;
			offset = cell64_load_rlx(&links(lines, m)->left);
		}
	}
	if (!offset)
		return best;
	*ret_error = damaged(lines);
	return NULL;
}

struct dl_message *durei_lines_next(const struct durei_lines *lines, const struct dl_message *m,
				    int *ret_error)
{
	uint64_t next = cell64_load_rlx(&links(lines, m)->next);
	struct durei_line_key key = durei_line_key(lines, m);
	struct dl_message *found = next ? at(lines, next) : NULL;

	if (next && (!found || compare(durei_line_key(lines, found), key) != 0)) {
		*ret_error = damaged(lines);
		return NULL;
	}
	if (found)
		return found;
	key.minor++;		/* no priority is above it: then it is the next type's first */
	return durei_lines_from(lines, key, ret_error);
}

/* The word that leads to the line of this key, or would; NULL: damaged. */
static struct cell64 *find_link(const struct durei_lines *lines, struct durei_line_key key,
				struct dl_message **ret_first)
{
	struct cell64 *link = lines->root;

	*ret_first = NULL;
	for (int steps = 0; steps < PATH_MAX_STEPS; steps++) {
		uint64_t offset = cell64_load_rlx(link);
		if (!offset)
			return link;
		struct dl_message *m = at(lines, offset);
		if (!m)
			return NULL;
		struct durei_line_key found = durei_line_key(lines, m);
		int side = compare(key, found);
		if (side == 0)
			*ret_first = m;
		if (side == 0 || is_above(key, found))
			return link;
		link = side < 0 ? &links(lines, m)->left : &links(lines, m)->right;
	}
	return NULL;
}

/* -- putting in -------------------------------------------------------------------------- */

/* The part at offset becomes two: lines before key, and behind it. */
static int split(const struct durei_lines *lines, struct durei_lane *lane, uint64_t offset,
		 struct durei_line_key key, struct dl_links *m)
{
	struct cell64 *before = &m->left, *behind = &m->right;
	int r = 0;

	for (int steps = 0; r == 0 && offset; steps++) {
		struct dl_message *node = at(lines, offset);
		if (!node || steps >= PATH_MAX_STEPS)
			return damaged(lines);
		struct cell64 **end = compare(durei_line_key(lines, node), key) < 0 ? &before : &behind;
		r = durei_log_write_word(lane, *end, offset);
		*end = end == &before ? &links(lines, node)->right : &links(lines, node)->left;
		offset = cell64_load_rlx(*end);
	}
	if (r == 0)
		r = durei_log_write_word(lane, before, 0);
	return r < 0 ? r : durei_log_write_word(lane, behind, 0);
}

static int start_line(const struct durei_lines *lines, struct durei_lane *lane,
		      struct cell64 *link, struct dl_message *m)
{
	struct dl_links *l = links(lines, m);
	uint64_t offset = offset_of(lines, m);
	int r;

	cell64_store_rel(&l->next, 0);
	cell64_store_rel(&l->prev, offset);
	if (!cell64_load_rlx(link)) {
		cell64_store_rel(&l->left, 0);
		cell64_store_rel(&l->right, 0);
		return durei_log_write_word(lane, link, offset);
	}
	r = split(lines, lane, cell64_load_rlx(link), durei_line_key(lines, m), l);
	return r < 0 ? r : durei_log_write_word(lane, link, offset);
}

/* m is older than all: the treap's node from now on. */
static int put_first(const struct durei_lines *lines, struct durei_lane *lane,
		     struct cell64 *link, struct dl_message *first, struct dl_message *m)
{
	struct dl_links *l = links(lines, m), *f = links(lines, first);
	uint64_t offset = offset_of(lines, m);
	int r;

	cell64_store_rel(&l->left, cell64_load_rlx(&f->left));
	cell64_store_rel(&l->right, cell64_load_rlx(&f->right));
	cell64_store_rel(&l->prev, cell64_load_rlx(&f->prev));
	cell64_store_rel(&l->next, offset_of(lines, first));
	r = durei_log_write_word(lane, &f->prev, offset);
	return r < 0 ? r : durei_log_write_word(lane, link, offset);
}

static int put_behind(const struct durei_lines *lines, struct durei_lane *lane,
		      struct dl_message *first, struct dl_message *before, struct dl_message *m)
{
	struct dl_links *l = links(lines, m), *b = links(lines, before);
	uint64_t offset = offset_of(lines, m), next = cell64_load_rlx(&b->next);
	struct dl_message *behind = next ? at(lines, next) : first;
	int r;

	if (!behind)
		return damaged(lines);
	cell64_store_rel(&l->prev, offset_of(lines, before));
	cell64_store_rel(&l->next, next);
	r = durei_log_write_word(lane, &b->next, offset);
	return r < 0 ? r : durei_log_write_word(lane, &links(lines, behind)->prev, offset);
}

int durei_lines_insert(const struct durei_lines *lines, struct durei_lane *lane,
		       struct dl_message *m)
{
	struct dl_message *first, *before;
	struct cell64 *link = find_link(lines, durei_line_key(lines, m), &first);
	uint64_t next;

	if (!link)
		return damaged(lines);
	if (!first)
		return start_line(lines, lane, link, m);
	before = at(lines, cell64_load_rlx(&links(lines, first)->prev));
	if (!before)
		return damaged(lines);
	if (lines->order == DUREI_BY_TAKING || before->id < m->id)	/* [QUEUE4] */
		return put_behind(lines, lane, first, before, m);
	if (m->id < first->id)
		return put_first(lines, lane, link, first, m);
	/* one that comes back: near the front, where it was; ids grow, so there is an end */
	for (before = first; (next = cell64_load_rlx(&links(lines, before)->next)); ) {
		struct dl_message *behind = at(lines, next);
		if (!behind || behind->id <= before->id)
			return damaged(lines);
		if (behind->id > m->id)
			break;
		before = behind;
	}
	return put_behind(lines, lane, first, before, m);
}

/* -- taking out -------------------------------------------------------------------------- */

/* Two parts, all keys of the first before those of the second, become one at link. */
static int join(const struct durei_lines *lines, struct durei_lane *lane, struct cell64 *link,
		uint64_t before, uint64_t behind)
{
	int r = 0;

	for (int steps = 0; r == 0 && before && behind; steps++) {
		struct dl_message *a = at(lines, before), *b = at(lines, behind);
		if (!a || !b || steps >= PATH_MAX_STEPS)
			return damaged(lines);
		if (is_above(durei_line_key(lines, a), durei_line_key(lines, b))) {
			r = durei_log_write_word(lane, link, before);
			link = &links(lines, a)->right;
			before = cell64_load_rlx(link);
		} else {
			r = durei_log_write_word(lane, link, behind);
			link = &links(lines, b)->left;
			behind = cell64_load_rlx(link);
		}
	}
	return r < 0 ? r : durei_log_write_word(lane, link, before ? before : behind);
}

/* The second of a line becomes its first. */
static int advance(const struct durei_lines *lines, struct durei_lane *lane, struct cell64 *link,
		   const struct dl_links *l, uint64_t next)
{
	struct dl_message *second = at(lines, next);
	struct dl_links *s;
	int r;

	if (!second)
		return damaged(lines);
	s = links(lines, second);
	r = durei_log_undo_range(lane, durei_offset(lines->seg, &s->prev), 24);
	if (r < 0)
		return r;
	cell64_store_rel(&s->prev, cell64_load_rlx(&l->prev));
	cell64_store_rel(&s->left, cell64_load_rlx(&l->left));
	cell64_store_rel(&s->right, cell64_load_rlx(&l->right));
	return durei_log_write_word(lane, link, next);
}

int durei_lines_remove(const struct durei_lines *lines, struct durei_lane *lane,
		       struct dl_message *m)
{
	const struct dl_links *l = links(lines, m);
	uint64_t next = cell64_load_rlx(&l->next);
	struct dl_message *first, *before, *behind;
	struct cell64 *link = find_link(lines, durei_line_key(lines, m), &first);
	int r;

	if (!link || !first)
		return damaged(lines);
	if (first == m)
		return next ? advance(lines, lane, link, l, next)
			    : join(lines, lane, link, cell64_load_rlx(&l->left),
				   cell64_load_rlx(&l->right));
	before = at(lines, cell64_load_rlx(&l->prev));
	behind = next ? at(lines, next) : first;
	if (!before || !behind)
		return damaged(lines);
	r = durei_log_write_word(lane, &links(lines, before)->next, next);
	return r < 0 ? r
		     : durei_log_write_word(lane, &links(lines, behind)->prev,
					    cell64_load_rlx(&l->prev));
}
