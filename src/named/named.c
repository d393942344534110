/* SPDX-License-Identifier: MIT */
/*
 * named.c - locks by name, for programs that share nothing else
 *
 * Why      POSIX names semaphores only, and leaves a half-made one when the creator dies; with
 *          System V creating and initialising are two steps. A segment already is a thing with
 *          a name, exact modes, one creator, a chosen lifetime, and a rule who may remove it.
 *          So a named lock is a small segment with one object in it, and nothing here is new
 *          but that the object is built before the segment has its name.
 * Rules    [NAMED1] the object "lock" is complete before the name appears, and stays
 *          [NAMED2] its type says of what kind it is
 *          [NAMED3] names have a prefix of their own, so that no lock is taken for another
 *                   segment, nor removed as one; with paths, the object is asked for first
 * Death    nothing is shared but what segment/open.c, object/object.c and segment/catalog.c
 *          change: creating leaves nothing, or all of it.
 * Limits   After a reboot a lock in a file that was in use is refused, as any file segment without
 *          a checkpoint: unlink it with force.
 */
#include <dure/named.h>

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <dure/inspect.h>
#include <dure/object.h>

#include "base/error.h"
#include "base/options.h"
#include "segment/open.h"

#define PREFIX "lock."
#define OBJECT "lock"

enum {
	PLACES = 256,
	NAME_MAX_BYTES = 190,
	DATA_BYTES = 64 << 10,		/* reserved page by page: most never are */
	WORD_BYTES = 8,
	USERS_SHOWN = 3,
};

/* -- kinds ------------------------------------------------------------------------------- */

static int init_mutex(dure_segment *seg, void *lock, const struct dure_named_options *o)
{
	return dure_mutex_init(seg, lock, o->flags);
}

static int init_rwlock(dure_segment *seg, void *lock, const struct dure_named_options *o)
{
	(void)o;
	return dure_rwlock_init(seg, lock);
}

static int init_semaphore(dure_segment *seg, void *lock, const struct dure_named_options *o)
{
	return dure_semaphore_init(seg, lock, o->value);
}

static int init_condition(dure_segment *seg, void *lock, const struct dure_named_options *o)
{
	struct dure_named_condition *c = lock;

	(void)o;
	return dure_condition_init(seg, &c->condition);	/* the mutex: zeros are one */
}

static int init_event(dure_segment *seg, void *lock, const struct dure_named_options *o)
{
	return dure_event_init(seg, lock, o->flags);
}

static int init_latch(dure_segment *seg, void *lock, const struct dure_named_options *o)
{
	return dure_latch_init(seg, lock, o->value);
}

static int init_once(dure_segment *seg, void *lock, const struct dure_named_options *o)
{
	(void)seg;
	(void)lock;
	(void)o;
	return 0;		/* zeros are a thing not done yet */
}

static int init_barrier(dure_segment *seg, void *lock, const struct dure_named_options *o)
{
	return dure_barrier_init(seg, lock, o->value);
}

static int init_spinlock(dure_segment *seg, void *lock, const struct dure_named_options *o)
{
	(void)o;
	return dure_spinlock_init(seg, lock);
}

static int init_seqlock(dure_segment *seg, void *lock, const struct dure_named_options *o)
{
	return dure_seqlock_init(seg, lock, NULL, o->value);
}

static uint64_t seqlock_bytes(const struct dure_named_options *o)
{
	return DURE_SEQLOCK_BYTES(o->value <= DURE_SEQLOCK_VALUE_MAX ? (uint64_t)o->value : 0);
}

static int init_semset(dure_segment *seg, void *lock, const struct dure_named_options *o)
{
	return dure_semset_init(seg, lock, o->set);
}

static uint64_t semset_bytes(const struct dure_named_options *o)
{
	if (!o->set || o->set->semaphores > DURE_SEMSET_SEMAPHORES_MAX || o->set->processes > UINT16_MAX)
		return sizeof(dure_semset);	/* init refuses it */
	return DURE_SEMSET_BYTES(o->set->semaphores, o->set->processes);
}

static const struct kind {
	const char *type;
	uint32_t bytes;
	bool has_flags, has_value;
	int (*init)(dure_segment *seg, void *lock, const struct dure_named_options *o);
	uint64_t (*bytes_of)(const struct dure_named_options *o);	/* NULL: all are of one size */
} kinds[] = {
	[DURE_NAMED_MUTEX] = { "dure_mutex", sizeof(dure_mutex), true, false, init_mutex, NULL },
	[DURE_NAMED_RWLOCK] = { "dure_rwlock", sizeof(dure_rwlock), false, false, init_rwlock, NULL },
	[DURE_NAMED_SEMAPHORE] = { "dure_semaphore", sizeof(dure_semaphore), false, true,
				   init_semaphore, NULL },
	[DURE_NAMED_CONDITION] = { "dure_named_condition", sizeof(struct dure_named_condition), false,
				   false, init_condition, NULL },
	[DURE_NAMED_EVENT] = { "dure_event", sizeof(dure_event), true, false, init_event, NULL },
	[DURE_NAMED_LATCH] = { "dure_latch", sizeof(dure_latch), false, true, init_latch, NULL },
	[DURE_NAMED_ONCE] = { "dure_once", sizeof(dure_once), false, false, init_once, NULL },
	[DURE_NAMED_BARRIER] = { "dure_barrier", sizeof(dure_barrier), false, true, init_barrier, NULL },
	[DURE_NAMED_SPINLOCK] = { "dure_spinlock", sizeof(dure_spinlock), false, false,
				  init_spinlock, NULL },
	/* of several sizes: as many words */
	[DURE_NAMED_SEQLOCK] = { "dure_seqlock", WORD_BYTES, false, true, init_seqlock,
				 seqlock_bytes },
	[DURE_NAMED_SEMSET] = { "dure_semset", WORD_BYTES, false, false, init_semset, semset_bytes },
};

#define KINDS_END ((int)(sizeof kinds / sizeof *kinds))

/* [NAMED2] */
static int find_lock(dure_segment *seg, const struct kind *kind, void **ret)
{
	return dure_object_find(seg, OBJECT, dure_type_make(kind->type, kind->bytes, 8), ret, NULL);
}

/* -- what is asked for ------------------------------------------------------------------- */

/* The segment that a lock of that name is. */
struct place {
	struct dure_named_options options;
	struct dure_segment_options segment;
	const char *name;		/* of the segment */
	const char *shown;		/* as the caller says it */
	char buffer[sizeof PREFIX + NAME_MAX_BYTES];
	const struct kind *kind;	/* to be built */
	uint64_t count;			/* of kind->bytes */
	void *lock;
};

static int name_segment(struct place *p, const char *name)
{
	if (!name || !*name)
		return durei_error(EINVAL, "a named lock needs a name");
	p->shown = p->name = name;
	if (p->options.lifetime == DURE_LIFETIME_FILESYSTEM)
		return 0;
	if (strlen(name) > NAME_MAX_BYTES)
		return durei_error(EINVAL, "the name %.20s... of a lock has %zu bytes, more than %d", name,
				   strlen(name), NAME_MAX_BYTES);
	snprintf(p->buffer, sizeof p->buffer, PREFIX "%s", name);		/* [NAMED3] */
	p->name = p->buffer;
	return 0;
}

static int find_place(struct place *p, const char *name, const struct dure_named_options *options)
{
	const struct dure_named_options *o = &p->options;
	int r = durei_options_read(&p->options, sizeof p->options, sizeof p->options, options);

	if (r == 0)
		r = name_segment(p, name);
	if (r < 0)
		return r;
	p->segment = (struct dure_segment_options){
		.sz = sizeof p->segment,
		.size_bytes = DATA_BYTES,
		.max_bytes = DATA_BYTES,
		.backing = o->lifetime == DURE_LIFETIME_FILESYSTEM ? DURE_BACKING_FILE
								   : DURE_BACKING_DEFAULT,
		.lifetime = o->lifetime,
		.mode = o->mode,
		.processes_max = o->processes_max ? o->processes_max : PLACES,
		.threads_max = o->threads_max ? o->threads_max : PLACES,
		.directory = o->directory,
	};
	return 0;
}

static int check_kind(struct place *p, enum dure_named_kind kind)
{
	const struct dure_named_options *o = &p->options;

	if ((int)kind < DURE_NAMED_MUTEX || (int)kind >= KINDS_END)
		return durei_error(EINVAL, "named lock %s: %d is none of enum dure_named_kind", p->shown,
				   (int)kind);
	p->kind = &kinds[kind];
	if ((o->flags && !p->kind->has_flags) || (o->value && !p->kind->has_value))
		return durei_error(EINVAL, "named lock %s: a %s has no %s", p->shown, p->kind->type,
				   o->flags && !p->kind->has_flags ? "flags" : "value");
	if (o->set && kind != DURE_NAMED_SEMSET)
		return durei_error(EINVAL, "named lock %s: a %s is no set", p->shown, p->kind->type);
	p->count = 1;
	if (!p->kind->bytes_of)
		return 0;
	p->count = (p->kind->bytes_of(o) + WORD_BYTES - 1) / WORD_BYTES;
	p->segment.max_bytes += p->count * WORD_BYTES;
	p->segment.flags = DURE_SEGMENT_GROW;		/* when it is made; who finds it wants nothing */
	return 0;
}

/* -- opening ----------------------------------------------------------------------------- */

/* [NAMED1] */
static int build(dure_segment *seg, void *context)
{
	struct place *p = context;
	int r = dure_object_construct(seg, OBJECT, dure_type_make(p->kind->type, p->kind->bytes, 8),
				      p->count, NULL, NULL, &p->lock);

	if (r >= 0)
		r = p->kind->init(seg, p->lock, &p->options);
	if (r >= 0)
		(void)dure_segment_trim(seg, NULL);	/* locking needs no memory: it goes back */
	return r;
}

/* What was found holds a lock of this kind; else it is left again. */
static int enter(struct place *p, dure_segment *seg)
{
	int r = find_lock(seg, p->kind, &p->lock);

	if (r >= 0)
		return 0;
	(void)dure_segment_close(seg);
	return r == -ENOENT ? durei_error(EPROTO, "%s is a segment, but no named lock", p->shown) : r;
}

int dure_named_open(enum dure_named_kind kind, const char *name, uint32_t flags,
		    const struct dure_named_options *options, dure_segment **ret_segment,
		    void **ret_lock)
{
	struct place p = { .lock = NULL };
	struct durei_builder builder = { build, &p };
	dure_segment *seg;
	int r, entered;

	if (!ret_segment || !ret_lock)
		return durei_error(EINVAL, "dure_named_open: no place for the result");
	r = find_place(&p, name, options);
	if (r == 0)
		r = check_kind(&p, kind);
	if (r == 0 && flags & DURE_COPY_ON_WRITE)
		r = durei_error(EINVAL, "named lock %s: a private view of a lock keeps nobody out",
				p.shown);
	if (r == 0)
		r = durei_segment_open(p.name, flags, &p.segment, &builder, &seg);
	if (r < 0)
		return r;
	entered = r == DURE_CREATED ? 0 : enter(&p, seg);
	if (entered < 0)
		return entered;
	*ret_segment = seg;
	*ret_lock = p.lock;
	return r;
}

/* -- unlinking --------------------------------------------------------------------------- */

/* Who has it open, as words. */
struct users {
	char text[128];
	size_t bytes;
	unsigned count;
};

static int note_user(const struct dure_participant *user, void *context)
{
	struct users *users = context;
	int n;

	if (!user->is_alive || users->count++ >= USERS_SHOWN)
		return 0;
	n = snprintf(users->text + users->bytes, sizeof users->text - users->bytes, "%s%s (process %u)",
		     users->bytes ? ", " : "", user->name, user->process);
	if (n > 0 && (size_t)n < sizeof users->text - users->bytes)
		users->bytes += (size_t)n;
	return 0;
}

/* The sentence for -EBUSY; who only reads it, or is gone by now, has no name. */
static int say_in_use(struct place *p)
{
	struct users users = { .count = 0 };
	dure_segment *seg;

	if (dure_segment_open(p->name, DURE_OPEN | DURE_READ_ONLY, &p->segment, &seg) >= 0) {
		(void)dure_participant_list(seg, note_user, &users);
		(void)dure_segment_close(seg);
	}
	users.text[users.bytes] = '\0';
	return durei_error(EBUSY, "named lock %s is open in %s%s: DURE_REMOVE_FORCE takes the name away "
			   "all the same, and then there can be two locks", p->shown,
			   users.bytes ? users.text : "another process",
			   users.count > USERS_SHOWN ? " and others" : "");
}

/* [NAMED3] A path may lead to any segment. 0, -EPROTO, or why it cannot be read. */
static int check_is_lock(struct place *p)
{
	dure_segment *seg;
	void *lock;
	int r = dure_segment_open(p->name, DURE_OPEN | DURE_READ_ONLY, &p->segment, &seg);

	if (r < 0)
		return r;
	r = -ENOENT;
	for (int kind = DURE_NAMED_MUTEX; kind < KINDS_END && r < 0; kind++)
		r = find_lock(seg, &kinds[kind], &lock);
	(void)dure_segment_close(seg);
	return r < 0 ? durei_error(EPROTO, "%s is a segment, but no named lock", p->shown) : 0;
}

int dure_named_unlink(const char *name, uint32_t flags, const struct dure_named_options *options)
{
	struct place p = { .lock = NULL };
	int r = find_place(&p, name, options);

	if (r == 0 && flags & ~(uint32_t)DURE_REMOVE_FORCE)
		r = durei_error(EINVAL, "dure_named_unlink: flags %#x have unknown bits", flags);
	if (r == 0 && p.options.lifetime == DURE_LIFETIME_FILESYSTEM) {
		r = check_is_lock(&p);
		if (flags & DURE_REMOVE_FORCE && (r == -EUCLEAN || r == -ENOTRECOVERABLE))
			r = 0;
	}
	if (r == 0)
		r = dure_segment_remove(p.name, flags, &p.segment);
	return r == -EBUSY ? say_in_use(&p) : r;
}
