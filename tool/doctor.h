/* SPDX-License-Identifier: MIT */
/*
 * doctor.h - what dure doctor and dure explain say alike
 */
#ifndef TOOL_DOCTOR_H
#define TOOL_DOCTOR_H

#include "limits.h"

/* everything that is wrong on the host; returns the exit status */
int examine(const char *command, bool is_json);

/* "exhausted kernel.sem:semmni 128 of 128 System V semaphore sets" */
void print_limit_heading(const struct limit *limit, bool is_tight);

/* a paragraph, folded at 78 columns */
void print_folded(const char *text);

/*
 * For whom the threads of a process (0: of all) wait; only what looks wrong when process is
 * 0: dead holders and circles. Into a JSON array, or printed when that is NULL. Returns how
 * many were said.
 */
unsigned explain_waits(const struct host *host, uint32_t process, json_t *into);

#endif
