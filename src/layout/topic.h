/* SPDX-License-Identifier: MIT */
/*
 * topic.h - a topic as it lies in a segment: publications in order, and who has read how far
 *
 * Layout   an object of type "dure_topic" with one struct dl_topic_place, which leads to a block:
 *          struct dl_topic, then a row per subscriber, a cell per publication that is kept,
 *          and a word per process that may use it. A publication is a block of its own:
 *          struct dl_publication, then the bytes.
 *
 *		reclaimed     oldest                        head
 *		 |             |                             |
 *		[ being freed ][ kept for whoever joins or lags ][ cells without a meaning
 *		                    ^ next of a subscriber          cell: sequence % cell_count
 *
 * Rules    [TOPIC1] head, reclaimed, bytes, orphans and the numbers are written under `lock`, by a
 *                   log; oldest under `lock`, in place
 *          [TOPIC2] reclaimed <= oldest <= head <= reclaimed + cell_count. A cell from
 *                   `reclaimed` up to `head` leads to the publication of that sequence
 *          [TOPIC3] nobody may begin to use a publication below `oldest`; who uses one has its
 *                   sequence in a pin of his row from before he last saw that it is not below
 *          [TOPIC4] a publication below `reclaimed` is an orphan: somebody had a pin on it; it is
 *                   in the list `orphans` until nobody has
 *          [TOPIC5] a row is its holder's (message/holder.c), who alone writes it while he lives;
 *                   after that, and while it has none, it is written under `lock`
 *          [TOPIC6] `gate` is no more than the least `next` of those who block
 */
#ifndef DUREI_LAYOUT_TOPIC_H
#define DUREI_LAYOUT_TOPIC_H

#include <assert.h>
#include <stddef.h>

#include "layout/lock.h"

enum { DL_TOPIC_MAGIC = 0x69706f74, DL_PINS = 7 };

struct dl_topic_place {
	struct cell64 topic;		/* offset of the struct dl_topic; written before the name */
	uint64_t reserved;
};

struct dl_publication {
	uint64_t topic;			/* offset of its topic; so this block is a publication */
	uint64_t sequence;
	uint64_t bytes;
	uint32_t publisher;		/* process id, for people */
	struct cell32 pinned_by;	/* orphans: a row that had it when last looked at */
	struct cell64 next;		/* orphans: the next one, 0: the last */
	uint64_t reserved;
};

struct dl_subscriber {
	/* read by who makes room; written with each publication taken or given back */
	struct cell64 next;		/* sequence it takes next << 1 | does it block publishers */
	struct cell64 pins[DL_PINS];	/* sequence + 1 of what it has on loan; 0: nothing */

	struct cell64 holder;		/* 0: nobody's row */
	uint32_t policy;
	uint32_t process;		/* id, for people */
	struct cell64 taken, lost;	/* publications */
	uint64_t since_ns;		/* wall clock, for people */
	uint64_t reserved[3];
};

enum { DL_TOPIC_OPEN = 0, DL_TOPIC_SHUT = 1, DL_TOPIC_DOOMED = 2 };

/* a cell: bits 0-43 the publication's offset / 16, 44-63 the lap, sequence / cell_count + 1 */
enum { DL_TOPIC_LAP_SHIFT = 44 };

struct dl_topic {
	/* hardly ever changes */
	uint32_t magic;
	struct cell32 state;
	uint32_t row_count;		/* these: written once */
	uint32_t flags;
	uint64_t messages_max;		/* so many are kept */
	uint64_t cell_count;		/* more than that; a power of two */
	uint64_t bytes_max;
	uint64_t message_bytes_max;
	uint64_t reserved[2];

	/* written by publishers, with each publication */
	struct dl_mutex lock;
	struct cell64 head;		/* sequence of the next publication */
	struct cell64 bytes;		/* of publications from reclaimed to head */
	struct cell64 gate;		/* [TOPIC6]; all bits: nobody blocks */
	struct cell64 reclaimed;
	struct cell64 orphans;		/* offset of the first */
	struct cell32 sweep;		/* 1: a pin on an orphan has gone */
	struct cell32 last_publisher;	/* process id, for people */

	/* read by subscribers with each publication, written now and then */
	struct cell64 oldest;
	struct cell32 arrivals;		/* subscribers sleep here; layout/news.h */
	struct cell32 rooms;		/* publishers sleep here */
	struct cell64 reserved2[6];

	/* figures */
	struct cell64 orphan_count, orphan_bytes;
	struct cell64 died;		/* subscribers whose rows were dealt with after their deaths */
	struct cell64 bytes_high;
	struct cell64 waits_to_publish, waits_to_receive;
	struct cell64 reserved3[2];

	/* rows: struct dl_subscriber; cells: cell64; users: cell64 (layout/users.h) */
};

static_assert(sizeof(struct dl_topic_place) == 16, "no padding");
static_assert(sizeof(struct dl_publication) == 48, "the bytes are aligned to 16");
static_assert(sizeof(struct dl_subscriber) == 128, "two lines");
static_assert(offsetof(struct dl_subscriber, holder) == 64, "a line that publishers read, and one");
static_assert(offsetof(struct dl_topic, lock) == 64, "second line");
static_assert(offsetof(struct dl_topic, oldest) == 128, "third line");
static_assert(offsetof(struct dl_topic, orphan_count) == 192, "fourth line");
static_assert(sizeof(struct dl_topic) == 256, "no padding");

static inline uint64_t dl_topic_cell(uint64_t offset, uint64_t lap)
{
	return offset / 16 | lap << DL_TOPIC_LAP_SHIFT;
}

static inline uint64_t dl_topic_cell_offset(uint64_t cell)
{
	return (cell & ((UINT64_C(1) << DL_TOPIC_LAP_SHIFT) - 1)) * 16;
}

/* A cell is the publication's of this lap: the laps fill the bits above the offset. */
static inline bool dl_topic_cell_is_of(uint64_t cell, uint64_t lap)
{
	return cell >> DL_TOPIC_LAP_SHIFT == (lap & ((UINT64_C(1) << (64 - DL_TOPIC_LAP_SHIFT)) - 1)) &&
	       dl_topic_cell_offset(cell);
}

#endif
