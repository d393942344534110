/* SPDX-License-Identifier: MIT */
/*
 * users.c - which processes have a queue, board or service open
 *
 * Why      What is open must not be freed. Who opens it counts itself in a word of its own, while
 *          the name is locked (name.c); who destroys it looks under the same lock.
 * Rules    layout/users.h
 * Death    of one who is counted: [USERS2]
 */
#include "message/users.h"

#include "layout/users.h"
#include "segment/participant.h"
#include "segment/token.h"

uint64_t durei_users_bytes(const dure_segment *seg)
{
	return seg->super.slot_count * sizeof(struct cell64);
}

static uint64_t generation_of(const dure_segment *seg, unsigned slot)
{
	return cell64_load_acq(&seg->slots[slot].state) >> DL_SLOT_GENERATION_SHIFT << DL_USER_SHIFT;
}

bool durei_users_change(const dure_segment *seg, struct cell64 *users, int change)
{
	struct cell64 *user = &users[seg->slot];
	uint64_t seen, generation, handles;

	if (!seg->has_slot)		/* alone */
		return true;
	generation = generation_of(seg, seg->slot);
	seen = cell64_load_rlx(user);	/* relaxed: the cas decides */
	do {
		handles = (seen & ~(uint64_t)DL_USER_MASK) == generation ? seen & DL_USER_MASK : 0;
		if (change > 0 ? handles == DL_USER_MASK : handles == 0)
			return false;
		handles = change > 0 ? handles + 1 : handles - 1;
	} while (!cell64_cas(user, &seen, generation | handles));
	return true;
}

uint32_t durei_users_count(dure_segment *seg, const struct cell64 *users)
{
	unsigned end = seg->has_slot ? durei_slot_end(seg) : 0;
	uint32_t count = 0;

	for (unsigned slot = 0; slot < end; slot++) {
		uint64_t user = cell64_load_acq(&users[slot]);
		count += user & DL_USER_MASK &&
			 (user & ~(uint64_t)DL_USER_MASK) == generation_of(seg, slot) &&
			 (slot == seg->slot || durei_token_is_alive(seg, (uint16_t)slot));
	}
	return count;
}
