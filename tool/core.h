/* SPDX-License-Identifier: MIT */
/*
 * core.h - segments as a core dump has them
 */
#ifndef TOOL_CORE_H
#define TOOL_CORE_H

#include <dure.h>
#include <stdbool.h>

/* "core:PATH" or "core:PATH#N": is it named so */
bool is_core_name(const char *name);
/* Privately: the file is not written to. Stays mapped until the program ends.
   Negative: complained */
int open_core_segment(const char *command, const char *name, uint32_t flags, dure_segment **ret);

#endif
