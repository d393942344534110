/* SPDX-License-Identifier: MIT */
/*
 * restore.h - bringing one removed object back, from its record in the journal
 */
#ifndef TOOL_RESTORE_H
#define TOOL_RESTORE_H

#include "journal.h"

enum restoring {
	RESTORED,
	RESTORED_OTHERWISE,	/* it is back, and why says what is not as before */
	NOT_RESTORED,		/* why says it */
};

enum restoring restore_object(const struct journal_run *run, const json_t *record, char *why,
			      size_t why_bytes);

#endif
