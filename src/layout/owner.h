/* SPDX-License-Identifier: MIT */
/*
 * owner.h - what leads to a container without a name, and owns it
 *
 * Layout   struct dl_owner is the offset of an anonymous object's first element, where the container
 *          is. It is the element of a container whose elements are of type "dure_owner", the value
 *          of a map with the flag; or a named object of that type: then it is the container's name.
 *
 * Rules    [OWNER1] an owner leads to a container, or to nothing (0)
 *          [OWNER2] a container is led to by one owner at most: it moves, it is not shared
 *          [OWNER3] a container's object goes in the step in which its owner goes, and is empty then
 */
#ifndef DUREI_LAYOUT_OWNER_H
#define DUREI_LAYOUT_OWNER_H

#include <assert.h>

#include "cell/cell.h"

#define DL_OWNER_TYPE "dure_owner"

struct dl_owner {
	struct cell64 container;
};

static_assert(sizeof(struct dl_owner) == 8, "one word");

#endif
