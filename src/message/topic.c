/* SPDX-License-Identifier: MIT */
/*
 * topic.c - a topic's name, its lock, its end, its figures
 *
 * Why      Each publication goes to everybody, and must not cost more the more there are: so it is
 *          put into one place, which each subscriber reads at his own pace. Publishers are made
 *          one after the other by a lock, and each change is one log: so a publication is there
 *          with its block, or neither is. Subscribers take no lock, and are never held up.
 * Layout   layout/topic.h
 * Rules    [TOPICC1] the lock is DL_HELD_CLEAN: logs mend what it guards, and what is written
 *                    in place is as good before as after
 *          [TOPICC2] who uses a topic is counted (users.c), so its block is not freed under anybody
 *          [TOPICC3] sizes and offsets are read once, when a topic is found, checked, and used
 *                    from private memory ever after
 * Death    open: object/object.c; counted without a handle: users.c
 *          shut: one store; who sleeps looks again after a slice
 *          destroy, after step            is left behind                   who mends it
 *          1 doomed                       a topic that nobody can open     destroy again
 *          2 some publications freed      the same                         the same
 *          3 name and block gone          nothing                          -
 */
#include "message/topic.h"

#include <stdlib.h>
#include <string.h>

#include "base/options.h"
#include "heap/heap.h"
#include "layout/users.h"
#include "lock/mutex.h"
#include "lock/word.h"
#include "message/holder.h"
#include "message/name.h"
#include "message/patience.h"
#include "message/users.h"
#include "tx/log.h"

#define TOPIC_TYPE dure_type_make("dure_topic", sizeof(struct dl_topic_place), 16)

enum {
	MESSAGES_DEFAULT = 64,
	MESSAGES_MAX = 1 << 20,
	CELLS_MAX = 1 << 21,
	SUBSCRIBERS_DEFAULT = 64,
	SUBSCRIBERS_MAX = 4096,
	SPARE_MIN = 16,
};

int durei_topic_damaged(const struct durei_topic *t)
{
	return durei_error(EUCLEAN, "segment %s: topic %s contradicts itself: run dure check",
			   t->seg->super.name, t->name);
}

struct dl_publication *durei_publication_at(const struct durei_topic *t, uint64_t offset)
{
	struct dl_publication *m = durei_at(t->seg, offset);

	if (__builtin_expect(offset % 16 || offset < t->seg->super.data_offset ||
			     !durei_bytes_are_backed(t->seg, offset, sizeof *m), 0))
		return NULL;
	return __builtin_expect(m->topic == t->offset, 1) ? m : NULL;
}

/* -- the lock ---------------------------------------------------------------------------- */

struct durei_lane *durei_topic_lock(const struct durei_topic *t, int64_t deadline_ns,
				    int *ret_error)
{
	int r = 0;
	struct durei_lane *lane = durei_lane_get(t->seg, &r);

	if (lane && durei_log_is_open(lane))
		r = durei_error(EDEADLK, "topic %s cannot be changed inside a transaction", t->name);
	if (lane && r == 0)
		r = durei_mutex_take(lane, &t->shared->lock, DL_HELD_CLEAN,
				     durei_lock_patience(deadline_ns));
	*ret_error = r == -ETIMEDOUT && !deadline_ns ? durei_error_plain(EAGAIN) : r;
	return r < 0 ? NULL : lane;
}

void durei_topic_unlock(const struct durei_topic *t, struct durei_lane *lane)
{
	struct cell32 *word = &t->shared->lock.word;

	durei_word_free(lane, word, durei_held_find(lane, durei_offset(lane->seg, word)));
	if (__builtin_expect(cell32_load_acq(&t->shared->sweep), 0))	/* [RETIRE2] */
		durei_topic_sweep_soon(t);
}

/* -- opening ----------------------------------------------------------------------------- */

/* Cells beyond those that are kept, so that room is made for many publications at once. */
static uint64_t cells_for(const struct dure_topic_options *o)
{
	uint64_t spare = max_u64(max_u64(o->messages_max / 4, o->subscribers_max), SPARE_MIN);

	return UINT64_C(1) << log2_ceil(o->messages_max + spare);
}

static uint64_t topic_bytes(const dure_segment *seg, uint64_t rows, uint64_t cells)
{
	return sizeof(struct dl_topic) + rows * sizeof(struct dl_subscriber) +
	       cells * sizeof(struct cell64) + durei_users_bytes(seg);
}

/* The topic's constructor. */
static int format(dure_tx *tx, void *object, uint64_t count, void *context)
{
	const struct dure_topic_options *o = context;
	dure_segment *seg = dure_tx_segment(tx);
	struct dl_topic_place *place = object;
	uint64_t bytes = topic_bytes(seg, o->subscribers_max, cells_for(o));
	void *block;
	int r = dure_tx_alloc(tx, bytes, 64, &block);

	(void)count;
	if (r < 0)
		return r;
	struct dl_topic *t = memset(block, 0, bytes);
	t->magic = DL_TOPIC_MAGIC;
	t->row_count = o->subscribers_max;
	t->messages_max = o->messages_max;
	t->cell_count = cells_for(o);
	t->bytes_max = o->bytes_max;
	t->message_bytes_max = o->message_bytes_max;
	t->gate.raw = DUREI_NO_GATE;	/* these: still private */
	place->topic.raw = durei_offset(seg, block);
	return 0;
}

/* [TOPICC3] */
static int bind(struct durei_topic *t, dure_segment *seg, const struct dl_topic_place *place,
		const char *name)
{
	uint64_t offset = cell64_load_acq(&place->topic), rows, cells;
	struct dl_topic *shared = durei_at(seg, offset);

	if (offset % 64 || offset < seg->super.data_offset ||
	    !durei_bytes_are_backed(seg, offset, sizeof *shared) || shared->magic != DL_TOPIC_MAGIC)
		return durei_error(EUCLEAN, "segment %s: there is no topic where %s leads to: run dure "
				   "check", seg->super.name, name);
	*t = (struct durei_topic){ .seg = seg, .shared = shared, .offset = offset,
				   .cell_count = shared->cell_count,
				   .row_count = shared->row_count,
				   .messages_max = shared->messages_max };
	strncpy(t->name, name, sizeof t->name - 1);
	rows = t->row_count;
	cells = t->cell_count;
	if (!is_power_of_two(cells) || cells > CELLS_MAX || rows > SUBSCRIBERS_MAX ||
	    !t->messages_max || t->messages_max >= cells ||
	    !durei_bytes_are_backed(seg, offset, topic_bytes(seg, rows, cells)))
		return durei_topic_damaged(t);
	t->cell_shift = log2_floor(cells);
	t->rows = (struct dl_subscriber *)(void *)(shared + 1);
	t->cells = (struct cell64 *)(void *)(t->rows + rows);
	t->users = t->cells + cells;
	return 0;
}

static struct durei_name topic_name(dure_segment *seg, const char *name,
				    struct dure_topic_options *options)
{
	return (struct durei_name){ .seg = seg, .name = name, .what = "topic", .type = TOPIC_TYPE,
				    .format = format, .options = options };
}

int durei_topic_use(struct durei_topic *t)
{
	if (!durei_users_change(t->seg, t->users, 1))
		return durei_error(EUSERS, "topic %s is open %d times in this process", t->name,
				   DL_USER_MASK);
	durei_segment_ref(t->seg);
	return 0;
}

void durei_topic_unuse(struct durei_topic *t)
{
	if (durei_handle_check_write(t->seg) == 0)
		(void)durei_users_change(t->seg, t->users, -1);
	durei_notice_close(&t->notice);
	durei_segment_unref(t->seg);
}

/* While the name is held. [TOPICC2] */
static int open_held(struct durei_topic *t, dure_segment *seg, const char *name,
		     const struct dl_topic_place *place)
{
	int r = bind(t, seg, place, name);

	if (r == 0 && cell32_load_acq(&t->shared->state) == DL_TOPIC_DOOMED)
		r = durei_error(EBUSY, "segment %s: topic %s is being destroyed, or whoever did died: "
				"destroy it again", seg->super.name, name);
	return r < 0 ? r : durei_topic_use(t);
}

static int check_options(const struct dure_topic_options *options, struct dure_topic_options *ret)
{
	int r = durei_options_read(ret, sizeof *ret, sizeof *ret, options);

	if (r < 0)
		return r;
	if (!ret->messages_max)
		ret->messages_max = MESSAGES_DEFAULT;
	if (!ret->subscribers_max)
		ret->subscribers_max = SUBSCRIBERS_DEFAULT;
	if (ret->messages_max <= MESSAGES_MAX && ret->subscribers_max <= SUBSCRIBERS_MAX && !ret->flags)
		return 0;
	return durei_error(EINVAL, "a topic keeps up to %d publications for up to %d subscribers, and "
			   "has no flags; not %llu, %u and %#x", MESSAGES_MAX, SUBSCRIBERS_MAX,
			   (unsigned long long)ret->messages_max, ret->subscribers_max, ret->flags);
}

int dure_topic_open(dure_segment *segment, const char *name, uint32_t flags,
		    const struct dure_topic_options *options, dure_topic **ret)
{
	struct dure_topic_options o;
	struct durei_name held = topic_name(segment, name, &o);
	dure_topic *topic;
	void *place;
	dure_tx *tx;
	int r = check_options(options, &o), made;

	if (r < 0)
		return r;
	topic = calloc(1, sizeof *topic);
	made = r = topic ? durei_name_hold(&held, flags, &tx, &place) : durei_error_plain(ENOMEM);
	if (r < 0) {
		free(topic);
		return r;
	}
	r = open_held(&topic->t, segment, name, place);
	if (r < 0) {
		(void)dure_tx_abort(tx);
		free(topic);
		return r;
	}
	(void)dure_tx_commit(tx);
	*ret = topic;
	return made;
}

void dure_topic_close(dure_topic *topic)
{
	if (!topic)
		return;
	durei_topic_unuse(&topic->t);
	free(topic);
}

/* -- the end ----------------------------------------------------------------------------- */

int dure_topic_shut(dure_topic *topic)
{
	struct dl_topic *shared = topic->t.shared;
	int r;
	struct durei_lane *lane = durei_topic_lock(&topic->t, DUREI_NEVER, &r);

	if (!lane)
		return r;
	if (cell32_load_rlx(&shared->state) == DL_TOPIC_OPEN)
		cell32_store_rel(&shared->state, DL_TOPIC_SHUT);
	durei_topic_unlock(&topic->t, lane);
	fence_full();			/* state, before the flags of those who sleep */
	durei_topic_wake(topic->t.seg, &shared->arrivals);
	durei_topic_wake(topic->t.seg, &shared->rooms);
	return 0;
}

/* Step 1: nobody has it open, and nobody will. */
static int doom(dure_segment *segment, const char *name, struct durei_topic *ret)
{
	struct durei_name held = topic_name(segment, name, &(struct dure_topic_options){ 0 });
	void *place;
	dure_tx *tx;
	uint32_t users;
	int r = durei_name_hold(&held, DURE_OPEN, &tx, &place);

	if (r < 0)
		return r;
	r = bind(ret, segment, place, name);
	if (r == 0 && (users = durei_users_count(segment, ret->users)))
		r = durei_error(EBUSY, "topic %s is open in %u processes: dure_topic_shut tells them",
				name, users);
	if (r == 0)
		cell32_store_rel(&ret->shared->state, DL_TOPIC_DOOMED);
	(void)dure_tx_abort(tx);
	return r;
}

/* Step 2. Subscribers are users: there is none. */
static int free_publications(const struct durei_topic *t)
{
	int r;
	struct durei_lane *lane = durei_topic_lock(t, DUREI_NEVER, &r);
	bool gone;

	if (!lane)
		return r;
	for (uint32_t row = 0; r >= 0 && row < t->row_count; row++)
		r = durei_row_mend(t, lane, row, true, &gone);
	if (r >= 0)
		r = durei_topic_retire(t, lane, cell64_load_rlx(&t->shared->head));
	if (r >= 0)
		r = durei_topic_sweep(t, lane);
	durei_topic_unlock(t, lane);
	return r;
}

/* Step 3, with the name. */
static int free_topic(dure_tx *tx, void *object, uint64_t count, void *context)
{
	(void)object;
	(void)count;
	return dure_tx_free(tx, ((struct durei_topic *)context)->shared);
}

int dure_topic_destroy(dure_segment *segment, const char *name)
{
	struct durei_topic topic;
	int r = doom(segment, name, &topic);

	if (r == 0)
		r = free_publications(&topic);
	return r < 0 ? r : dure_object_destroy(segment, name, TOPIC_TYPE, free_topic, &topic);
}

/* -- the descriptor ---------------------------------------------------------------------- */

int dure_topic_fd(dure_topic *topic)
{
	int r = durei_handle_check_write(topic->t.seg);

	return r < 0 ? r : durei_notice_fd(&topic->t.notice, topic->t.seg);
}

/* -- figures ----------------------------------------------------------------------------- */

static bool is_taken(const struct dl_subscriber *row)
{
	return cell64_load_acq(&row->holder) != 0;
}

static int fill_info(const struct durei_topic *t, struct dure_topic_info *info)
{
	const struct dl_topic *shared = t->shared;
	uint64_t oldest = cell64_load_acq(&shared->oldest), head = cell64_load_acq(&shared->head);
	struct dure_topic_info filled = {
		.sz = sizeof filled,
		.published = head,
		.messages = head - min_u64(oldest, head),
		.bytes = cell64_load_acq(&shared->bytes),
		.on_loan = cell64_load_acq(&shared->orphan_count),
		.on_loan_bytes = cell64_load_acq(&shared->orphan_bytes),
		.bytes_high = cell64_load_acq(&shared->bytes_high),
		.died = cell64_load_acq(&shared->died),
		.waits_to_publish = cell64_load_acq(&shared->waits_to_publish),
		.waits_to_receive = cell64_load_acq(&shared->waits_to_receive),
		.messages_max = t->messages_max,
		.bytes_max = shared->bytes_max,
		.message_bytes_max = shared->message_bytes_max,
		.subscribers_max = t->row_count,
		.last_publisher = cell32_load_acq(&shared->last_publisher),
		.is_shut = cell32_load_acq(&shared->state) != DL_TOPIC_OPEN,
		.users = durei_users_count(t->seg, t->users),
	};

	for (uint32_t i = 0; i < t->row_count; i++)
		filled.subscribers += is_taken(&t->rows[i]);
	return durei_options_write(info, &filled, sizeof filled, sizeof filled);
}

static void fill_subscriber(const struct durei_topic *t, const struct dl_subscriber *row,
			    struct dure_subscriber_info *ret)
{
	uint64_t head = cell64_load_acq(&t->shared->head);
	uint64_t next = cell64_load_acq(&row->next) >> 1;

	*ret = (struct dure_subscriber_info){
		.sz = sizeof *ret, .next = next, .lag = head - min_u64(next, head),
		.taken = cell64_load_acq(&row->taken), .lost = cell64_load_acq(&row->lost),
		.since_ns = row->since_ns, .policy = row->policy, .process = row->process,
		.is_alive = !durei_holder_looks_gone(t->seg, cell64_load_acq(&row->holder)),
	};
	for (unsigned i = 0; i < DL_PINS; i++)
		ret->loans += cell64_load_acq(&row->pins[i]) != 0;
}

int dure_topic_info(dure_topic *topic, struct dure_topic_info *info)
{
	int r = durei_handle_check(topic->t.seg);

	return r < 0 ? r : fill_info(&topic->t, info);
}

int dure_topic_look(dure_segment *segment, const char *name, struct dure_topic_info *info,
		    int (*visit)(const struct dure_subscriber_info *info, void *context),
		    void *context)
{
	struct dure_subscriber_info subscriber;
	struct durei_topic t;
	void *place;
	int r = dure_object_find(segment, name, TOPIC_TYPE, &place, NULL);

	if (r == 0)
		r = bind(&t, segment, place, name);
	if (r == 0 && info)
		r = fill_info(&t, info);
	for (uint32_t i = 0; r == 0 && visit && i < t.row_count; i++)
		if (is_taken(&t.rows[i])) {
			fill_subscriber(&t, &t.rows[i], &subscriber);
			r = visit(&subscriber, context);
		}
	return r;
}
