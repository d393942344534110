/* SPDX-License-Identifier: MIT */
/*
 * mapping_use.c - what is done with a mapping: sync, protect, lock, advise, copy
 *
 * Rules    [MAPU1] a part is widened to the pages it touches, but where pages would lose bytes that
 *                  were not named: there it must be whole pages
 *          [MAPU2] a guarded copy counts a byte only when the file had it, before and after
 * Death    nothing shared but the file's bytes, which are what stores are.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <sys/mman.h>

#include "base/arith.h"
#include "base/error.h"
#include "native/mapping.h"
#include "os/file.h"
#include "os/map.h"
#include "os/memory.h"
#include "os/self.h"

enum { COPY_BYTES_MAX = 1 << 30 };

struct part {
	char *address;
	size_t bytes;
};

static int out_of_range(const dure_mapping *m, uint64_t offset, uint64_t bytes)
{
	return durei_error(EINVAL, "%" PRIu64 " bytes from %" PRIu64 " on: the mapping has %"
			   PRIu64, bytes, offset, m ? m->size_bytes : 0);
}

/* [MAPU1]: the pages that are touched */
static int touched(const dure_mapping *m, uint64_t offset, uint64_t bytes, struct part *ret)
{
	if (!m || offset > m->size_bytes || bytes > m->size_bytes - offset)
		return out_of_range(m, offset, bytes);
	uint64_t end = bytes ? m->lead + offset + bytes : m->mapped_bytes;
	uint64_t start = align_down(m->lead + offset, m->unit);
	ret->address = (char *)m->base + start;
	ret->bytes = (size_t)(min_u64(align_up(end, m->unit), m->mapped_bytes) - start);
	return 0;
}

/* [MAPU1]: exactly these pages, counted from the first */
static int exactly(const dure_mapping *m, uint64_t offset, uint64_t bytes, struct part *ret)
{
	if (!m || offset > m->mapped_bytes || bytes > m->mapped_bytes - offset)
		return out_of_range(m, offset, bytes);
	if (offset % m->unit || bytes % m->unit)
		return durei_error(EINVAL, "%" PRIu64 " bytes from %" PRIu64 " on are not whole "
				   "pages of %"
				   PRIu64 ": others would be changed too", bytes, offset, m->unit);
	ret->address = (char *)m->base + offset;
	ret->bytes = (size_t)(bytes ? bytes : m->mapped_bytes - offset);
	return 0;
}

/* -- sync, protect, lock ------------------------------------------------------------------ */

int dure_mapping_sync(dure_mapping *mapping, uint64_t offset, uint64_t bytes, uint32_t flags)
{
	struct part part = { 0 };
	int r = touched(mapping, offset, bytes, &part);

	if (r < 0)
		return r;
	if (flags & ~(uint32_t)(DURE_MAPPING_LATER | DURE_MAPPING_INVALIDATE))
		return durei_error(EINVAL, "flags are %#" PRIx32 ": DURE_MAPPING_LATER, "
				   "DURE_MAPPING_INVALIDATE", flags);
	r = durei_memory_sync(part.address, part.bytes, flags & DURE_MAPPING_LATER,
			      flags & DURE_MAPPING_INVALIDATE);
	switch (-r) {
	case 0:
		return 0;
	case EBUSY:
		return durei_error(EBUSY, "cannot invalidate %zu bytes: some of them are locked in "
				   "memory", part.bytes);
	case ENOMEM:
		return durei_error(ENOMEM, "cannot write %zu bytes to the file: a part of them is "
				   "not mapped any more", part.bytes);
	default:
		return durei_error(EIO, "%zu bytes could not be written to the medium (error %d): "
				   "what was stored there may be lost", part.bytes, -r);
	}
}

int dure_mapping_protect(dure_mapping *mapping, uint64_t offset, uint64_t bytes,
			 uint32_t protection)
{
	struct part part = { 0 };
	int r = exactly(mapping, offset, bytes, &part);

	if (r < 0)
		return r;
	if (protection & ~(uint32_t)(DURE_PROTECT_READ | DURE_PROTECT_WRITE | DURE_PROTECT_EXECUTE))
		return durei_error(EINVAL, "protection %#" PRIx32 ": DURE_PROTECT_READ, _WRITE, "
				   "_EXECUTE", protection);
	r = durei_memory_protect(part.address, part.bytes,
				 (protection & DURE_PROTECT_READ ? PROT_READ : 0) |
					 (protection & DURE_PROTECT_WRITE ? PROT_WRITE : 0) |
					 (protection & DURE_PROTECT_EXECUTE ? PROT_EXEC : 0));
	switch (-r) {
	case 0:
		return 0;
	case EACCES:
		return durei_error(EACCES, "the pages cannot be made so: the descriptor they were "
				   "mapped from was not open for it, or its file system allows no "
				   "execution");
	case ENOMEM:
		return durei_error(ENOMEM, "cannot protect %zu bytes: no memory, or too many "
				   "mappings (vm.max_map_count)", part.bytes);
	default:
		return durei_error(EINVAL, "cannot protect %zu bytes (error %d)", part.bytes, -r);
	}
}

int dure_mapping_lock(dure_mapping *mapping, uint64_t offset, uint64_t bytes, uint32_t lock)
{
	struct part part = { 0 };
	int r = touched(mapping, offset, bytes, &part);

	if (r < 0)
		return r;
	r = durei_map_lock(part.address, part.bytes, lock != 0);
	return r < 0 ? durei_mapping_locked_error("the mapping", part.bytes, -r) : 0;
}

/* -- advice ------------------------------------------------------------------------------- */

/* public advice -> the kernel's; -1: there is none */
static int memory_advice(uint32_t advice)
{
	switch (advice) {
	case DURE_ADVISE_NORMAL:
		return MADV_NORMAL;
	case DURE_ADVISE_RANDOM:
		return MADV_RANDOM;
	case DURE_ADVISE_SEQUENTIAL:
		return MADV_SEQUENTIAL;
	case DURE_ADVISE_WILL_NEED:
		return MADV_WILLNEED;
	case DURE_ADVISE_HUGE:
		return MADV_HUGEPAGE;
	case DURE_ADVISE_NO_HUGE:
		return MADV_NOHUGEPAGE;
	case DURE_ADVISE_NO_DUMP:
		return MADV_DONTDUMP;
	case DURE_ADVISE_DUMP:
		return MADV_DODUMP;
	case DURE_ADVISE_DISCARD:
		return MADV_DONTNEED;
	case DURE_ADVISE_FREE:
		return DUREI_MADV_FREE;
	case DURE_ADVISE_PUNCH:
		return MADV_REMOVE;
	case DURE_ADVISE_NO_FORK:
		return MADV_DONTFORK;
	case DURE_ADVISE_FORK:
		return MADV_DOFORK;
	case DURE_ADVISE_WIPE_ON_FORK:
		return DUREI_MADV_WIPEONFORK;
	case DURE_ADVISE_KEEP_ON_FORK:
		return DUREI_MADV_KEEPONFORK;
	case DURE_ADVISE_MERGE:
		return MADV_MERGEABLE;
	case DURE_ADVISE_NO_MERGE:
		return MADV_UNMERGEABLE;
	case DURE_ADVISE_COLD:
		return DUREI_MADV_COLD;
	case DURE_ADVISE_PAGE_OUT:
		return DUREI_MADV_PAGEOUT;
	case DURE_ADVISE_POPULATE_READ:
		return DUREI_MADV_POPULATE_READ;
	case DURE_ADVISE_POPULATE_WRITE:
		return DUREI_MADV_POPULATE_WRITE;
	case DURE_ADVISE_COLLAPSE:
		return DUREI_MADV_COLLAPSE;
	default:
		return -1;
	}
}

int durei_mapping_advise_error(int r, uint64_t bytes)
{
	if (r >= 0)
		return 0;
	switch (-r) {
	case EAGAIN:
		return durei_error(EAGAIN, "the advice on %" PRIu64 " bytes cannot be followed now",
				   bytes);
	case EACCES:
	case EPERM:
		return durei_error(EACCES, "the advice on %" PRIu64 " bytes needs a mapping that "
				   "may be written to", bytes);
	case EFAULT:
	case ENOSPC:
		return durei_error(ENOSPC, "%" PRIu64 " bytes cannot be made present: there is no "
				   "storage behind some of them (the file was cut short, or its "
				   "file system is full)", bytes);
	case ENOMEM:
		return durei_error(ENOMEM, "the advice on %" PRIu64 " bytes: no memory, or a part "
				   "of them is not mapped any more", bytes);
	case EOPNOTSUPP:
	case ENOSYS:
		return durei_error(EOPNOTSUPP, "the file system does not follow this advice");
	default:
		return durei_error(EINVAL, "the kernel does not know this advice, or not for such "
				   "a mapping (error %d)", -r);
	}
}

int dure_mapping_advise(dure_mapping *mapping, uint64_t offset, uint64_t bytes, uint32_t advice)
{
	int kernel = memory_advice(advice);
	bool loses = advice == DURE_ADVISE_DISCARD || advice == DURE_ADVISE_FREE ||
		     advice == DURE_ADVISE_PUNCH;
	struct part part = { 0 };
	int r = loses ? exactly(mapping, offset, bytes, &part)
		      : touched(mapping, offset, bytes, &part);

	if (r < 0)
		return r;
	if (kernel < 0)
		return durei_error(EINVAL, "advice %" PRIu32 " is none for memory", advice);
	if ((advice == DURE_ADVISE_DISCARD || advice == DURE_ADVISE_FREE) && !mapping->is_private)
		return durei_error(EINVAL, "DURE_ADVISE_DISCARD and _FREE are for private "
				   "mappings: of a shared one nothing is lost (DURE_ADVISE_PUNCH, "
				   "_PAGE_OUT)");
	return durei_mapping_advise_error(durei_memory_advise(part.address, part.bytes, kernel),
					  part.bytes);
}

static int file_advice(uint32_t advice)
{
	switch (advice) {
	case DURE_ADVISE_NORMAL:
		return POSIX_FADV_NORMAL;
	case DURE_ADVISE_RANDOM:
		return POSIX_FADV_RANDOM;
	case DURE_ADVISE_SEQUENTIAL:
		return POSIX_FADV_SEQUENTIAL;
	case DURE_ADVISE_WILL_NEED:
		return POSIX_FADV_WILLNEED;
	case DURE_ADVISE_DISCARD:
		return POSIX_FADV_DONTNEED;
	case DURE_ADVISE_NO_REUSE:
		return POSIX_FADV_NOREUSE;
	default:
		return -1;
	}
}

int dure_file_advise(int fd, uint64_t offset, uint64_t bytes, uint32_t advice)
{
	int kernel = file_advice(advice);

	if (kernel < 0 || offset > INT64_MAX || bytes > INT64_MAX)
		return durei_error(EINVAL, "advice %" PRIu32 " is none for files", advice);
	int r = durei_file_advise(fd, offset, bytes, kernel);
	if (r == -ENOSYS || r == -EOPNOTSUPP)
		return durei_error(EOPNOTSUPP, "this kernel takes no advice on files");
	return r < 0 ? durei_error(EINVAL, "descriptor %d is not of a file that takes advice "
				   "(error %d)", fd, -r)
		     : 0;
}

int dure_mapping_resident(dure_mapping *mapping, uint64_t offset, uint64_t bytes,
			  uint64_t *ret_bytes)
{
	struct part part = { 0 };
	int r = touched(mapping, offset, bytes, &part);

	if (r < 0)
		return r;
	if (!ret_bytes)
		return durei_error(EINVAL, "ret_bytes is NULL");
	r = durei_memory_resident(part.address, part.bytes, ret_bytes);
	if (r == -EAGAIN)
		return durei_error_plain(EAGAIN);
	return r < 0 ? durei_error(ENOMEM, "which of %zu bytes are in memory is not known: a part "
				   "of them is not mapped any more", part.bytes)
		     : 0;
}

/* -- guarded copies ----------------------------------------------------------------------- */

/* [MAPU2]: how much of [offset, offset + bytes) the file has now; -EIO */
static int64_t within_file(const dure_mapping *m, uint64_t offset, size_t bytes)
{
	struct durei_file_facts facts = { 0 };
	uint64_t start = m->file_offset + offset;

	if (m->fd < 0)
		return (int64_t)bytes;
	int r = durei_file_stat(m->fd, &facts);
	if (r < 0)
		return durei_error(EIO, "the length of the mapped file is not known (error %d)",
				   -r);
	if (!facts.is_regular)
		return (int64_t)bytes;
	return facts.size_bytes > start ? (int64_t)min_u64(bytes, facts.size_bytes - start) : 0;
}

static int cut_short(uint64_t offset)
{
	return durei_error(ESTALE, "the mapped file ends before byte %" PRIu64 " of the mapping: "
			   "it was cut short", offset);
}

/* Who copies: into the mapping, or out of it. */
static int copy(const dure_mapping *m, uint64_t offset, void *to, const void *from, size_t bytes)
{
	int64_t before = within_file(m, offset, bytes);

	if (before <= 0)
		return before < 0 ? (int)before : cut_short(offset);
	int r = durei_memory_copy(to, from, (size_t)before);
	int64_t after = within_file(m, offset, bytes);
	if (after < 0)
		return (int)after;
	if (r == -EFAULT && (size_t)after >= (size_t)before)
		return durei_error(EACCES, "byte %" PRIu64 " of the mapping, or the buffer, cannot "
				   "be touched: its protection (dure_mapping_protect), or no "
				   "storage", offset);
	if (after == 0 || r == -EFAULT)
		return cut_short(offset);
	if (r == -EMFILE)
		return durei_error(EMFILE, "too many open descriptors for a guarded copy: "
				   "RLIMIT_NOFILE is %" PRIu64 ": raise it (ulimit -n), or close "
				   "some", durei_resource_max(DUREI_MAX_DESCRIPTORS));
	if (r < 0)
		return durei_error(EIO, "the kernel refuses a guarded copy (error %d)", -r);
	return (int)min_u64((uint64_t)r, (uint64_t)after);
}

static int check_copy(const dure_mapping *m, uint64_t offset, const void *buffer, size_t bytes)
{
	if (!m || !buffer || bytes < 1 || offset >= m->size_bytes || bytes > m->size_bytes - offset)
		return out_of_range(m, offset, bytes);
	return 0;
}

int dure_mapping_read(const dure_mapping *mapping, uint64_t offset, void *buffer, size_t bytes)
{
	int r = check_copy(mapping, offset, buffer, bytes);

	return r < 0 ? r : copy(mapping, offset, buffer,
				(const char *)dure_mapping_address(mapping) + offset,
				(size_t)min_u64(bytes, COPY_BYTES_MAX));
}

int dure_mapping_write(dure_mapping *mapping, uint64_t offset, const void *data, size_t bytes)
{
	int r = check_copy(mapping, offset, data, bytes);

	return r < 0 ? r : copy(mapping, offset, (char *)dure_mapping_address(mapping) + offset,
				data, (size_t)min_u64(bytes, COPY_BYTES_MAX));
}
