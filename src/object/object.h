/* SPDX-License-Identifier: MIT */
/*
 * object.h - the object directory, for whoever sets up segments
 */
#ifndef DUREI_OBJECT_OBJECT_H
#define DUREI_OBJECT_OBJECT_H

#include "segment/lane.h"

/* Makes the directory of a new segment. */
int durei_object_format(struct durei_lane *lane);

#endif
