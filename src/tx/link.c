/* SPDX-License-Identifier: MIT */
/*
 * link.c - the short log: a place and a block's state change together
 *
 * Why      Publishing a block and freeing it from its place are what programs do most, and
 *          each changes one word and one byte. The long log (log.c) says that in entries, which
 *          are counted, committed and walked; here three words and one state say all of it.
 * Layout   struct dl_link at the start of the lane's log; it means nothing unless log_state is LINK
 * Rules    [LINK1] a lane shows itself and looks at the gate before there is anything that an heir
 *                  would carry out. No mark names these states, so the serial stays
 *          [LINK2] all that is stored is absolute, so it may be stored again. Linking stores
 *                  the byte first, unlinking the word: as [TX5] and [TX3]
 *          [LINK3] only for blocks of a page that this lane owns: nobody else gives out what
 *                  has become free, and this thread does so when the log is IDLE
 *          [LINK4] an heir who finds the place linked leaves the byte alone: others may have
 *                  seen the block by then, and freed it
 * Death    after step           is left behind                      who mends it
 *          1 SHOWN              nothing                             nothing is to be done
 *          2 the three words    words that nobody reads             the same
 *          3 LINK               none, one or both stores done       the heir: both
 *          4 byte and word      all is done                         the heir: the same again
 *          5 IDLE               nothing                             -
 */
#include "tx/link.h"

#include "layout/page.h"

/* The bytes are foreign: they are believed only where an honest link could point. [TX7] */
void durei_link_mend(dure_segment *seg, struct dl_lane *lane)
{
	const struct dl_link *link = (const struct dl_link *)(const void *)lane->log;
	uint64_t place = cell64_load_acq(&link->place), value = cell64_load_acq(&link->value);
	uint64_t word = cell64_load_acq(&link->state), state = word >> DL_LINK_STATE_SHIFT;
	uint8_t becomes = (uint8_t)word;

	if (place % 8 || place < seg->super.data_offset || state < seg->super.data_offset ||
	    !durei_bytes_are_backed(seg, place, 8) || !durei_bytes_are_backed(seg, state, 1) ||
	    becomes != (value ? DL_BLOCK_LIVE : DL_BLOCK_FREE))
		return;
	if (value && cell64_load_acq(durei_at(seg, place)) == value)
		return;							/* [LINK4] */
	durei_link_do(durei_at(seg, place), value, durei_at(seg, state), becomes);
}
