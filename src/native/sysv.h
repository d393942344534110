/* SPDX-License-Identifier: MIT */
/*
 * sysv.h - what the three kinds of System V objects have in common, inside
 */
#ifndef DUREI_NATIVE_SYSV_H
#define DUREI_NATIVE_SYSV_H

#include <dure/sysv.h>

#include "os/sysv.h"

/* the name of a kind in sentences, and how ipcs(1) calls it: "m", "s", "q" */
const char *durei_sysv_noun(enum durei_ipc_kind kind);

struct durei_sysv_request {
	enum durei_ipc_kind kind;
	int32_t key;
	uint32_t flags;			/* DURE_CREATE, DURE_OPEN */
	/* the kind's own call; returns the id */
	int (*get)(const struct durei_sysv_request *request, bool create);
	const void *context;
};

/* flags and key go together; -EINVAL, with a sentence */
int durei_sysv_check_request(const struct durei_sysv_request *request);
/* DURE_CREATED or 0, and the id; or what the kernel said, without a sentence */
int durei_sysv_get_or_create(const struct durei_sysv_request *request, int32_t *ret_id);

/*
 * The sentence for a failed get or create, but for limits and sizes, which the kinds know:
 * what is asked for, whose the existing one is.
 */
int durei_sysv_get_error(const struct durei_sysv_request *request, int code);

/* The sentence for a call on an id; gone: the code when the object is not there (any more). */
int durei_sysv_id_error(enum durei_ipc_kind kind, int32_t id, const char *verb, int code, int gone);

/* the object is not there (any more) */
bool durei_sysv_is_gone(enum durei_ipc_kind kind, int32_t id);

#endif
