/* SPDX-License-Identifier: MIT */
/*
 * recover.h - dealing with what the dead left: who is dead, who mends, in which order
 */
#ifndef DUREI_SEGMENT_RECOVER_H
#define DUREI_SEGMENT_RECOVER_H

#include "segment/lane.h"

/* One dead lane under repair; the recoverer acts as the dead thread, on the dead lane. */
struct durei_mending {
	dure_segment *seg;
	struct dl_lane *lane;
	uint16_t id;
	uint16_t generation;
	bool process_is_dead;		/* false: only the thread; its process may hold blocks */
	bool keeps_lane;		/* out: blocks still reserved, or adjustments, need it */
};

/*
 * What each room above knows of lanes. The table is defined in src/menders.c: this room drives
 * recovery, but may not know the rooms above it.
 */
struct durei_mender {
	const char *name;
	/* at a segment's creation, by the creator's lane */
	int (*format)(struct durei_lane *lane);
	/* one step of recovery; idempotent, may die, may be begun again by somebody else */
	void (*mend)(struct durei_mending *mending);
	/* a living thread ends inside an operation: undo it, as an heir would */
	void (*end)(struct durei_lane *lane);
	/* a thread leaves in good order; false: the lane must be kept for its process */
	bool (*leave)(struct durei_lane *lane);
	/* the private memory of a lane goes */
	void (*forget)(struct durei_lane *lane);
};

extern const struct durei_mender *const durei_menders[];	/* in order; NULL ends it */

enum durei_liveness {
	DUREI_ALIVE,
	DUREI_DEAD,
	DUREI_FREE,		/* nobody's lane */
};

void durei_life_mend(struct durei_mending *mending);

/* Is the owner of lane id alive, and is it still of this generation? */
enum durei_liveness durei_lane_liveness(dure_segment *seg, uint16_t id, uint64_t status);

/*
 * Deals with lane id if its owner is dead.
 * me may be NULL (attaching): then the recoverer is known by its process' slot.
 * Returns 1 (dealt with), 0 (alive or free), -EAGAIN (somebody alive is at it)
 */
int durei_recover_lane(dure_segment *seg, struct durei_lane *me, uint16_t id);

/* The same for all lanes. Returns how many were dealt with. */
int durei_recover_all(dure_segment *seg, struct durei_lane *me);

/* For a new holder of a slot, before it has lanes: those of its dead predecessor. */
void durei_recover_slot(dure_segment *seg);

/* A parked lane of our own process is not needed any more. */
void durei_recover_parked(dure_segment *seg, uint16_t id);

/* In sole possession: every lane found belongs to the dead. */
void durei_recover_possessed(dure_segment *seg);

#endif
