/* SPDX-License-Identifier: MIT */
/*
 * sysv_shm.c - System V shared memory
 *
 * Rules    [SYSM1] nothing that is mapped is replaced unless the caller asks for it
 * Death    of dure_sysv_shm_attach with THEN_REMOVE
 *          after step        is left behind              who mends it
 *          1 shmat           the segment, as without     its owner, as without THEN_REMOVE
 *          2 IPC_RMID        nothing                     the kernel, with the last attachment
 */
#include <inttypes.h>
#include <stdio.h>

#include "base/arith.h"
#include "base/error.h"
#include "base/options.h"
#include "native/limit.h"
#include "native/sysv.h"
#include "os/self.h"

struct shm_request {
	uint64_t bytes;
	struct dure_sysv_shm_options options;
};

/* -- getting ------------------------------------------------------------------------------ */

static int read_options(const struct dure_sysv_shm_options *options,
			struct dure_sysv_shm_options *ret)
{
	int r = durei_options_read(ret, sizeof *ret, sizeof *ret, options);

	if (r < 0)
		return r;
	if (!ret->mode)
		ret->mode = 0600;
	if (ret->mode > 0777)
		return durei_error(EINVAL, "options.mode is %#" PRIo32 ": at most 0777", ret->mode);
	if (ret->flags & ~(uint32_t)(DURE_SYSV_SHM_HUGE | DURE_SYSV_SHM_NO_RESERVE))
		return durei_error(EINVAL, "options.flags is %#" PRIx32 ": DURE_SYSV_SHM_... only",
				   ret->flags);
	if (ret->huge_page_bytes && (!(ret->flags & DURE_SYSV_SHM_HUGE) ||
				     !is_power_of_two(ret->huge_page_bytes)))
		return durei_error(EINVAL, "options.huge_page_bytes is %" PRIu64 ": a power of "
				   "two, and with DURE_SYSV_SHM_HUGE only", ret->huge_page_bytes);
	return 0;
}

static int get(const struct durei_sysv_request *request, bool create)
{
	const struct shm_request *shm = request->context;
	uint32_t flags = 0;

	if (!create)
		return durei_shm_get(request->key, shm->bytes, 0, 0);
	if (shm->options.flags & DURE_SYSV_SHM_HUGE)
		flags |= DUREI_SHM_HUGE;
	if (shm->options.huge_page_bytes)
		flags |= log2_floor(shm->options.huge_page_bytes) << DUREI_SHM_HUGE_SHIFT;
	if (shm->options.flags & DURE_SYSV_SHM_NO_RESERVE)
		flags |= DUREI_SHM_NO_RESERVE;
	return durei_shm_get(request->key, shm->bytes, DUREI_IPC_CREATE | flags, shm->options.mode);
}

static int no_space(const struct shm_request *shm)
{
	struct durei_ipc_limits l = { 0 };
	struct durei_limit limit = { .name = "kernel.shmmni", .unit = "segments",
				     .remove = "ipcs -m, ipcrm -m",
				     .raise = "sysctl kernel.shmmni=..." };
	char what[80];

	snprintf(what, sizeof what, "cannot create a System V segment of %" PRIu64 " bytes",
		 shm->bytes);
	if (durei_ipc_limits(&l) < 0)
		return durei_error(ENOSPC, "%s: kernel.shmmni or kernel.shmall is used up: remove "
				   "what nobody needs (ipcs -m, ipcrm -m), or raise it with sysctl",
				   what);
	limit.max = l.segments_max;
	limit.used = l.segments;
	if (l.segments < l.segments_max) {
		limit.name = "kernel.shmall";
		limit.unit = "bytes for all segments together (it counts pages)";
		limit.raise = "sysctl kernel.shmall=...";
		limit.max = l.all_bytes_max;
		limit.used = l.bytes;
	}
	return durei_limit_error(ENOSPC, what, &limit);
}

/* The size is wrong: for the kernel, or for the segment that is there. */
static int bad_size(const struct durei_sysv_request *request)
{
	const struct shm_request *shm = request->context;
	int id = request->key ? durei_shm_get(request->key, 0, 0, 0) : -ENOENT;
	struct durei_ipc_facts facts = { 0 };
	struct durei_ipc_limits l = { 0 };

	if (id >= 0 && durei_ipc_stat(DUREI_IPC_SHM, id, &facts) == 0 &&
	    facts.size_bytes < shm->bytes)
		return durei_error(EINVAL, "the System V segment with key %#x has %" PRIu64 " "
				   "bytes, not the %" PRIu64 " asked for: it is of another "
				   "version, or another program's (id %d, user %" PRIu32 "), and "
				   "the keys collide",
				   (unsigned)request->key, facts.size_bytes, shm->bytes, id,
				   facts.owner);
	if (durei_ipc_limits(&l) == 0 && shm->bytes > l.segment_bytes_max)
		return durei_error(EINVAL, "cannot create a System V segment of %" PRIu64 " bytes: "
				   "kernel.shmmax allows %" PRIu64 " for one: raise it (sysctl "
				   "kernel.shmmax=...)", shm->bytes, l.segment_bytes_max);
	return durei_error(EINVAL, "cannot create a System V segment of %" PRIu64 " bytes: the "
			   "kernel takes neither 0 nor that many%s", shm->bytes,
			   shm->options.flags & DURE_SYSV_SHM_HUGE ? ", or has no huge pages of "
								     "that size" : "");
}

static int get_error(const struct durei_sysv_request *request, int code)
{
	const struct shm_request *shm = request->context;
	bool is_huge = shm->options.flags & DURE_SYSV_SHM_HUGE;

	if (code == ENOSPC)
		return no_space(shm);
	if (code == EINVAL)
		return bad_size(request);
	if (code == ENOMEM && is_huge)
		return durei_error(ENOMEM, "cannot create a System V segment of %" PRIu64 " bytes "
				   "on huge pages: there are not enough free (/proc/meminfo: "
				   "HugePages_Free; raise vm.nr_hugepages)", shm->bytes);
	if (code == EPERM && is_huge)
		return durei_error(EPERM, "huge pages for System V segments need CAP_IPC_LOCK, or "
				   "the group vm.hugetlb_shm_group");
	return durei_sysv_get_error(request, code);
}

int dure_sysv_shm_get(int32_t key, uint64_t size_bytes, uint32_t flags,
		      const struct dure_sysv_shm_options *options, int32_t *ret_id)
{
	struct shm_request shm = { .bytes = size_bytes };
	struct durei_sysv_request request = { .kind = DUREI_IPC_SHM, .key = key, .flags = flags,
					      .get = get, .context = &shm };
	int r = read_options(options, &shm.options);

	if (r < 0)
		return r;
	if (!ret_id)
		return durei_error(EINVAL, "ret_id is NULL");
	r = durei_sysv_check_request(&request);
	if (r < 0)
		return r;
	r = durei_sysv_get_or_create(&request, ret_id);
	return r < 0 ? get_error(&request, -r) : r;
}

/* -- attaching ---------------------------------------------------------------------------- */

static int attach_error(int32_t id, const void *address, uint32_t flags, int code)
{
	if (code == EMFILE)
		return durei_error(EMFILE, "cannot attach System V segment %" PRId32 ": the "
				   "process has too many attachments", id);
	if (code == ENOMEM)
		return durei_error(ENOMEM, "cannot attach System V segment %" PRId32 ": no memory "
				   "or no address space (RLIMIT_AS; vm.max_map_count)", id);
	if (code == EINVAL && address && !durei_sysv_is_gone(DUREI_IPC_SHM, id))
		return durei_error(EINVAL, "cannot attach System V segment %" PRId32 " at %p: %s",
				   id, address, (uintptr_t)address % durei_shm_unit() &&
						     !(flags & DURE_SYSV_ATTACH_ROUND)
					   ? "it is no multiple of SHMLBA (DURE_SYSV_ATTACH_ROUND "
					     "rounds down)"
					   : "something is mapped there, or it is no address "
					     "(DURE_SYSV_ATTACH_REPLACE replaces)");
	return durei_sysv_id_error(DUREI_IPC_SHM, id, "attach", code, ENOENT);
}

static uint32_t attach_flags(uint32_t flags)
{
	return (flags & DURE_SYSV_ATTACH_READ_ONLY ? DUREI_SHM_READ_ONLY : 0) |
	       (flags & DURE_SYSV_ATTACH_ROUND ? DUREI_SHM_ROUND : 0) |
	       (flags & DURE_SYSV_ATTACH_REPLACE ? DUREI_SHM_REPLACE : 0) |
	       (flags & DURE_SYSV_ATTACH_EXECUTE ? DUREI_SHM_EXECUTE : 0);
}

int dure_sysv_shm_attach(int32_t id, void *address, uint32_t flags, void **ret_address)
{
	enum { ALL = 2 * DURE_SYSV_ATTACH_THEN_REMOVE - 1 };
	void *got;

	if (!ret_address || flags & ~(uint32_t)ALL)
		return durei_error(EINVAL, "flags are %#" PRIx32 ": DURE_SYSV_ATTACH_... only, and "
				   "ret_address must not be NULL", flags);
	if (!address && flags & (DURE_SYSV_ATTACH_ROUND | DURE_SYSV_ATTACH_REPLACE))
		return durei_error(EINVAL, "DURE_SYSV_ATTACH_ROUND and _REPLACE need an address");
	if ((flags & DURE_SYSV_ATTACH_REPLACE) && (flags & DURE_SYSV_ATTACH_THEN_REMOVE))
		return durei_error(EINVAL, "DURE_SYSV_ATTACH_REPLACE and _THEN_REMOVE exclude each "
				   "other: what was replaced could not come back");
	int r = durei_shm_attach(id, address, attach_flags(flags), &got);	/* step 1 */
	if (r < 0)
		return attach_error(id, address, flags, -r);
	if (flags & DURE_SYSV_ATTACH_THEN_REMOVE)
		r = durei_ipc_remove(DUREI_IPC_SHM, id);			/* step 2 */
	if (r < 0) {
		durei_shm_detach(got);
		return durei_sysv_id_error(DUREI_IPC_SHM, id, "mark for removal", -r, ENOENT);
	}
	*ret_address = got;
	return 0;
}

int dure_sysv_shm_detach(void *address)
{
	return durei_shm_detach(address) < 0
		       ? durei_error(EINVAL, "no System V segment is attached at %p", address)
		       : 0;
}

int dure_sysv_shm_lock(int32_t id, uint32_t lock)
{
	int r = durei_shm_lock(id, lock != 0);

	if (r == -ENOMEM)
		return durei_error(ENOMEM, "cannot keep System V segment %" PRId32 " in memory: "
				   "RLIMIT_MEMLOCK allows %" PRIu64 " bytes to this user: raise it "
				   "(ulimit -l, LimitMEMLOCK=)", id,
				   durei_resource_max(DUREI_MAX_LOCKED_BYTES));
	return r < 0 ? durei_sysv_id_error(DUREI_IPC_SHM, id, "lock", -r, ENOENT) : 0;
}

int dure_sysv_shm_info(int32_t id, struct dure_sysv_shm_info *info)
{
	struct durei_ipc_facts facts = { 0 };

	if (!info)
		return durei_error(EINVAL, "info is NULL");
	int r = durei_ipc_stat(DUREI_IPC_SHM, id, &facts);
	if (r < 0)
		return durei_sysv_id_error(DUREI_IPC_SHM, id, "look at", -r, ENOENT);
	struct dure_sysv_shm_info all = {
		.size_bytes = facts.size_bytes, .attached = facts.attached,
		.attached_s = facts.attached_s, .detached_s = facts.detached_s,
		.creator = facts.creator, .last_process = facts.last_process,
		.is_doomed = facts.is_doomed, .is_locked = facts.is_locked,
	};
	return durei_options_write(info, &all, sizeof all, sizeof all);
}
