/* SPDX-License-Identifier: MIT */
/*
 * core.c - segments as a core dump has them
 *
 * A core dump of a process has the memory of the segments that were opened with
 * DURE_SEGMENT_DUMP (and whose backing the kernel dumps: /proc/PID/coredump_filter). Each piece
 * of memory in it is tried as a segment; what opens is one. It is a picture of that
 * moment: who was in it counts as alive. Opened for writing, it is as the next one would have
 * found it, for opening deals with what the dead left; that happens in private memory, and the
 * file stays as it is.
 *
 * The file is data from anywhere: every offset is checked against its size before it is used.
 */
#include "core.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tool.h"

static const char prefix[] = "core:";

bool is_core_name(const char *name)
{
	return strncmp(name, prefix, sizeof prefix - 1) == 0;
}

struct core {
	const char *command, *name, *path;
	unsigned char *bytes;
	uint64_t size;
	unsigned wanted;		/* which of the segments in it, from 1; 0: the only one */
	unsigned found;
	uint32_t flags;			/* of dure_segment_open */
	dure_segment *segment;
};

struct piece {
	uint64_t offset, bytes;
};

/* The file, privately: what is written to memory goes with it. */
static bool map_core(struct core *core)
{
	struct stat st;
	int fd = open(core->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0 || fstat(fd, &st) < 0) {
		complain(core->command, "%s: %s", core->path, strerror(errno));
	} else if (!S_ISREG(st.st_mode) || st.st_size < (off_t)sizeof(Elf64_Ehdr)) {
		complain(core->command, "%s: it is no core dump", core->path);
	} else {
		core->size = (uint64_t)st.st_size;
		core->bytes = mmap(NULL, core->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE,
				   fd, 0);
		if (core->bytes == MAP_FAILED) {
			core->bytes = NULL;
			complain(core->command, "%s: %s", core->path, strerror(errno));
		}
	}
	if (fd >= 0)
		close(fd);
	return core->bytes != NULL;
}

/* -- its pieces -------------------------------------------------------------------------- */

static bool fits(const struct core *core, uint64_t offset, uint64_t bytes)
{
	return offset <= core->size && bytes <= core->size - offset;
}

/* The i-th entry of a table whose entries are said to be so long. */
static bool read_entry(const struct core *core, uint64_t table, uint64_t entry_bytes, uint64_t i,
		       void *ret, size_t bytes)
{
	if (entry_bytes != bytes || table > core->size || !fits(core, table + i * bytes, bytes))
		return false;
	memcpy(ret, core->bytes + table + i * bytes, bytes);
	return true;
}

static bool piece_64(const struct core *core, uint64_t i, struct piece *ret)
{
	Elf64_Ehdr head;
	Elf64_Phdr part;

	memcpy(&head, core->bytes, sizeof head);
	if (!read_entry(core, head.e_phoff, head.e_phentsize, i, &part, sizeof part))
		return false;
	*ret = (struct piece){ part.p_offset, part.p_type == PT_LOAD ? part.p_filesz : 0 };
	return true;
}

static bool piece_32(const struct core *core, uint64_t i, struct piece *ret)
{
	Elf32_Ehdr head;
	Elf32_Phdr part;

	memcpy(&head, core->bytes, sizeof head);
	if (!read_entry(core, head.e_phoff, head.e_phentsize, i, &part, sizeof part))
		return false;
	*ret = (struct piece){ part.p_offset, part.p_type == PT_LOAD ? part.p_filesz : 0 };
	return true;
}

/* How many headers there are; more than 65534 are counted elsewhere. 0: it is no core. No more
   than fit into the file. */
static uint64_t count_pieces(const struct core *core)
{
	Elf64_Ehdr head;
	Elf64_Shdr section;

	memcpy(&head, core->bytes, sizeof head);
	if (memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 || head.e_type != ET_CORE)
		return 0;
	if (head.e_ident[EI_CLASS] == ELFCLASS32) {
		Elf32_Ehdr small;
		memcpy(&small, core->bytes, sizeof small);
		return small.e_phnum;
	}
	if (head.e_phnum != PN_XNUM)
		return head.e_phnum;
	if (!fits(core, head.e_shoff, sizeof section))
		return 0;
	memcpy(&section, core->bytes + head.e_shoff, sizeof section);
	return section.sh_info < core->size / sizeof(Elf64_Phdr) ? section.sh_info : 0;
}

/* -- its segments ------------------------------------------------------------------------ */

static dure_segment *try_piece(const struct core *core, const struct piece *piece)
{
	struct dure_segment_options o = { .sz = sizeof o, .backing = DURE_BACKING_BUFFER,
					  .size_bytes = piece->bytes };
	dure_segment *segment = NULL;

	if (piece->bytes == 0 || piece->offset % 64 || !fits(core, piece->offset, piece->bytes))
		return NULL;
	o.buffer = core->bytes + piece->offset;
	return dure_segment_open(NULL, core->flags, &o, &segment) < 0 ? NULL : segment;
}

static void take_piece(struct core *core, const struct piece *piece)
{
	struct dure_segment_info info = { .sz = sizeof info };
	dure_segment *segment = try_piece(core, piece);

	if (!segment)
		return;
	core->found++;
	if (core->wanted == core->found || (!core->wanted && !core->segment)) {
		core->segment = segment;
		return;
	}
	/* the first of several that were not told apart: all are named */
	if (!core->wanted) {
		if (core->found == 2 && dure_segment_info(core->segment, &info) == 0)
			complain(core->command, "%s#1 is \"%s\"", core->name, info.name);
		if (dure_segment_info(segment, &info) == 0)
			complain(core->command, "%s#%u is \"%s\"", core->name, core->found, info.name);
	}
	dure_segment_close(segment);
}

static int search(struct core *core)
{
	bool is_small = core->bytes[EI_CLASS] == ELFCLASS32;
	uint64_t count = count_pieces(core);
	struct piece piece;

	if (!count) {
		complain(core->command, "%s: it is no core dump", core->path);
		return -EINVAL;
	}
	for (uint64_t i = 0; i < count; i++)
		if (is_small ? piece_32(core, i, &piece) : piece_64(core, i, &piece))
			take_piece(core, &piece);
	if (!core->wanted && core->found > 1) {
		complain(core->command, "%s has %u segments: say which, as %s#1", core->path, core->found,
			 core->name);
		dure_segment_close(core->segment);
		return -EINVAL;
	}
	if (core->segment)
		return 0;
	complain(core->command, "%s has no %ssegment: they are dumped that were opened with "
		 "DURE_SEGMENT_DUMP, if /proc/PID/coredump_filter lets them", core->path,
		 core->found ? "such " : "");
	return -ENOENT;
}

int open_core_segment(const char *command, const char *name, uint32_t flags, dure_segment **ret)
{
	struct core core = { .command = command, .name = name, .flags = flags };
	char *path = or_exit(strdup(name + sizeof prefix - 1)), *hash = strrchr(path, '#'), *end;
	int r = -EINVAL;

	if (hash) {
		unsigned long n = strtoul(hash + 1, &end, 10);
		if (end != hash + 1 && !*end && n > 0 && n < 10000) {
			core.wanted = (unsigned)n;
			*hash = '\0';
		}
	}
	core.path = path;
	if (map_core(&core))
		r = search(&core);
	if (r == 0)
		*ret = core.segment;
	else if (core.bytes)
		munmap(core.bytes, core.size);
	free(path);
	return r;
}
