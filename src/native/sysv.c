/* SPDX-License-Identifier: MIT */
/*
 * sysv.c - System V: keys, and what the three kinds of objects have in common
 *
 * Why      An object is found by a number that anybody may use. So most of the trouble comes
 *          from keys: two files that give one, an object of another program behind it, one
 *          that goes between looking and taking. Here the first is refused, the second said,
 *          the third tried again.
 * Rules    [SYSN1] whoever asks for DURE_CREATE | DURE_OPEN learns whether it was the one that
 *                  created: creation is always exclusive
 *          [SYSN2] an id that is not there is -ENOENT; an object that goes while it is waited
 *                  for is -ESTALE
 * Death    Each change is one system call: it happened, or it did not.
 */
#include "native/sysv.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/options.h"
#include "os/file.h"

enum {
	ATTEMPTS_MAX = 64,	/* [SYSN1]: of creating what others remove, and the other way */
	KEYS_MAX = 4096,	/* each is compared with all before it */
};

/* -- keys --------------------------------------------------------------------------------- */

struct key_file {
	uint64_t device, inode;
};

static int key_of(const struct dure_sysv_key_source *source, struct key_file *ret_file,
		  int32_t *ret)
{
	struct durei_file_facts facts = { 0 };

	if (!source->path)
		return durei_error(EINVAL, "a System V key needs the path of a file: it is NULL");
	if (source->project < 1 || source->project > 255)
		return durei_error(EINVAL, "project %" PRIu32 " for the key of %s: take 1 to 255, "
				   "ftok uses its lowest 8 bits, and 0 is not defined",
				   source->project, source->path);
	int r = durei_file_stat_target(source->path, &facts);
	if (r == -ENOENT || r == -ENOTDIR)
		return durei_error(ENOENT, "there is no file %s to make a System V key of: it must "
				   "exist, and stay the same file", source->path);
	if (r < 0)
		return durei_error(r == -EACCES ? EACCES : EIO, "cannot look at %s to make a "
				   "System V key of it (error %d)", source->path, -r);
	uint32_t key = (uint32_t)(facts.inode & 0xffff) | (uint32_t)(facts.device & 0xff) << 16 |
		       source->project << 24;
	if (key == UINT32_MAX)	/* not 0: the project is not */
		return durei_error(EINVAL, "the key of %s with project %" PRIu32 " is -1, which "
				   "ftok gives for errors: take another project", source->path,
				   source->project);
	*ret_file = (struct key_file){ .device = facts.device, .inode = facts.inode };
	*ret = (int32_t)key;
	return 0;
}

static int key_twice(const struct dure_sysv_key_source *a, const struct key_file *a_file,
		     const struct dure_sysv_key_source *b, const struct key_file *b_file,
		     int32_t key)
{
	if (a_file->device == b_file->device && a_file->inode == b_file->inode)
		return durei_error(EEXIST, "%s and %s are the same file, with the same project %"
				   PRIu32
				   ": they give one System V key, %#x; take another project",
				   a->path, b->path, a->project, (unsigned)key);
	return durei_error(EEXIST, "%s and %s are different files, and by chance give one System V "
			   "key with project %" PRIu32 ", %#x: take another project for one of "
			   "them", a->path, b->path, a->project, (unsigned)key);
}

int dure_sysv_keys(const struct dure_sysv_key_source *sources, size_t count, int32_t *ret_keys)
{
	struct key_file *files;
	int32_t *keys;
	int r = 0;

	if (!sources || !ret_keys || count < 1 || count > KEYS_MAX)
		return durei_error(EINVAL, "1 to %d sources of keys, and room for the keys: there "
				   "are %zu", KEYS_MAX, count);
	files = malloc(count * sizeof *files);
	keys = malloc(count * sizeof *keys);
	if (!files || !keys)
		r = durei_error(ENOMEM, "no memory for %zu System V keys", count);
	for (size_t i = 0; r == 0 && i < count; i++) {
		r = key_of(&sources[i], &files[i], &keys[i]);
		for (size_t k = 0; r == 0 && k < i; k++)
			if (keys[k] == keys[i])
				r = key_twice(&sources[k], &files[k], &sources[i], &files[i],
					      keys[i]);
	}
	for (size_t i = 0; r == 0 && i < count; i++)
		ret_keys[i] = keys[i];
	free(files);
	free(keys);
	return r;
}

/* -- sentences ---------------------------------------------------------------------------- */

const char *durei_sysv_noun(enum durei_ipc_kind kind)
{
	return kind == DUREI_IPC_SHM ? "segment" : kind == DUREI_IPC_SEM ? "semaphore set"
									: "message queue";
}

bool durei_sysv_is_gone(enum durei_ipc_kind kind, int32_t id)
{
	struct durei_ipc_facts facts;
	int r = durei_ipc_stat(kind, id, &facts);

	return r == -EINVAL || r == -EIDRM;
}

int durei_sysv_id_error(enum durei_ipc_kind kind, int32_t id, const char *verb, int code, int gone)
{
	const char *noun = durei_sysv_noun(kind);

	switch (code) {
	case EACCES:
		return durei_error(EACCES, "cannot %s System V %s %" PRId32 ": its mode does not "
				   "allow it to user and group of this process (ipcs -i %" PRId32
				   ")", verb, noun, id, id);
	case EPERM:
		return durei_error(EPERM, "cannot %s System V %s %" PRId32 ": only its owner, its "
				   "creator and root may", verb, noun, id);
	case ENOMEM:
		return durei_error(ENOMEM, "cannot %s System V %s %" PRId32 ": no memory", verb,
				   noun, id);
	case ENOSYS:
		return durei_error(EOPNOTSUPP, "cannot %s System V %s %" PRId32 ": this kernel has "
				   "no System V IPC", verb, noun, id);
	default:
		break;
	}
	if (code == EIDRM || durei_sysv_is_gone(kind, id))
		return durei_error(gone, "cannot %s System V %s %" PRId32 ": there is none with "
				   "that id (any more)", verb, noun, id);
	return durei_error(EINVAL, "cannot %s System V %s %" PRId32 ": the kernel refuses it "
			   "(error %d)", verb, noun, id, code);
}

/* A few words about the object that has the key already, for people. */
static int taken_error(const struct durei_sysv_request *request)
{
	const char *noun = durei_sysv_noun(request->kind);
	int id = request->get(request, false);
	struct durei_ipc_facts facts;

	if (id < 0 || durei_ipc_stat(request->kind, id, &facts) < 0)
		return durei_error(EEXIST, "cannot create a System V %s with key %#x: there is one",
				   noun, (unsigned)request->key);
	return durei_error(EEXIST, "cannot create a System V %s with key %#x: there is one, id %d, "
			   "of user %" PRIu32 ", mode %04" PRIo32 ", %" PRIu64 " %s, last changed "
			   "at %" PRIu64 " s; if it is another program's, the keys collide", noun,
			   (unsigned)request->key, id, facts.owner, facts.mode,
			   request->kind == DUREI_IPC_SHM ? facts.size_bytes : facts.count,
			   request->kind == DUREI_IPC_SHM   ? "bytes"
			   : request->kind == DUREI_IPC_SEM ? "semaphores"
							    : "messages",
			   facts.changed_s);
}

int durei_sysv_get_error(const struct durei_sysv_request *request, int code)
{
	const char *verb = request->flags & DURE_CREATE ? "create" : "open";
	const char *noun = durei_sysv_noun(request->kind);
	unsigned key = (unsigned)request->key;

	switch (code) {
	case EEXIST:
		return taken_error(request);
	case ENOENT:
		return durei_error(ENOENT, "there is no System V %s with key %#x in this IPC "
				   "namespace", noun, key);
	case EACCES:
		return durei_error(EACCES, "the System V %s with key %#x is not open to user and "
				   "group of this process (ipcs shows owner and mode)", noun, key);
	case EBUSY:
		return durei_error(EBUSY, "the System V %s with key %#x comes and goes: others "
				   "create and remove it all the time", noun, key);
	case ENOMEM:
		return durei_error(ENOMEM, "cannot %s a System V %s with key %#x: no memory", verb,
				   noun, key);
	case ENOSYS:
		return durei_error(EOPNOTSUPP, "cannot %s a System V %s: this kernel has no System "
				   "V IPC", verb, noun);
	case EPERM:
		return durei_error(EPERM, "cannot %s a System V %s with key %#x: it needs a "
				   "privilege", verb, noun, key);
	default:
		return durei_error(EINVAL, "cannot %s a System V %s with key %#x: the kernel "
				   "refuses it (error %d)", verb, noun, key, code);
	}
}

/* -- getting ------------------------------------------------------------------------------ */

int durei_sysv_check_request(const struct durei_sysv_request *request)
{
	uint32_t flags = request->flags;

	if (flags & ~(uint32_t)(DURE_CREATE | DURE_OPEN) || flags == 0)
		return durei_error(EINVAL, "flags are %#" PRIx32 ": DURE_CREATE, DURE_OPEN, or "
				   "both", flags);
	if (request->key == DURE_SYSV_PRIVATE && flags != DURE_CREATE)
		return durei_error(EINVAL, "a private System V %s is created (DURE_CREATE), and "
				   "found by its id alone", durei_sysv_noun(request->kind));
	return 0;
}

int durei_sysv_get_or_create(const struct durei_sysv_request *request, int32_t *ret_id)
{
	for (int attempts = 0; attempts < ATTEMPTS_MAX; attempts++) {
		int id = -ENOENT;
		if (request->flags & DURE_OPEN)
			id = request->get(request, false);
		if (id >= 0) {
			*ret_id = id;
			return 0;
		}
		if (id != -ENOENT || !(request->flags & DURE_CREATE))
			return id;
		id = request->get(request, true);	/* [SYSN1] */
		if (id >= 0) {
			*ret_id = id;
			return DURE_CREATED;
		}
		if (id != -EEXIST || !(request->flags & DURE_OPEN))
			return id;
	}
	return -EBUSY;
}

/* -- facts and changes -------------------------------------------------------------------- */

static int kind_of(uint32_t kind, enum durei_ipc_kind *ret)
{
	switch (kind) {
	case DURE_SYSV_SHM:
		*ret = DUREI_IPC_SHM;
		return 0;
	case DURE_SYSV_SEM:
		*ret = DUREI_IPC_SEM;
		return 0;
	case DURE_SYSV_MSG:
		*ret = DUREI_IPC_MSG;
		return 0;
	default:
		return durei_error(EINVAL, "kind %" PRIu32 ": DURE_SYSV_SHM, DURE_SYSV_SEM or "
				   "DURE_SYSV_MSG", kind);
	}
}

static struct dure_sysv_info info_of(uint32_t kind, const struct durei_ipc_facts *facts)
{
	return (struct dure_sysv_info){
		.sz = sizeof(struct dure_sysv_info), .kind = kind, .id = facts->id,
		.key = facts->key, .mode = facts->mode, .owner = facts->owner,
		.group = facts->group, .creator_user = facts->creator_user,
		.creator_group = facts->creator_group, .changed_s = facts->changed_s,
	};
}

int dure_sysv_info(uint32_t kind, int32_t id, struct dure_sysv_info *info)
{
	struct durei_ipc_facts facts = { 0 };
	enum durei_ipc_kind inside = DUREI_IPC_SHM;
	int r = kind_of(kind, &inside);

	if (r < 0)
		return r;
	if (!info)
		return durei_error(EINVAL, "info is NULL");
	r = durei_ipc_stat(inside, id, &facts);
	if (r < 0)
		return durei_sysv_id_error(inside, id, "look at", -r, ENOENT);
	struct dure_sysv_info all = info_of(kind, &facts);
	return durei_options_write(info, &all, sizeof all, sizeof all);
}

struct listing {
	uint32_t kind;
	int (*visit)(const struct dure_sysv_info *info, void *context);
	void *context;
	int visited;			/* what the caller's visit returned */
};

static int visit_one(const struct durei_ipc_facts *facts, void *context)
{
	struct listing *listing = context;
	struct dure_sysv_info info = info_of(listing->kind, facts);

	listing->visited = listing->visit(&info, listing->context);
	return listing->visited;
}

int dure_sysv_list(uint32_t kind, int (*visit)(const struct dure_sysv_info *info, void *context),
		   void *context)
{
	struct listing listing = { .kind = kind, .visit = visit, .context = context };
	enum durei_ipc_kind inside = DUREI_IPC_SHM;
	int r = kind_of(kind, &inside);

	if (r < 0)
		return r;
	if (!visit)
		return durei_error(EINVAL, "visit is NULL");
	r = durei_ipc_visit(inside, visit_one, &listing);
	if (r < 0 && listing.visited == 0)
		return durei_error(EOPNOTSUPP, "the kernel does not list its System V objects "
				   "(error %d)", -r);
	return listing.visited;
}

int dure_sysv_set(uint32_t kind, int32_t id, const struct dure_sysv_changes *changes)
{
	enum { ALL = DURE_SYSV_SET_MODE | DURE_SYSV_SET_OWNER | DURE_SYSV_SET_GROUP |
		     DURE_SYSV_SET_BYTES_MAX };
	struct dure_sysv_changes mine;
	enum durei_ipc_kind inside = DUREI_IPC_SHM;
	int r = kind_of(kind, &inside);

	if (r == 0)
		r = durei_options_read(&mine, sizeof mine, sizeof mine, changes);
	if (r < 0)
		return r;
	if (mine.what & ~(uint32_t)ALL || mine.what == 0 || mine.mode > 0777)
		return durei_error(EINVAL, "changes.what %#" PRIx32 ", mode %#" PRIo32 ": some of "
				   "DURE_SYSV_SET_..., and a mode of at most 0777", mine.what,
				   mine.mode);
	if (mine.what & DURE_SYSV_SET_BYTES_MAX && inside != DUREI_IPC_MSG)
		return durei_error(EINVAL, "a %s has no bytes_max: only a message queue has",
				   durei_sysv_noun(inside));
	struct durei_ipc_change change = {
		.mode = mine.what & DURE_SYSV_SET_MODE ? &mine.mode : NULL,
		.owner = mine.what & DURE_SYSV_SET_OWNER ? &mine.owner : NULL,
		.group = mine.what & DURE_SYSV_SET_GROUP ? &mine.group : NULL,
		.bytes_max = mine.what & DURE_SYSV_SET_BYTES_MAX ? &mine.bytes_max : NULL,
	};
	r = durei_ipc_set(inside, id, &change);
	if (r == -EPERM && change.bytes_max)
		return durei_error(EPERM, "cannot change System V message queue %" PRId32 ": only "
				   "its owner may, and only root beyond kernel.msgmnb (%" PRIu64 " "
				   "bytes asked for)", id, mine.bytes_max);
	return r < 0 ? durei_sysv_id_error(inside, id, "change", -r, ENOENT) : 0;
}

int dure_sysv_remove(uint32_t kind, int32_t id)
{
	enum durei_ipc_kind inside = DUREI_IPC_SHM;
	int r = kind_of(kind, &inside);

	if (r < 0)
		return r;
	r = durei_ipc_remove(inside, id);
	return r < 0 ? durei_sysv_id_error(inside, id, "remove", -r, ENOENT) : 0;
}

int dure_sysv_limits(struct dure_sysv_limits *ret)
{
	struct durei_ipc_limits l = { 0 };

	if (!ret)
		return durei_error(EINVAL, "ret is NULL");
	int r = durei_ipc_limits(&l);
	if (r < 0)
		return durei_error(EOPNOTSUPP, "the kernel does not tell its System V limits "
				   "(error %d)", -r);
	struct dure_sysv_limits all = {
		.segment_bytes_max = l.segment_bytes_max, .all_bytes_max = l.all_bytes_max,
		.segments_max = l.segments_max, .segments = l.segments, .bytes = l.bytes,
		.resident_bytes = l.resident_bytes, .swapped_bytes = l.swapped_bytes,
		.set_semaphores_max = l.set_semaphores_max,
		.all_semaphores_max = l.all_semaphores_max, .operations_max = l.operations_max,
		.sets_max = l.sets_max, .value_max = l.value_max, .sets = l.sets,
		.semaphores = l.semaphores, .message_bytes_max = l.message_bytes_max,
		.queue_bytes_max = l.queue_bytes_max, .queues_max = l.queues_max,
		.queues = l.queues, .messages = l.messages, .message_bytes = l.message_bytes,
	};
	return durei_options_write(ret, &all, sizeof all, sizeof all);
}
