/* SPDX-License-Identifier: MIT */
/*
 * waits.h - who waits for whom, in words
 */
#ifndef TOOL_WAITS_H
#define TOOL_WAITS_H

#include "host.h"

enum { WAIT_TEXT_BYTES = 600 };

/* "process 12 (httpd) waits for semaphore 0 of sysv:sem:3; last changed by 99, which is gone" */
char *wait_text(const struct host *host, const struct dure_host_wait *wait, char *text,
		size_t text_bytes);

/* Is it for something that a dead process has, as far as is known: a mutex that says so, a
   semaphore that a dead one changed last? */
bool waits_for_dead(const struct dure_host_wait *wait);
/* the lines that look at such a wait, and end it */
void print_wait_remedies(const struct host *host, const struct dure_host_wait *wait);

/* circles of processes that wait for each other; of a process (0: any), of those who wait for an
   object (DURE_HOST_ANY: any). Into a JSON array, or printed when that is NULL. Returns how many */
unsigned explain_circles(const struct host *host, uint32_t process, uint64_t object, json_t *into);

/* dure who, of a segment (who_segment.c); returns the exit status */
int who_has_segment(const char *name, bool is_json);

#endif
