/* SPDX-License-Identifier: MIT */
/*
 * gate.h - making everybody stand still between two operations
 */
#ifndef DUREI_SEGMENT_GATE_H
#define DUREI_SEGMENT_GATE_H

#include "segment/lane.h"
#include "segment/recover.h"

/* Holds everybody up and waits until all are between operations; -ETIMEDOUT -EOPNOTSUPP */
int durei_gate_shut(struct durei_lane *lane, int64_t deadline_ns);
void durei_gate_open(struct durei_lane *lane);

/* Recovery: the dead one may have shut it. */
void durei_gate_mend(struct durei_mending *mending);

void durei_gate_wait(struct durei_lane *lane);

/*
 * At the start of what must not happen while the gate is shut, after the word is stored that
 * shows it (log_state, held_count or busy). True: take it back, durei_gate_wait, try again.
 */
static inline bool durei_gate_is_shut(struct durei_lane *lane)
{
	uint32_t holder = cell32_load_acq(&lane->seg->state->gate);	/* G1 <- G2 shut */

	return __builtin_expect(holder != 0, 0) && holder != lane->id;
}

#endif
