/* SPDX-License-Identifier: MIT */
/*
 * sysv_sem.c - System V semaphore sets, made together with their values
 *
 * Why      semget makes a set, and only a second call gives it values. Who opens it between
 *          sees zeros; if the maker dies there, everybody sees them for ever. The textbook's way
 *          out, waiting until sem_otime is set, hangs after such a death.
 * How      A set made by key has one semaphore more, the mark, behind the others. One semop waits
 *          for its being 0, makes it 1, and adds each initial value to the zeros that a new
 *          set has. The kernel does all of it or nothing; whoever comes first does it, maker or
 *          opener; for the second the mark is not 0. Nobody needs to know who died.
 * Rules    [SYSS1] the mark goes from 0 to 1 once, in the semop that gives the values
 *          [SYSS2] no operation of ours reaches the mark: an index is below count
 *          [SYSS3] an exact set has no mark; it is complete once it was operated on, which its
 *                  maker does also when all its values are 0
 *          [SYSS4] a set that was ever operated on, or has a value, is not half made: it is
 *                  another program's, which happens to have one semaphore more
 * Death    of dure_sysv_sem_open
 *          after step        is left behind                who mends it
 *          1 semget          a set whose mark is 0         the next opener with DURE_CREATE and
 *                                                          the same options; others time out
 *          2 semop           complete                      -
 *          exact: after 1    a set never operated on       nobody: openers time out, and say so
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "base/error.h"
#include "base/options.h"
#include "native/limit.h"
#include "native/nap.h"
#include "native/sysv.h"
#include "os/futex.h"

enum { VALUE_MAX = 32767 };		/* SEMVMX, of all kernels since 2.0 */

struct dure_sysv_sem {
	int32_t id;
	uint32_t count;			/* without the mark */
	bool has_mark;
};

struct sem_request {
	uint32_t count;			/* as the caller gave it; 0: whatever is there */
	bool is_exact;
	struct dure_sysv_sem_options options;
};

/* -- errors ------------------------------------------------------------------------------- */

static int sem_error(const dure_sysv_sem *sem, const char *verb, int code)
{
	switch (code) {
	case EAGAIN:
		return durei_error_plain(EAGAIN);
	case ERANGE:
		return durei_error(EMSGSIZE, "cannot %s System V semaphore set %" PRId32 ": a "
				   "value, or what is to be undone of it, would exceed %d", verb,
				   sem->id, VALUE_MAX);
	case ENOSPC:
		return durei_error(ENOSPC, "cannot %s System V semaphore set %" PRId32 ": the "
				   "kernel has no room for this process' undo values: give back "
				   "what others hold, or do without DURE_SYSV_SEM_UNDO", verb,
				   sem->id);
	case EFBIG:
		return durei_error(EINVAL, "cannot %s System V semaphore set %" PRId32 ": it has "
				   "no semaphore of that index", verb, sem->id);
	case E2BIG:
		return durei_error(EINVAL, "cannot %s System V semaphore set %" PRId32 ": the "
				   "third number of kernel.sem limits operations in one step (ipcs "
				   "-ls), and this library %d", verb, sem->id, DUREI_SEM_OPS_MAX);
	default:
		return durei_sysv_id_error(DUREI_IPC_SEM, sem->id, verb, code, ESTALE);
	}
}

static int wait_error(const dure_sysv_sem *sem, const char *verb, int code, int64_t deadline_ns)
{
	return code == EAGAIN && deadline_ns ? durei_error_plain(ETIMEDOUT)
					     : sem_error(sem, verb, code);
}

static int no_space(const struct sem_request *want)
{
	struct durei_ipc_limits l = { 0 };
	struct durei_limit limit = { .name = "kernel.sem (4th number)", .unit = "sets",
				     .remove = "ipcs -s, ipcrm -s",
				     .raise = "sysctl kernel.sem=\"... ... ... ...\"" };
	char what[80];

	snprintf(what, sizeof what, "cannot create a set of %" PRIu32 " System V semaphores",
		 want->count);
	if (durei_ipc_limits(&l) < 0)
		return durei_error(ENOSPC, "%s: a limit of kernel.sem is used up: remove what "
				   "nobody needs (ipcs -s, ipcrm -s), or raise it with sysctl",
				   what);
	limit.max = l.sets_max;
	limit.used = l.sets;
	if (l.sets < l.sets_max) {
		limit.name = "kernel.sem (2nd number)";
		limit.unit = "semaphores in all sets together";
		limit.max = l.all_semaphores_max;
		limit.used = l.semaphores;
	}
	return durei_limit_error(ENOSPC, what, &limit);
}

static int get_error(const struct durei_sysv_request *request, int code)
{
	const struct sem_request *want = request->context;
	struct durei_ipc_limits l = { 0 };
	bool is_short = code == EINVAL && request->key && durei_sem_get(request->key, 0, 0, 0) >= 0;

	if (code == ENOSPC)
		return no_space(want);
	if (is_short)
		return durei_error(EINVAL, "the System V semaphore set with key %#x has fewer than "
				   "%" PRIu32 " semaphores: it is of another version, or another "
				   "program's, and the keys collide", (unsigned)request->key,
				   want->count);
	if (code == EINVAL && durei_ipc_limits(&l) == 0 &&
	    want->count + !want->is_exact > l.set_semaphores_max)
		return durei_error(EINVAL, "cannot create a set of %" PRIu32 " System V "
				   "semaphores%s: kernel.sem (1st number) allows %" PRIu64 " in "
				   "one set: raise it (sysctl kernel.sem=\"... ... ... ...\")",
				   want->count,
				   want->is_exact ? "" : " and the one that marks it complete",
				   l.set_semaphores_max);
	return durei_sysv_get_error(request, code);
}

/* -- initial values ----------------------------------------------------------------------- */

/* [SYSS1]: all values in one step, and only on a set that has none. -EAGAIN: it has */
static int complete(const dure_sysv_sem *sem, const uint16_t *values)
{
	struct durei_sem_op ops[DUREI_SEM_OPS_MAX];
	size_t n = 0;

	if (sem->has_mark) {
		ops[n++] = (struct durei_sem_op){ .index = (uint16_t)sem->count, .change = 0 };
		ops[n++] = (struct durei_sem_op){ .index = (uint16_t)sem->count, .change = 1 };
	}
	for (uint32_t i = 0; values && i < sem->count; i++)
		if (values[i])
			ops[n++] = (struct durei_sem_op){ .index = (uint16_t)i,
							  .change = (int16_t)values[i] };
	if (n == 0)			/* [SYSS3] */
		ops[n++] = (struct durei_sem_op){ .index = 0, .change = 0 };
	return durei_sem_operate(sem->id, ops, n, 0);
}

/* Until the mark is 1, or an exact set has been operated on. */
static int await_completion(const dure_sysv_sem *sem, int64_t deadline_ns)
{
	struct durei_sem_op look[2] = { { .index = (uint16_t)sem->count, .change = -1 },
					{ .index = (uint16_t)sem->count, .change = 1 } };
	struct durei_ipc_facts facts = { 0 };
	struct durei_nap nap = { 0 };
	int r;

	if (sem->has_mark)
		return durei_sem_operate(sem->id, look, 2, deadline_ns);
	do
		r = durei_ipc_stat(DUREI_IPC_SEM, sem->id, &facts);
	while (r == 0 && facts.operated_s == 0 && durei_nap(&nap, deadline_ns));
	return r == 0 && facts.operated_s == 0 ? -EAGAIN : r;
}

static int half_made(const dure_sysv_sem *sem, int64_t deadline_ns)
{
	return durei_error(deadline_ns ? ETIMEDOUT : EAGAIN, "System V semaphore set %" PRId32 " "
			   "has no values yet: its maker is about to give them, or died before; %s",
			   sem->id,
			   sem->has_mark ? "opening it with DURE_CREATE | DURE_OPEN and the values "
					   "completes it"
					 : "if it died, remove the set");
}

/* [SYSS4] */
static bool is_untouched(const dure_sysv_sem *sem)
{
	struct durei_ipc_facts facts = { 0 };

	if (durei_ipc_stat(DUREI_IPC_SEM, sem->id, &facts) < 0 || facts.operated_s)
		return false;
	for (uint32_t i = 0; i < sem->count; i++)
		if (durei_sem_value(sem->id, i) != 0)
			return false;
	return true;
}

/* The set was found. Is it complete? If not: complete it, or wait until somebody does. */
static int await_or_complete(const struct durei_sysv_request *request, const dure_sysv_sem *sem,
			     int64_t deadline_ns)
{
	const struct sem_request *want = request->context;
	int mark = sem->has_mark ? durei_sem_value(sem->id, sem->count) : 0, r;

	if (!sem->has_mark && !want->is_exact)
		return 0;		/* another program's: as it is */
	if (mark == 1)
		return 0;
	if (mark > 1 || (mark == 0 && sem->has_mark && !is_untouched(sem) &&
			 durei_sem_value(sem->id, sem->count) != 1))
		return durei_error(EINVAL, "System V semaphore set %" PRId32 " has %" PRIu32 " "
				   "semaphores, not %" PRIu32 " and a mark: it is another "
				   "program's", sem->id, sem->count + 1, sem->count);
	if (sem->has_mark && (request->flags & DURE_CREATE)) {
		r = complete(sem, want->options.values);
		return r == 0 || r == -EAGAIN ? 0 : sem_error(sem, "complete", -r);
	}
	r = await_completion(sem, deadline_ns);
	if (r == -EAGAIN)
		return half_made(sem, deadline_ns);
	return r < 0 ? sem_error(sem, "wait for", -r) : 0;
}

/* -- opening ------------------------------------------------------------------------------ */

static int get(const struct durei_sysv_request *request, bool create)
{
	const struct sem_request *want = request->context;

	if (!create)
		return durei_sem_get(request->key, want->count, 0, 0);
	return durei_sem_get(request->key, want->count + !want->is_exact, DUREI_IPC_CREATE,
			     want->options.mode);
}

static int read_request(int32_t key, uint32_t count, uint32_t flags,
			const struct dure_sysv_sem_options *options, struct sem_request *ret)
{
	struct dure_sysv_sem_options *o = &ret->options;
	int r = durei_options_read(o, sizeof *o, sizeof *o, options);

	if (r < 0)
		return r;
	if (!o->mode)
		o->mode = 0600;
	ret->count = count;
	ret->is_exact = (key == DURE_SYSV_PRIVATE && flags & DURE_CREATE) ||
			o->flags & DURE_SYSV_SEM_EXACT;
	if (o->mode > 0777 || o->flags & ~(uint32_t)DURE_SYSV_SEM_EXACT || o->reserved)
		return durei_error(EINVAL, "options: mode %#" PRIo32 " is to be at most 0777, "
				   "flags %#"
				   PRIx32 " DURE_SYSV_SEM_EXACT or 0", o->mode, o->flags);
	if (count > DUREI_SEM_OPS_MAX - 2 || (count == 0 && flags & DURE_CREATE))
		return durei_error(EINVAL, "a set of %" PRIu32 " semaphores: 1 to %d, so that one "
				   "operation can give all of them their values", count,
				   DUREI_SEM_OPS_MAX - 2);
	for (uint32_t i = 0; o->values && i < count; i++)
		if (o->values[i] > VALUE_MAX)
			return durei_error(EINVAL, "options.values[%" PRIu32 "] is %u: at most %d",
					   i, o->values[i], VALUE_MAX);
	return 0;
}

/* Which of its semaphores are the caller's? */
static int identify(const struct durei_sysv_request *request, dure_sysv_sem *sem)
{
	const struct sem_request *want = request->context;
	struct durei_ipc_facts facts = { 0 };
	int r = durei_ipc_stat(DUREI_IPC_SEM, sem->id, &facts);

	if (r < 0)
		return durei_sysv_id_error(DUREI_IPC_SEM, sem->id, "open", -r, ENOENT);
	sem->count = want->count ? want->count : (uint32_t)facts.count;
	sem->has_mark = !want->is_exact && want->count && facts.count == (uint64_t)want->count + 1;
	if (facts.count != (uint64_t)sem->count + sem->has_mark)
		return durei_error(EINVAL, "System V semaphore set %" PRId32 " (key %#x) has %"
				   PRIu64
				   " semaphores, not %" PRIu32 ": it is of another version, or "
				   "another program's, and the keys collide", sem->id,
				   (unsigned)facts.key, facts.count, want->count);
	return 0;
}

static int open_by_id(const struct durei_sysv_request *request, dure_sysv_sem *sem,
		      int64_t deadline_ns)
{
	const struct sem_request *want = request->context;
	int r;

	if (request->flags != DURE_OPEN)
		return durei_error(EINVAL, "options.id is of a set that exists: give DURE_OPEN");
	sem->id = want->options.id;
	r = identify(request, sem);
	return r < 0 ? r : await_or_complete(request, sem, deadline_ns);
}

static int make_or_find(const struct durei_sysv_request *request, dure_sysv_sem *sem,
			int64_t deadline_ns)
{
	const struct sem_request *want = request->context;
	int made = durei_sysv_get_or_create(request, &sem->id);		/* step 1 */

	if (made < 0)
		return get_error(request, -made);
	if (made == 0) {
		int r = identify(request, sem);
		return r < 0 ? r : await_or_complete(request, sem, deadline_ns);
	}
	sem->count = want->count;
	sem->has_mark = !want->is_exact;
	int r = complete(sem, want->options.values);			/* step 2 */
	if (r == 0 || (r == -EAGAIN && sem->has_mark))	/* an opener was faster: it is complete */
		return made;
	durei_ipc_remove(DUREI_IPC_SEM, sem->id);
	return sem_error(sem, "give values to", -r);
}

int dure_sysv_sem_open(int32_t key, uint32_t count, uint32_t flags,
		       const struct dure_sysv_sem_options *options, int64_t timeout_ns,
		       dure_sysv_sem **ret)
{
	struct sem_request want;
	struct durei_sysv_request request = { .kind = DUREI_IPC_SEM, .key = key, .flags = flags,
					      .get = get, .context = &want };
	int64_t deadline;
	bool by_id;
	int r = read_request(key, count, flags, options, &want);

	if (r < 0)
		return r;
	if (!ret)
		return durei_error(EINVAL, "ret is NULL");
	by_id = key == DURE_SYSV_PRIVATE && !(flags & DURE_CREATE);
	r = by_id ? 0 : durei_sysv_check_request(&request);
	if (r < 0)
		return r;
	dure_sysv_sem *sem = calloc(1, sizeof *sem);
	if (!sem)
		return durei_error(ENOMEM, "no memory for the handle of a semaphore set");
	deadline = durei_deadline(timeout_ns);
	r = by_id ? open_by_id(&request, sem, deadline) : make_or_find(&request, sem, deadline);
	if (r < 0)
		free(sem);
	else
		*ret = sem;
	return r;
}

void dure_sysv_sem_close(dure_sysv_sem *sem)
{
	free(sem);
}

int dure_sysv_sem_id(const dure_sysv_sem *sem)
{
	return sem ? sem->id : durei_error(EINVAL, "sem is NULL");
}

/* -- operations --------------------------------------------------------------------------- */

static int check_operation(const dure_sysv_sem *sem, const struct dure_sysv_sem_operation *o)
{
	if (o->index >= sem->count)	/* [SYSS2] */
		return durei_error(EINVAL, "System V semaphore set %" PRId32 " has %" PRIu32
				   " semaphores: there is no index %" PRIu32, sem->id, sem->count,
				   o->index);
	if (o->change > VALUE_MAX || o->change < -VALUE_MAX)
		return durei_error(EINVAL, "a change of %" PRId32 ": a semaphore's value is at "
				   "most %d", o->change, VALUE_MAX);
	if (o->flags & ~(uint32_t)DURE_SYSV_SEM_UNDO)
		return durei_error(EINVAL, "flags of an operation are %#" PRIx32
				   ": DURE_SYSV_SEM_UNDO or 0", o->flags);
	return 0;
}

int dure_sysv_sem_operate(dure_sysv_sem *sem, const struct dure_sysv_sem_operation *operations,
			  size_t count, int64_t timeout_ns)
{
	struct durei_sem_op ops[DUREI_SEM_OPS_MAX];
	int64_t deadline = durei_deadline(timeout_ns);

	if (!sem || !operations || count < 1 || count > DUREI_SEM_OPS_MAX)
		return durei_error(EINVAL, "%zu operations: 1 to %d (kernel.sem, 3rd number)",
				   count, DUREI_SEM_OPS_MAX);
	for (size_t i = 0; i < count; i++) {
		int r = check_operation(sem, &operations[i]);
		if (r < 0)
			return r;
		ops[i] = (struct durei_sem_op){
			.index = (uint16_t)operations[i].index,
			.change = (int16_t)operations[i].change,
			.undo = operations[i].flags & DURE_SYSV_SEM_UNDO,
		};
	}
	int r = durei_sem_operate(sem->id, ops, count, deadline);
	return r < 0 ? wait_error(sem, "operate on", -r, deadline) : 0;
}

/* -- values ------------------------------------------------------------------------------- */

static int check_count(const dure_sysv_sem *sem, const uint16_t *values, size_t count)
{
	if (sem && values && count == sem->count)
		return 0;
	return durei_error(EINVAL, "%zu values for a set of %" PRIu32 " semaphores: as many, "
			   "please", count, sem ? sem->count : 0);
}

/* Room for all values, the mark's too; the caller frees it. */
static uint16_t *room(const dure_sysv_sem *sem)
{
	/* the set may be longer than we know: it was removed, and the id used again */
	uint16_t *all = calloc(UINT16_MAX + 1u, sizeof *all);

	if (!all)
		durei_error(ENOMEM, "no memory for the values of System V semaphore set %" PRId32,
			    sem->id);
	return all;
}

int dure_sysv_sem_get(dure_sysv_sem *sem, uint16_t *ret_values, size_t count)
{
	int r = check_count(sem, ret_values, count);

	if (r < 0)
		return r;
	uint16_t *all = room(sem);
	if (!all)
		return -ENOMEM;
	r = durei_sem_values(sem->id, all);
	if (r == 0)
		memcpy(ret_values, all, count * sizeof *all);
	free(all);
	return r < 0 ? sem_error(sem, "read", -r) : 0;
}

int dure_sysv_sem_set(dure_sysv_sem *sem, const uint16_t *values, size_t count)
{
	int r = check_count(sem, values, count);

	if (r < 0)
		return r;
	uint16_t *all = room(sem);
	if (!all)
		return -ENOMEM;
	memcpy(all, values, count * sizeof *all);
	all[count] = 1;			/* the mark, where there is one */
	r = durei_sem_set_values(sem->id, all);
	free(all);
	return r < 0 ? sem_error(sem, "set", -r) : 0;
}

int dure_sysv_sem_set_one(dure_sysv_sem *sem, uint32_t index, uint16_t value)
{
	if (!sem || index >= sem->count)
		return durei_error(EINVAL, "there is no semaphore %" PRIu32 " in a set of %" PRIu32,
				   index, sem ? sem->count : 0);
	int r = durei_sem_set_value(sem->id, index, value);
	return r < 0 ? sem_error(sem, "set", -r) : 0;
}

int dure_sysv_sem_info(dure_sysv_sem *sem, uint32_t index, struct dure_sysv_sem_info *info)
{
	struct durei_ipc_facts facts = { 0 };
	int value = 0, process = 0, more = 0, zero = 0;

	if (!sem || !info || index >= sem->count)
		return durei_error(EINVAL, "there is no semaphore %" PRIu32 " in a set of %" PRIu32
				   ", or info is NULL", index, sem ? sem->count : 0);
	int r = durei_ipc_stat(DUREI_IPC_SEM, sem->id, &facts);
	if (r == 0)
		r = value = durei_sem_value(sem->id, index);
	if (r >= 0)
		r = process = durei_sem_last_process(sem->id, index);
	if (r >= 0)
		r = more = durei_sem_waiters(sem->id, index, false);
	if (r >= 0)
		r = zero = durei_sem_waiters(sem->id, index, true);
	if (r < 0)
		return sem_error(sem, "look at", -r);
	struct dure_sysv_sem_info all = {
		.count = sem->count, .has_mark = sem->has_mark, .operated_s = facts.operated_s,
		.value = (uint32_t)value, .last_process = (uint32_t)process,
		.waiting_for_more = (uint32_t)more, .waiting_for_zero = (uint32_t)zero,
	};
	return durei_options_write(info, &all, sizeof all, sizeof all);
}
