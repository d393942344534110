/* SPDX-License-Identifier: MIT */
/*
 * tape.c - messages in a file, as dure record writes and dure replay reads them
 *
 * Why      A recorder may be killed at any time, and a file may be cut or changed on its way. What
 *          is read is either what was written, or an error: never other messages.
 * Layout   All numbers are little-endian. dure-record(1) describes it for others.
 *
 *		head	"\211dureREC", version, kind, started_ns, name_bytes, crc; the name
 *		record	mark, crc, at_ns, id, type, priority, data_crc, bytes; the bytes
 *		end	as a record, with another mark, and id is the number of records
 *
 * Rules    [TAPE1] crc is the CRC-32C of the head or record, with zeros in its place; the head's
 *                  goes on over the name
 *          [TAPE2] a length is believed when its record's crc holds; and room for the bytes is made
 *                  as they come
 *          [TAPE3] a file without an end is cut, however whole its last record is; nothing stands
 *                  behind an end
 * Death    of the recorder: a beginning of the file, without an end.
 */
#include "tape.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
	VERSION = 1,
	HEAD_BYTES = 40,
	RECORD_BYTES = 48,
	CRC_AT_HEAD = 32, CRC_AT_RECORD = 4,
};

static const char magic[8] = { '\211', 'd', 'u', 'r', 'e', 'R', 'E', 'C' };
static const uint32_t mark_record = 0x4d455353, mark_end = 0x454e4421;

/* -- bytes ------------------------------------------------------------------------------- */

static void put(unsigned char *to, uint64_t number, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		to[i] = (unsigned char)(number >> 8 * i);
}

static uint64_t get(const unsigned char *from, unsigned bytes)
{
	uint64_t number = 0;

	for (unsigned i = 0; i < bytes; i++)
		number |= (uint64_t)from[i] << 8 * i;
	return number;
}

/* CRC-32C (Castagnoli), reflected, as in RFC 3720. crc: of the bytes before, 0 at first */
static uint32_t crc32c(uint32_t crc, const void *data, size_t count)
{
	static uint32_t table[256];
	const unsigned char *bytes = data;

	for (uint32_t i = 0; !table[255] && i < 256; i++) {
		uint32_t value = i;
		for (int bit = 0; bit < 8; bit++)
			value = value >> 1 ^ (value & 1 ? 0x82f63b78 : 0);
		table[i] = value;
	}
	crc = ~crc;
	for (size_t i = 0; i < count; i++)
		crc = table[(crc ^ bytes[i]) & 0xff] ^ crc >> 8;
	return ~crc;
}

/* -- writing ----------------------------------------------------------------------------- */

static bool cannot(const struct tape *t, const char *what)
{
	complain(t->command, "%s: it cannot be %s: %s", t->path, what, strerror(errno));
	return false;
}

static bool write_head(struct tape *t)
{
	unsigned char head[HEAD_BYTES] = { 0 };
	size_t name_bytes = strlen(t->name);

	memcpy(head, magic, sizeof magic);
	put(head + 8, VERSION, 4);
	put(head + 12, t->kind, 4);
	put(head + 16, t->started_ns, 8);
	put(head + 24, name_bytes, 8);
	put(head + CRC_AT_HEAD, crc32c(crc32c(0, head, HEAD_BYTES), t->name, name_bytes), 4);
	return (fwrite(head, HEAD_BYTES, 1, t->file) == 1 &&
		fwrite(t->name, 1, name_bytes, t->file) == name_bytes && fflush(t->file) == 0) ||
	       cannot(t, "written");
}

bool tape_create(struct tape *t, const char *command, const char *path, enum tape_kind kind,
		 const char *name)
{
	struct timespec now;
	bool is_output = strcmp(path, "-") == 0;
	int fd = is_output ? -1 : open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);

	*t = (struct tape){ .command = command, .path = path, .kind = kind };
	clock_gettime(CLOCK_REALTIME, &now);
	t->started_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	snprintf(t->name, sizeof t->name, "%s", name);
	t->file = is_output ? stdout : fd < 0 ? NULL : or_exit(fdopen(fd, "w"));
	if (!t->file)
		return cannot(t, "made");
	if (write_head(t))
		return true;
	tape_close(t);
	return false;
}

static bool write_record(struct tape *t, uint32_t mark, const struct tape_record *r)
{
	unsigned char head[RECORD_BYTES] = { 0 };
	size_t bytes = (size_t)r->bytes;

	put(head, mark, 4);
	put(head + 8, r->at_ns, 8);
	put(head + 16, r->id, 8);
	put(head + 24, (uint64_t)r->type, 8);
	put(head + 32, r->priority, 4);
	put(head + 36, crc32c(0, r->data, bytes), 4);
	put(head + 40, bytes, 8);
	put(head + CRC_AT_RECORD, crc32c(0, head, RECORD_BYTES), 4);
	return (fwrite(head, RECORD_BYTES, 1, t->file) == 1 &&
		(!bytes || fwrite(r->data, 1, bytes, t->file) == bytes) && fflush(t->file) == 0) ||
	       cannot(t, "written");
}

bool tape_write(struct tape *t, const struct tape_record *record)
{
	t->count++;
	return write_record(t, mark_record, record);
}

int tape_finish(struct tape *t, uint64_t at_ns)
{
	struct tape_record end = { .at_ns = at_ns, .id = t->count };
	bool is_good = write_record(t, mark_end, &end);

	/* a pipe cannot be synced, and need not be */
	if (is_good && fsync(fileno(t->file)) < 0 && errno != EINVAL && errno != EROFS)
		is_good = cannot(t, "written");
	if (t->file != stdout && fclose(t->file) != 0 && is_good)
		is_good = cannot(t, "written");
	t->file = NULL;
	return is_good ? EXIT_FINE : EXIT_TROUBLE;
}

/* -- reading ----------------------------------------------------------------------------- */

static enum tape_result damaged(const struct tape *t, const char *what)
{
	complain(t->command, "%s: record %" PRIu64 ": %s", t->path, t->count + 1, what);
	return TAPE_DAMAGED;
}

/* As many as there are. */
static size_t read_bytes(const struct tape *t, void *bytes, size_t count)
{
	return fread(bytes, 1, count, t->file);
}

/* The crc of a head whose crc lies at this place. */
static bool crc_holds(unsigned char *head, size_t bytes, size_t at, const char *name)
{
	uint32_t said = (uint32_t)get(head + at, 4);

	put(head + at, 0, 4);
	return crc32c(crc32c(0, head, bytes), name, strlen(name)) == said;
}

static const char *read_head(struct tape *t)
{
	unsigned char head[HEAD_BYTES];
	size_t name_bytes, got = read_bytes(t, head, HEAD_BYTES);

	if (got < sizeof magic || memcmp(head, magic, sizeof magic) != 0)
		return "it is no recording of dure record";
	if (got >= 12 && get(head + 8, 4) != VERSION)
		return "it is a recording of another version, which this program cannot read";
	name_bytes = got < HEAD_BYTES ? SIZE_MAX : (size_t)get(head + 24, 8);
	if (got < HEAD_BYTES)
		return "it stops before its first record";
	if (name_bytes > TAPE_NAME_MAX)
		return "its beginning is damaged";
	if (read_bytes(t, t->name, name_bytes) < name_bytes)
		return "it stops before its first record";
	t->name[name_bytes] = '\0';
	t->kind = (enum tape_kind)get(head + 12, 4);
	t->started_ns = get(head + 16, 8);
	if (!crc_holds(head, HEAD_BYTES, CRC_AT_HEAD, t->name) ||
	    (t->kind != TAPE_QUEUE && t->kind != TAPE_TOPIC))
		return "its beginning is damaged";
	return NULL;
}

bool tape_open(struct tape *t, const char *command, const char *path)
{
	const char *wrong;

	*t = (struct tape){ .command = command, .path = path };
	t->file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
	if (!t->file)
		return cannot(t, "read");
	wrong = read_head(t);
	if (!wrong)
		return true;
	if (ferror(t->file))
		cannot(t, "read");
	else
		complain(command, "%s: %s", path, wrong);
	tape_close(t);
	return false;
}

bool tape_can_rewind(const struct tape *t)
{
	struct stat is;

	return fstat(fileno(t->file), &is) == 0 && S_ISREG(is.st_mode);
}

bool tape_rewind(struct tape *t)
{
	t->count = 0;
	if (fseeko(t->file, 0, SEEK_SET) == 0 && !read_head(t))
		return true;
	return cannot(t, "read again");
}

/* [TAPE2] */
static enum tape_result read_data(struct tape *t, struct tape_record *r, uint32_t crc)
{
	unsigned char *bytes = NULL;
	size_t count = 0, room = 0, wanted = (size_t)r->bytes, got;

	do {
		room = room < wanted / 2 ? (room ? room * 2 : 65536) : wanted;
		room = room < wanted ? room : wanted;
		bytes = or_exit(realloc(bytes, room + 1));
		got = read_bytes(t, bytes + count, room - count);
		count += got;
	} while (got && count < wanted);
	if (count == wanted && crc32c(0, bytes, count) == crc) {
		r->data = bytes;
		return TAPE_RECORD;
	}
	free(bytes);
	return count < wanted ? TAPE_CUT : damaged(t, "its bytes are not those that were written");
}

/* [TAPE3] */
static enum tape_result read_end(struct tape *t, const struct tape_record *r)
{
	if (r->id != t->count || r->bytes)
		return damaged(t, "the end counts other records");
	return getc(t->file) == EOF && !ferror(t->file) ? TAPE_END
							: damaged(t, "something is behind the end");
}

enum tape_result tape_read(struct tape *t, struct tape_record *ret)
{
	unsigned char head[RECORD_BYTES];
	enum tape_result result;
	uint32_t mark;

	if (read_bytes(t, head, RECORD_BYTES) < RECORD_BYTES) {
		if (!ferror(t->file))
			return TAPE_CUT;
		cannot(t, "read");
		return TAPE_DAMAGED;
	}
	mark = (uint32_t)get(head, 4);
	if (!crc_holds(head, RECORD_BYTES, CRC_AT_RECORD, "") ||
	    (mark != mark_record && mark != mark_end))
		return damaged(t, "it is not what was written");
	*ret = (struct tape_record){
		.at_ns = get(head + 8, 8), .id = get(head + 16, 8),
		.type = (int64_t)get(head + 24, 8), .priority = (uint32_t)get(head + 32, 4),
		.bytes = get(head + 40, 8),
	};
	if (mark == mark_end)
		return read_end(t, ret);
	if (ret->bytes > SIZE_MAX / 2)
		return damaged(t, "no message is so long");
	result = read_data(t, ret, (uint32_t)get(head + 36, 4));
	t->count += result == TAPE_RECORD;
	return result;
}

void tape_close(struct tape *t)
{
	if (t->file && t->file != stdin && t->file != stdout)
		fclose(t->file);
	t->file = NULL;
}
