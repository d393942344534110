/* SPDX-License-Identifier: MIT */
/*
 * link.h - the short log: a place and a block's state change together
 */
#ifndef DUREI_TX_LINK_H
#define DUREI_TX_LINK_H

#include "tx/log.h"

static inline void durei_link_do(struct cell64 *place, uint64_t value, struct cell8 *state,
				 uint8_t becomes)
{
	if (value)
		cell8_store_rel(state, becomes);
	cell64_store_rel(place, value);
	if (!value)
		cell8_store_rel(state, becomes);
}

/*
 * *place becomes value and the block's *state becomes `becomes`, in one step. The block lies in a
 * page of this lane; no log is open.
 */
static inline void durei_link(struct durei_lane *lane, struct cell64 *place, uint64_t value,
			      struct cell8 *state, uint8_t becomes)
{
	struct dl_link *link = (struct dl_link *)(void *)lane->shared->log;
	uint64_t place_offset = (uint64_t)((unsigned char *)place - lane->base);
	uint64_t state_offset = (uint64_t)((unsigned char *)state - lane->base);

	durei_log_show(lane, DL_LOG_SHOWN);				/* [LINK1] */
	cell64_store_rel(&link->place, place_offset);
	cell64_store_rel(&link->value, value);
	cell64_store_rel(&link->state, state_offset << DL_LINK_STATE_SHIFT | becomes);
	durei_log_set_state(lane->shared, DL_LOG_LINK, lane->serial);	/* step 3 */
	durei_link_do(place, value, state, becomes);
	durei_log_set_state(lane->shared, DL_LOG_IDLE, lane->serial);	/* step 5 */
	lane->tx.depth = 0;
}

/* Recovery finds LINK. */
void durei_link_mend(dure_segment *seg, struct dl_lane *lane);

#endif
