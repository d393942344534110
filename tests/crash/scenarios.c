/* SPDX-License-Identifier: MIT */
/*
 * scenarios.c - all the operations that are killed at every instruction, room by room
 *
 * Every mutating function of the public headers stands in a `functions` line of
 * scenarios/; tests/lint/check-matrix compares them with the headers.
 */
#include "scenario.h"

#include <string.h>

static const struct scenarios *const rooms[] = {
	&block_scenarios, &object_scenarios, &transaction_scenarios,
	&board_scenarios,
	&container_scenarios,
	&bitmap_scenarios,
	&deque_scenarios,
	&lanes_scenarios,
	&list_scenarios,
	&lock_scenarios,
	&map_scenarios,
	&message_scenarios,
	&ordered_scenarios,
	&owner_scenarios,
	&priority_scenarios,
	&ring_scenarios,
	&segment_scenarios,
	&semset_scenarios,
	&service_scenarios,
	&shared_lock_scenarios,
	&signal_scenarios,
	&topic_scenarios,
};

const struct scenario *scenario_at(unsigned index)
{
	for (unsigned room = 0; room < sizeof rooms / sizeof *rooms; room++) {
		if (index < rooms[room]->count)
			return &rooms[room]->list[index];
		index -= rooms[room]->count;
	}
	return NULL;
}

const struct scenario *scenario_named(const char *name)
{
	const struct scenario *found;

	for (unsigned i = 0; (found = scenario_at(i)); i++)
		if (strcmp(found->name, name) == 0)
			return found;
	return NULL;
}
