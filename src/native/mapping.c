/* SPDX-License-Identifier: MIT */
/*
 * mapping.c - files and memory mapped into the process
 *
 * Why      mmap takes what it is given: bytes beyond the end of the file (SIGBUS when touched), an
 *          address where something else is (gone), pages that are populated when there are some.
 *          Its errors do not say which of half a dozen limits was met.
 * How      The handle keeps a descriptor of its own, by which the file's length is known when a
 *          mapping grows, and when a read through it must be judged.
 * Rules    [MAPN1] what is mapped lies within the file, when it is mapped: else -EINVAL, or the
 *                  file is made longer, with storage
 *          [MAPN2] the file is made longer last, when the mapping can fail no more; when that
 *                  fails, the mapping becomes what it was
 *          [MAPN3] pages that would lose bytes are named by whole pages only
 * Writers  The handle's fields: dure_mapping_resize alone, which overlaps with nobody.
 *          [MAPN4] after something was replaced nothing can fail
 * Death    Making a file longer is one system call; the mapping is the process' own.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/arith.h"
#include "base/error.h"
#include "base/options.h"
#include "native/mapping.h"
#include "os/file.h"
#include "os/map.h"
#include "os/memory.h"
#include "os/self.h"

/* -- sentences ---------------------------------------------------------------------------- */

int durei_mapping_locked_error(const char *what, uint64_t bytes, int code)
{
	if (code == EAGAIN)
		return durei_error(EAGAIN, "cannot keep %" PRIu64 " bytes of %s in memory: some of "
				   "them cannot be had now", bytes, what);
	if (code == EINVAL)
		return durei_error(EINVAL, "cannot keep %" PRIu64 " bytes of %s in memory", bytes,
				   what);
	return durei_error(code == EPERM ? EPERM : ENOMEM, "cannot keep %" PRIu64 " bytes of %s in "
			   "memory: RLIMIT_MEMLOCK allows %" PRIu64 " to this process: raise it "
			   "(ulimit -l, LimitMEMLOCK=)", bytes, what,
			   durei_resource_max(DUREI_MAX_LOCKED_BYTES));
}

static int no_memory(const dure_mapping *m)
{
	char text[4096] = "";
	uint64_t huge_free = 0;

	if (m->is_huge && durei_file_read_text("/proc/meminfo", text, sizeof text) >= 0) {
		const char *line = strstr(text, "HugePages_Free:");
		huge_free = line ? strtoull(line + strlen("HugePages_Free:"), NULL, 10) : 0;
	}
	if (m->is_huge)
		return durei_error(ENOMEM, "cannot map %" PRIu64 " bytes on huge pages of %" PRIu64
				   ": of the default size %" PRIu64 " are free (/proc/meminfo); "
				   "raise vm.nr_hugepages, or nr_overcommit_hugepages",
				   m->size_bytes, m->unit, huge_free);
	return durei_error(ENOMEM, "cannot map %" PRIu64 " bytes: no memory, no address space "
			   "(RLIMIT_AS), too many mappings (vm.max_map_count), or "
			   "vm.overcommit_memory forbids it", m->size_bytes);
}

static int map_error(const dure_mapping *m, const struct durei_memory_request *request, int code)
{
	switch (code) {
	case EEXIST:
		return durei_error(EBUSY, "cannot map %" PRIu64 " bytes at %p: something is mapped "
				   "there (DURE_MAPPING_REPLACE replaces it)", m->size_bytes,
				   request->address);
	case EACCES:
		return durei_error(EACCES, "cannot map it: the descriptor is not open for %s",
				   request->protection & PROT_WRITE && !request->is_private
					   ? "reading and writing (DURE_MAPPING_READ_ONLY, "
					     "DURE_MAPPING_PRIVATE)"
					   : "reading");
	case EPERM:
		return durei_error(EPERM, "cannot map %" PRIu64 " bytes: the file is sealed, its "
				   "file system allows no execution, or the address is not for "
				   "this process", m->size_bytes);
	case ENODEV:
		return durei_error(EOPNOTSUPP, "the descriptor is of something that cannot be "
				   "mapped");
	case ENOMEM:
		return no_memory(m);
	case EAGAIN:
		return durei_mapping_locked_error("a mapping", m->size_bytes, ENOMEM);
	default:
		return durei_error(EINVAL, "cannot map %" PRIu64 " bytes at %p: the kernel refuses "
				   "it (error %d)", m->size_bytes, request->address, code);
	}
}

/* -- opening ------------------------------------------------------------------------------ */

static int check_options(int fd, uint64_t size_bytes, const struct dure_mapping_options *o)
{
	enum { ALL = 2 * DURE_MAPPING_EXTEND - 1 };
	bool at = o->flags & (DURE_MAPPING_FIXED | DURE_MAPPING_REPLACE);

	if (o->flags & ~(uint32_t)ALL || o->reserved)
		return durei_error(EINVAL, "options.flags is %#" PRIx32 ": DURE_MAPPING_... only, "
				   "and not _MOVE", o->flags);
	if (at && (!o->address || (uintptr_t)o->address % durei_page_bytes()))
		return durei_error(EINVAL, "DURE_MAPPING_FIXED and _REPLACE need options.address, "
				   "a multiple of %zu: it is %p", durei_page_bytes(), o->address);
	if ((o->flags & DURE_MAPPING_REPLACE) &&		/* [MAPN4] */
	    o->flags & (DURE_MAPPING_EXTEND | DURE_MAPPING_LOCK | DURE_MAPPING_POPULATE |
			DURE_MAPPING_TRANSPARENT))
		return durei_error(EINVAL, "DURE_MAPPING_REPLACE excludes _EXTEND, _LOCK, "
				   "_POPULATE and _TRANSPARENT: what was replaced could not come "
				   "back when they fail");
	if (fd < 0 && size_bytes == 0)
		return durei_error(EINVAL, "an anonymous mapping needs a size");
	if (fd >= 0 && o->flags & DURE_MAPPING_HUGE)
		return durei_error(EINVAL, "DURE_MAPPING_HUGE is for anonymous memory: a file has "
				   "huge pages when it lies on a hugetlbfs");
	if (o->huge_page_bytes &&
	    (!(o->flags & DURE_MAPPING_HUGE) || !is_power_of_two(o->huge_page_bytes)))
		return durei_error(EINVAL, "options.huge_page_bytes is %" PRIu64 ": a power of "
				   "two, and with DURE_MAPPING_HUGE only", o->huge_page_bytes);
	if ((o->flags & DURE_MAPPING_EXTEND) && (fd < 0 || o->flags & DURE_MAPPING_READ_ONLY))
		return durei_error(EINVAL, "DURE_MAPPING_EXTEND is for a file that is mapped for "
				   "writing");
	return 0;
}

/* The size of its pages, and its length; UINT64_MAX for what has none, as a device. */
static int look_at_file(dure_mapping *m, uint64_t *ret_length)
{
	struct durei_file_facts facts = { 0 };
	struct durei_space space = { 0 };
	char path[40];
	int r = durei_file_stat(m->fd, &facts);

	if (r < 0)
		return durei_error(EIO, "the length of the file to map is not known (error %d)",
				   -r);
	snprintf(path, sizeof path, "/proc/self/fd/%d", m->fd);
	if (durei_file_space(path, &space) == 0 && space.is_hugetlb)
		m->unit = facts.block_bytes;
	*ret_length = facts.is_regular ? facts.size_bytes : UINT64_MAX;
	return 0;
}

static int beyond_end(uint64_t end, uint64_t length)
{
	return durei_error(EINVAL, "the file has %" PRIu64 " bytes, and the mapping would end at %"
			   PRIu64
			   ": touching what lies between is a SIGBUS; give DURE_MAPPING_EXTEND, or "
			   "a smaller size", length, end);
}

/* Which pages are mapped: from a multiple of the unit on, as many as are needed. */
static int place(dure_mapping *m, uint64_t offset, uint64_t size_bytes)
{
	uint64_t end;

	m->file_offset = offset;
	m->lead = (size_t)(offset % m->unit);
	m->size_bytes = size_bytes;
	if (!add_fits(m->lead, size_bytes, &end) || !add_fits(offset, size_bytes, &end) ||
	    end > INT64_MAX - m->unit || m->lead + size_bytes > SIZE_MAX - m->unit)
		return durei_error(EINVAL, "%" PRIu64 " bytes from %" PRIu64 " on do not fit into "
				   "the address space", size_bytes, offset);
	m->mapped_bytes = (size_t)align_up(m->lead + size_bytes, m->unit);
	return 0;
}

static int plan_file(dure_mapping *m, int fd, uint64_t offset, uint64_t size_bytes,
		     uint64_t *ret_length)
{
	int r = durei_file_duplicate(fd);

	if (r == -EMFILE || r == -EINVAL)	/* EINVAL: the limit is below all descriptors */
		return durei_error(EMFILE, "cannot map descriptor %d: too many open descriptors "
				   "(RLIMIT_NOFILE is %" PRIu64 ")", fd,
				   durei_resource_max(DUREI_MAX_DESCRIPTORS));
	if (r < 0)
		return durei_error(EINVAL, "%d is no open descriptor (error %d)", fd, -r);
	m->fd = r;
	r = look_at_file(m, ret_length);
	if (r < 0)
		return r;
	if (size_bytes == 0 && (*ret_length == UINT64_MAX || offset >= *ret_length))
		return durei_error(EINVAL, "the file has %" PRIu64 " bytes: there is nothing to "
				   "map from %"
				   PRIu64 " on", *ret_length == UINT64_MAX ? 0 : *ret_length,
				   offset);
	return place(m, offset, size_bytes ? size_bytes : *ret_length - offset);
}

/* [MAPN1] */
static int check_end(const dure_mapping *m, uint64_t length, uint32_t flags)
{
	uint64_t end = m->file_offset + m->size_bytes;

	return m->fd < 0 || end <= length || flags & DURE_MAPPING_EXTEND ? 0
									 : beyond_end(end, length);
}

/* Storage for all that is mapped; the file becomes longer when it is too short. */
static int extend(const dure_mapping *m)
{
	int r = durei_file_reserve(m->fd, m->file_offset, m->size_bytes);

	switch (-r) {
	case 0:
		return 0;
	case ENOSPC:
	case EFBIG:
	case EDQUOT:
		return durei_error(ENOSPC, "there is no storage for %" PRIu64 " bytes of the file "
				   "from %" PRIu64
				   " on: its file system is full, or a quota or RLIMIT_FSIZE is "
				   "reached", m->size_bytes, m->file_offset);
	case EBADF:
	case EINVAL:
	case EPERM:
		return durei_error(EACCES, "cannot make the file longer: the descriptor is not "
				   "open for writing, or it is sealed");
	case EOPNOTSUPP:
		return durei_error(EOPNOTSUPP, "cannot make the file longer: its file system "
				   "reserves no storage (fallocate)");
	default:
		return durei_error(EIO, "cannot make the file longer (error %d)", -r);
	}
}

/* What is to be done once it is mapped. */
static int dress(dure_mapping *m, const struct dure_mapping_options *o)
{
	int r;

	if (o->flags & DURE_MAPPING_TRANSPARENT) {
		r = durei_memory_advise(m->base, m->mapped_bytes, MADV_HUGEPAGE);
		if (r < 0)
			return durei_error(EOPNOTSUPP, "this kernel has no transparent huge pages "
					   "for such a mapping (error %d)", -r);
	}
	if (o->flags & DURE_MAPPING_LOCK) {
		r = durei_map_lock(m->base, m->mapped_bytes, true);
		if (r < 0)
			return durei_mapping_locked_error("a mapping", m->mapped_bytes, -r);
	}
	if (o->flags & DURE_MAPPING_POPULATE) {
		bool write = !(o->flags & DURE_MAPPING_READ_ONLY);
		r = durei_mapping_advise_error(durei_map_populate(m->base, m->mapped_bytes, write),
					       m->mapped_bytes);
		if (r < 0)
			return r;
	}
	return 0;
}

static int map(dure_mapping *m, const struct dure_mapping_options *o, uint64_t length)
{
	struct durei_memory_request request = {
		.fd = m->fd, .offset = m->file_offset - m->lead, .bytes = m->mapped_bytes,
		.address = o->address,
		.protection = PROT_READ | (o->flags & DURE_MAPPING_READ_ONLY ? 0 : PROT_WRITE) |
			      (o->flags & DURE_MAPPING_EXECUTE ? PROT_EXEC : 0),
		.is_private = o->flags & DURE_MAPPING_PRIVATE,
		.is_fixed = o->flags & DURE_MAPPING_FIXED && !(o->flags & DURE_MAPPING_REPLACE),
		.replaces = o->flags & DURE_MAPPING_REPLACE,
		.no_reserve = o->flags & DURE_MAPPING_NO_RESERVE,
		.is_huge = m->is_huge, .huge_page_bytes = o->huge_page_bytes,
	};
	int r = check_end(m, length, o->flags);

	if (r < 0)
		return r;
	r = durei_memory_map(&request, &m->base);
	if (r < 0)
		return map_error(m, &request, -r);
	if (o->flags & DURE_MAPPING_EXTEND)			/* [MAPN2] */
		r = extend(m);
	return r < 0 ? r : dress(m, o);
}

static int plan(dure_mapping *m, int fd, uint64_t offset, uint64_t size_bytes,
		const struct dure_mapping_options *o, uint64_t *ret_length)
{
	m->fd = -1;
	m->unit = durei_page_bytes();
	m->is_huge = o->flags & DURE_MAPPING_HUGE;
	m->is_private = o->flags & DURE_MAPPING_PRIVATE;
	*ret_length = UINT64_MAX;
	if (fd >= 0)
		return plan_file(m, fd, offset, size_bytes, ret_length);
	if (m->is_huge)
		m->unit = o->huge_page_bytes ? o->huge_page_bytes : durei_huge_page_bytes();
	if (m->unit == 0)
		return durei_error(EOPNOTSUPP, "this kernel has no huge pages");
	return place(m, 0, size_bytes);
}

int dure_mapping_open(int fd, uint64_t offset, uint64_t size_bytes,
		      const struct dure_mapping_options *options, dure_mapping **ret)
{
	struct dure_mapping_options o;
	uint64_t length;
	int r = durei_options_read(&o, sizeof o, sizeof o, options);

	if (r == 0)
		r = check_options(fd, size_bytes, &o);
	if (r < 0)
		return r;
	if (!ret)
		return durei_error(EINVAL, "ret is NULL");
	dure_mapping *m = calloc(1, sizeof *m);
	if (!m)
		return durei_error(ENOMEM, "no memory for the handle of a mapping");
	r = plan(m, fd, offset, size_bytes, &o, &length);
	if (r == 0)
		r = map(m, &o, length);
	if (r < 0)
		dure_mapping_close(m);
	else
		*ret = m;
	return r;
}

void dure_mapping_close(dure_mapping *mapping)
{
	if (!mapping)
		return;
	if (mapping->base)
		durei_map_remove(mapping->base, mapping->mapped_bytes);
	durei_file_close(mapping->fd);
	free(mapping);
}

void *dure_mapping_address(const dure_mapping *mapping)
{
	return mapping ? (char *)mapping->base + mapping->lead : NULL;
}

uint64_t dure_mapping_size(const dure_mapping *mapping)
{
	return mapping ? mapping->size_bytes : 0;
}

/* -- resizing ----------------------------------------------------------------------------- */

static int resize_error(const dure_mapping *m, uint64_t size_bytes, uint32_t flags, int code)
{
	if (code == ENOMEM)
		return durei_error(ENOMEM, "cannot make the mapping %" PRIu64 " bytes long: %s",
				   size_bytes, flags & DURE_MAPPING_MOVE
					   ? "no memory, or no address space"
					   : "there is no room where it lies (DURE_MAPPING_MOVE)");
	if (m->is_huge || m->unit != durei_page_bytes())
		return durei_error(EOPNOTSUPP, "this kernel cannot resize a mapping on huge pages "
				   "(error %d)", code);
	return durei_error(EINVAL, "cannot make the mapping %" PRIu64 " bytes long (error %d)",
			   size_bytes, code);
}

int dure_mapping_resize(dure_mapping *mapping, uint64_t size_bytes, uint32_t flags)
{
	dure_mapping old, *m = mapping;
	uint64_t length = UINT64_MAX;

	if (!m || size_bytes == 0 || flags & ~(uint32_t)(DURE_MAPPING_MOVE | DURE_MAPPING_EXTEND))
		return durei_error(EINVAL, "flags are %#" PRIx32 ", size %" PRIu64 ": "
				   "DURE_MAPPING_MOVE and _EXTEND, and at least one byte", flags,
				   size_bytes);
	if (m->fd < 0 && !m->is_private && size_bytes > m->mapped_bytes)
		return durei_error(EOPNOTSUPP, "shared anonymous memory cannot grow: its new pages "
				   "would be a SIGBUS; map a memory file (memfd_create)");
	old = *m;
	int r = m->fd >= 0 ? look_at_file(m, &length) : 0;
	if (r == 0)
		r = place(m, m->file_offset, size_bytes);
	if (r == 0)
		r = check_end(m, length, flags);
	if (r == 0 && m->mapped_bytes != old.mapped_bytes) {
		r = durei_memory_resize(old.base, old.mapped_bytes, m->mapped_bytes,
					flags & DURE_MAPPING_MOVE, &m->base);
		if (r < 0)
			r = resize_error(m, size_bytes, flags, -r);
	}
	if (r < 0) {
		*m = old;
		return r;
	}
	r = m->fd >= 0 && flags & DURE_MAPPING_EXTEND ? extend(m) : 0;
	if (r == 0)
		return 0;
	/* [MAPN2]: shorter is possible in place */
	if (m->mapped_bytes > old.mapped_bytes)
		durei_map_remove((char *)m->base + old.mapped_bytes,
				 m->mapped_bytes - old.mapped_bytes);
	old.base = m->base;
	*m = old;
	return r;
}
