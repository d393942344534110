/* SPDX-License-Identifier: MIT */
/*
 * lock_holder.h - which processes have an open file description with a lock
 */
#ifndef DUREI_OS_LOCK_HOLDER_H
#define DUREI_OS_LOCK_HOLDER_H

#include "os/file.h"

struct durei_lock_holder {
	uint32_t process;		/* the lowest pid of them; 0: none to be seen */
	uint32_t processes;		/* how many */
	char name[16];			/* that process' command */
};

/* who has a descriptor of the description that locks this range of the file */
void durei_lock_holder_of_range(const struct durei_file_facts *file, struct durei_range range,
				struct durei_lock_holder *ret);

/* the process that locks a range itself (fcntl's F_SETLK) */
void durei_lock_holder_of_process(uint32_t process, struct durei_lock_holder *ret);

#endif
