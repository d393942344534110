/* SPDX-License-Identifier: MIT */
/*
 * check.h - the parts of a check, and how they report
 */
#ifndef DUREI_INSPECT_CHECK_H
#define DUREI_INSPECT_CHECK_H

#include <dure/inspect.h>

#include "layout/index.h"
#include "layout/log.h"
#include "layout/object.h"
#include "layout/owner.h"
#include "layout/board.h"
#include "layout/queue.h"
#include "layout/lanes.h"
#include "layout/ring.h"
#include "layout/topic.h"
#include "segment/lane.h"

struct durei_check {
	dure_segment *seg;
	struct dure_check sums;
	void (*visit)(const struct dure_finding *finding, void *context);
	void *context;
	uint64_t buckets_left;		/* tables and indexes are blocks: all of them fit */
	uint64_t partitions_left;
	uint64_t nodes_left;
	bool has_open_log;		/* some lane's transaction is open: marks are explained */
};

void durei_check_report(struct durei_check *check, enum dure_finding_grade grade,
			const char *rule, uint64_t offset, const char *format, ...)
	DURE_FORMAT(5, 6);

#define DAMAGED(check, rule, offset, ...)                                                         \
	durei_check_report(check, DURE_FINDING_DAMAGED, rule, offset, __VA_ARGS__)
#define MENDABLE(check, rule, offset, ...)                                                        \
	durei_check_report(check, DURE_FINDING_MENDABLE, rule, offset, __VA_ARGS__)

void durei_check_lanes(struct durei_check *check);
void durei_check_pages(struct durei_check *check);
void durei_check_shares(struct durei_check *check, unsigned lane, bool is_free);
void durei_check_objects(struct durei_check *check);
void durei_check_board(struct durei_check *check, const struct dl_board_place *place);
/* flags: DL_QUEUE_IS_SERVICE */
void durei_check_queue(struct durei_check *check, const struct dl_queue_place *place,
		       uint32_t flags);
void durei_check_ring(struct durei_check *check, const struct dl_ring_place *place);
void durei_check_ring_lanes(struct durei_check *check, const struct dl_lanes_place *place);
void durei_check_topic(struct durei_check *check, const struct dl_topic_place *place);

/* A lock whose holder, if it has one, lists it. */
void durei_check_lock(struct durei_check *check, const struct dl_mutex *lock);
/* Objects of these types, and so many bytes. */
void durei_check_vector(struct durei_check *check, const void *object, uint64_t bytes);
void durei_check_bitmap(struct durei_check *check, const void *object, uint64_t bytes);
void durei_check_deque(struct durei_check *check, const void *object, uint64_t bytes);
void durei_check_priority(struct durei_check *check, const void *object, uint64_t bytes);
void durei_check_list(struct durei_check *check, const void *object, uint64_t bytes);
void durei_check_string(struct durei_check *check, const void *object, uint64_t bytes);
void durei_check_ordered(struct durei_check *check, const void *object, uint64_t bytes);

/* It leads to nothing, or to an object without a name. */
void durei_check_owner(struct durei_check *check, const struct dl_owner *owner);

/* A block as the tables show it, found by code of this room alone. */
struct durei_seen_block {
	uint64_t start, bytes;
	unsigned state;			/* enum dl_block_state; runs are given theirs */
};
/* False: no block begins at offset. */
bool durei_see_block(dure_segment *seg, uint64_t offset, struct durei_seen_block *ret);

/* Fills in shares and share_count, which are 0. */
void durei_see_shares(dure_segment *seg, unsigned lane, struct dure_thread_info *ret);

uint64_t durei_seen_status(const dure_segment *seg, unsigned lane);

#endif
