/* SPDX-License-Identifier: MIT */
/*
 * check_topics.c - are the publications of a topic where they should be
 *
 * Why      see check.c
 * How      A topic whose lock is held is being changed, and its log explains what is seen: it is
 *          left alone. What is found in one that was free counts only when it still is, and
 *          nobody has changed it meanwhile. Subscribers go on while we look: of their rows only
 *          what can never be is wrong.
 * Death    nothing is changed.
 */
#include <inttypes.h>

#include "inspect/check.h"
#include "layout/topic.h"

/* A topic under check, and the first thing that is wrong with it. */
struct walk {
	struct durei_check *check;
	const struct dl_topic *topic;
	const struct dl_subscriber *rows;
	const struct cell64 *cells;
	uint64_t offset;
	uint64_t head, oldest, reclaimed;
	const char *wrong;
	uint64_t wrong_at;
};

static bool say(struct walk *walk, uint64_t at, const char *what)
{
	walk->wrong = what;
	walk->wrong_at = at;
	return false;
}

static const struct dl_publication *see_publication(struct walk *walk, uint64_t offset)
{
	const struct dl_publication *m = durei_at(walk->check->seg, offset);
	struct durei_seen_block block;

	if (offset % 16 == 0 && durei_see_block(walk->check->seg, offset, &block) &&
	    block.bytes >= sizeof *m && block.state == DL_BLOCK_LIVE && m->topic == walk->offset &&
	    m->bytes <= block.bytes - sizeof *m)
		return m;
	(void)say(walk, offset, "a cell or link leads to no publication of the topic");
	return NULL;
}

/* [TOPIC2] */
static bool walk_cells(struct walk *walk)
{
	uint64_t count = walk->topic->cell_count, bytes = 0;

	if (walk->reclaimed > walk->oldest || walk->oldest > walk->head ||
	    walk->head - walk->reclaimed > count)
		return say(walk, walk->offset, "a topic's sequences are not in their order");
	for (uint64_t i = walk->reclaimed; i < walk->head; i++) {
		uint64_t cell = cell64_load_acq(&walk->cells[i & (count - 1)]);
		const struct dl_publication *m = see_publication(walk, dl_topic_cell_offset(cell));
		if (!m)
			return false;
		if (m->sequence != i || !dl_topic_cell_is_of(cell, i / count + 1))
			return say(walk, walk->offset, "a cell has another sequence's publication");
		bytes += m->bytes;
	}
	return bytes == cell64_load_acq(&walk->topic->bytes) ||
	       say(walk, walk->offset, "a topic's bytes are not those of its publications");
}

/* [TOPIC4] */
static bool walk_orphans(struct walk *walk)
{
	uint64_t most = cell64_load_acq(&walk->topic->orphan_count), count = 0, bytes = 0;
	uint64_t at = cell64_load_acq(&walk->topic->orphans);

	while (at) {
		const struct dl_publication *m = see_publication(walk, at);
		if (!m)
			return false;
		if (m->sequence >= walk->reclaimed || ++count > most)
			return say(walk, at, "an orphan is kept, or there are too many");
		bytes += m->bytes;
		at = cell64_load_acq(&m->next);
	}
	return (count == most && bytes == cell64_load_acq(&walk->topic->orphan_bytes)) ||
	       say(walk, walk->offset, "a topic's orphans are not as many as it says");
}

/* Nobody has read, or has, what is not published yet. */
static bool walk_rows(struct walk *walk)
{
	for (uint32_t i = 0; i < walk->topic->row_count; i++) {
		const struct dl_subscriber *row = &walk->rows[i];
		uint64_t at = durei_offset(walk->check->seg, row), most;
		most = cell64_load_acq(&row->next) >> 1;
		for (unsigned p = 0; p < DL_PINS; p++) {
			uint64_t pin = cell64_load_acq(&row->pins[p]);
			most = pin > most ? pin : most;
		}
		if (most > cell64_load_acq(&walk->topic->head))
			return say(walk, at, "a subscriber is beyond what is published");
	}
	return true;
}

static bool is_free(const struct dl_topic *t)
{
	return !dl_lock_lane(cell32_load_acq(&t->lock.word));
}

static uint64_t changes_of(const struct dl_topic *t)
{
	return cell64_load_acq(&t->head) + cell64_load_acq(&t->reclaimed) * 3 +
	       cell64_load_acq(&t->oldest) * 5 + cell64_load_acq(&t->orphan_count) * 7;
}

static bool fits(const struct dl_topic *t, uint64_t bytes)
{
	uint64_t cells = t->cell_count;

	return is_power_of_two(cells) && cells < bytes / sizeof(struct cell64) &&
	       t->messages_max && t->messages_max < cells &&
	       t->row_count < bytes / sizeof(struct dl_subscriber) &&
	       sizeof *t + t->row_count * sizeof(struct dl_subscriber) +
			       cells * sizeof(struct cell64) <= bytes;
}

void durei_check_topic(struct durei_check *check, const struct dl_topic_place *place)
{
	uint64_t offset = cell64_load_acq(&place->topic), changes;
	const struct dl_topic *t = durei_at(check->seg, offset);
	struct walk walk = { .check = check, .topic = t, .offset = offset };
	struct durei_seen_block block;

	if (offset % 64 || !durei_see_block(check->seg, offset, &block) ||
	    !(block.state == DL_BLOCK_LIVE || check->has_open_log) || block.bytes < sizeof *t ||
	    t->magic != DL_TOPIC_MAGIC || !fits(t, block.bytes)) {
		DAMAGED(check, "TOPIC1", offset, "there is no topic at +%#" PRIx64, offset);
		return;
	}
	walk.rows = (const struct dl_subscriber *)(const void *)(t + 1);
	walk.cells = (const struct cell64 *)(const void *)(walk.rows + t->row_count);
	durei_check_lock(check, &t->lock);
	changes = changes_of(t);
	if (!is_free(t))
		return;
	walk.head = cell64_load_acq(&t->head);
	walk.oldest = cell64_load_acq(&t->oldest);
	walk.reclaimed = cell64_load_acq(&t->reclaimed);
	(void)(walk_cells(&walk) && walk_orphans(&walk) && walk_rows(&walk));
	if (walk.wrong && is_free(t) && changes_of(t) == changes)
		DAMAGED(check, "TOPIC2", walk.wrong_at, "%s", walk.wrong);
}
