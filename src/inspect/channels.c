/* SPDX-License-Identifier: MIT */
/*
 * channels.c - how full queues, services, topics, rings, lanes and boards are, and who has what of them
 *
 * Why      Whoever opens one of them is counted among its users, and takes its lock to look. An
 *          observer does neither: it sees also what a stopped process has locked, in a segment
 *          that it may only read. What it sees is foreign bytes that change meanwhile.
 * Rules    [CHANNEL1] a link is followed when a live block is there that says it is a message of
 *                     this queue, and taken; and no more than there can be
 *          [CHANNEL2] a walk that was overtaken by a change is walked again; if that goes on,
 *                     what was seen last is given
 * Death    nothing is changed.
 */
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "base/error.h"
#include "base/options.h"
#include "inspect/check.h"
#include "layout/lanes.h"
#include "layout/service.h"
#include "layout/users.h"
#include "segment/participant.h"
#include "segment/recover.h"
#include "segment/token.h"

enum { WALKS_MAX = 16 };

/* What an object leads to. */
struct channel {
	dure_segment *seg;
	uint32_t kind;			/* enum dure_channel_kind */
	uint64_t offset, bytes;		/* of the block */
	const void *block;
};

/* -- finding ----------------------------------------------------------------------------- */

static const struct {
	const char *type;
	uint32_t kind;
	uint64_t bytes_min, magic_at;
	uint32_t magic;
} kinds[] = {
	{ "dure_queue", DURE_CHANNEL_QUEUE, sizeof(struct dl_queue),
	  offsetof(struct dl_queue, magic), DL_QUEUE_MAGIC },
	{ "dure_service", DURE_CHANNEL_SERVICE, sizeof(struct dl_queue),
	  offsetof(struct dl_queue, magic), DL_QUEUE_MAGIC },
	{ "dure_topic", DURE_CHANNEL_TOPIC, sizeof(struct dl_topic),
	  offsetof(struct dl_topic, magic), DL_TOPIC_MAGIC },
	{ "dure_ring", DURE_CHANNEL_RING, sizeof(struct dl_ring), offsetof(struct dl_ring, magic),
	  DL_RING_MAGIC },
	{ "dure_lanes", DURE_CHANNEL_LANES, sizeof(struct dl_lanes),
	  offsetof(struct dl_lanes, magic), DL_LANES_MAGIC },
	{ "dure_board", DURE_CHANNEL_BOARD, sizeof(struct dl_board),
	  offsetof(struct dl_board, magic), DL_BOARD_MAGIC },
};

/* All of them are objects of one word that leads to a block. */
static int find_block(dure_segment *seg, const struct dure_object_info *object, unsigned kind,
		      struct channel *ret)
{
	const struct cell64 *place = durei_at(seg, object->ref.offset);
	struct durei_seen_block block;
	uint32_t magic;

	if (object->ref.offset % 8 || object->ref.offset < seg->super.data_offset ||
	    !durei_bytes_are_backed(seg, object->ref.offset, sizeof *place))
		return durei_error(EINVAL, "there is no object at +%#llx",
				   (unsigned long long)object->ref.offset);
	ret->offset = cell64_load_acq(place);
	ret->block = durei_at(seg, ret->offset);
	if (ret->offset % 64 || !durei_see_block(seg, ret->offset, &block) ||
	    block.bytes < kinds[kind].bytes_min)
		magic = ~kinds[kind].magic;
	else
		memcpy(&magic, (const char *)ret->block + kinds[kind].magic_at, sizeof magic);
	if (magic != kinds[kind].magic)
		return durei_error(EUCLEAN, "segment %s: there is no %s where %s leads to: run dure check",
				   seg->super.name, kinds[kind].type, object->name);
	ret->bytes = block.bytes;
	return 0;
}

static int find_channel(dure_segment *seg, const struct dure_object_info *object,
			struct channel *ret)
{
	int r = durei_handle_check(seg);

	if (r < 0)
		return r;
	if (!object || object->sz < sizeof *object)
		return durei_error(EINVAL, "object is NULL, or is none of dure_object_list's");
	for (unsigned i = 0; i < sizeof kinds / sizeof *kinds; i++)
		if (strcmp(kinds[i].type, object->type_name) == 0) {
			*ret = (struct channel){ .seg = seg, .kind = kinds[i].kind };
			return find_block(seg, object, i, ret);
		}
	return durei_error(EINVAL, "an object of type %s is no queue, service, topic, ring or board",
			   object->type_name);
}

/* -- figures ----------------------------------------------------------------------------- */

/* [USERS2]; users begin at this place in the block. */
static uint32_t count_users(const struct channel *c, uint64_t at)
{
	const struct cell64 *users = (const void *)((const char *)c->block + at);
	unsigned end = durei_slot_end(c->seg);
	uint32_t count = 0;

	if (at > c->bytes || c->bytes - at < end * sizeof *users)
		return 0;
	for (unsigned slot = 0; slot < end; slot++) {
		uint64_t user = cell64_load_acq(&users[slot]);
		uint64_t state = cell64_load_acq(&c->seg->slots[slot].state);
		count += user & DL_USER_MASK &&
			 (user & ~(uint64_t)DL_USER_MASK) ==
				 state >> DL_SLOT_GENERATION_SHIFT << DL_USER_SHIFT &&
			 ((c->seg->has_slot && slot == c->seg->slot) ||
			  durei_token_is_alive(c->seg, (uint16_t)slot));
	}
	return count;
}

static void see_queue(const struct channel *c, struct dure_channel_info *ret)
{
	const struct dl_queue *q = c->block;
	const struct dl_queue_numbers *n = &q->numbers;

	ret->messages = cell64_load_acq(&n->count);
	ret->bytes = cell64_load_acq(&n->bytes);
	ret->taken = cell64_load_acq(&n->taken_count);
	ret->dead_letters = cell64_load_acq(&n->dead_count);
	ret->in = cell64_load_acq(&n->sent);
	ret->out = cell64_load_acq(&n->received);
	ret->messages_max = q->messages_max;
	ret->bytes_max = q->bytes_max;
	ret->is_shut = cell32_load_acq(&q->state) != DL_QUEUE_OPEN;
	ret->users = count_users(c, sizeof *q);
	if (c->kind == DURE_CHANNEL_SERVICE)	/* heads of calls are no one's bytes */
		ret->bytes -= min_u64(ret->bytes, ret->messages * sizeof(struct dl_call));
}

static void see_topic(const struct channel *c, struct dure_channel_info *ret)
{
	const struct dl_topic *t = c->block;
	uint64_t oldest = cell64_load_acq(&t->oldest), rows, cells, users_at;

	ret->in = cell64_load_acq(&t->head);
	ret->messages = ret->in - min_u64(oldest, ret->in);
	ret->bytes = cell64_load_acq(&t->bytes);
	ret->messages_max = t->messages_max;
	ret->bytes_max = t->bytes_max;
	ret->is_shut = cell32_load_acq(&t->state) != DL_TOPIC_OPEN;
	if (mul_fits(t->row_count, sizeof(struct dl_subscriber), &rows) &&
	    mul_fits(t->cell_count, sizeof(struct cell64), &cells) &&
	    add_fits(sizeof *t + rows, cells, &users_at))
		ret->users = count_users(c, users_at);
}

static uint64_t bytes_in_ring(const struct dl_ring *r)
{
	uint64_t head = cell64_load_acq(&r->ends[1].position);
	uint64_t tail = cell64_load_acq(&r->ends[0].position);

	return tail - min_u64(head, tail);		/* [RING3]: or some records more */
}

static void see_ring(const struct channel *c, struct dure_channel_info *ret)
{
	const struct dl_ring *r = c->block;

	ret->bytes = bytes_in_ring(r);
	ret->bytes_max = r->capacity;
	ret->is_shut = cell32_load_acq(&r->is_doomed) != 0;
}

/* The rings of lanes: their number, and where the i-th is; no more than the block has room for. */
struct rings {
	const unsigned char *first;
	uint64_t stride, count;
};

static struct rings rings_of(const struct channel *c)
{
	const struct dl_lanes *l = c->block;
	uint64_t room = c->bytes - sizeof *l, bytes = l->ring_bytes, count = l->count;
	struct rings rings = { .first = (const unsigned char *)(l + 1) };

	if (bytes % 64 == 0 && bytes <= room && dl_lanes_stride(bytes) <= room) {
		rings.stride = dl_lanes_stride(bytes);
		rings.count = min_u64(count, room / rings.stride);
	}
	return rings;
}

static const struct dl_ring *ring_at(const struct rings *rings, uint64_t i)
{
	return (const struct dl_ring *)(const void *)(rings->first + i * rings->stride);
}

static void see_lanes(const struct channel *c, struct dure_channel_info *ret)
{
	const struct dl_lanes *l = c->block;
	struct rings rings = rings_of(c);

	for (uint64_t i = 0; i < rings.count; i++)
		ret->bytes += bytes_in_ring(ring_at(&rings, i));
	ret->bytes_max = rings.count * (rings.stride - min_u64(rings.stride, sizeof(struct dl_ring)));
	ret->is_shut = cell32_load_acq(&l->is_doomed) != 0;
}

static void see_board(const struct channel *c, struct dure_channel_info *ret)
{
	const struct dl_board *b = c->block;

	ret->in = cell64_load_acq(&b->version);
	ret->messages = ret->in > 0;
	ret->bytes_max = b->bytes_max;
	ret->is_shut = cell32_load_acq(&b->state) != DL_BOARD_OPEN;
	ret->users = count_users(c, sizeof *b);
}

int dure_channel_info(dure_segment *segment, const struct dure_object_info *object,
		      struct dure_channel_info *info)
{
	struct dure_channel_info filled = { .sz = sizeof filled };
	struct channel c;
	int r = find_channel(segment, object, &c);

	if (r < 0)
		return r;
	filled.kind = c.kind;
	if (c.kind == DURE_CHANNEL_QUEUE || c.kind == DURE_CHANNEL_SERVICE)
		see_queue(&c, &filled);
	else if (c.kind == DURE_CHANNEL_TOPIC)
		see_topic(&c, &filled);
	else if (c.kind == DURE_CHANNEL_RING)
		see_ring(&c, &filled);
	else if (c.kind == DURE_CHANNEL_LANES)
		see_lanes(&c, &filled);
	else
		see_board(&c, &filled);
	return durei_options_write(info, &filled, sizeof filled, sizeof filled);
}

/* -- who has what ------------------------------------------------------------------------ */

/* The thread that a word of message/holder.c names: who it is, and whether it is there. */
static void see_holder(dure_segment *seg, uint64_t holder, struct dure_holder_info *ret)
{
	uint16_t lane = dl_lock_lane((uint32_t)holder), slot;
	uint64_t status = durei_seen_status(seg, lane), generation;
	bool has_slot;

	if (durei_status_state(status) != DL_LANE_OWNED ||
	    durei_status_generation(status) != dl_lock_generation((uint32_t)holder))
		return;
	slot = durei_status_slot(status);
	has_slot = slot < durei_slot_end(seg);	/* who is alone in a segment has none */
	generation = has_slot ? cell64_load_acq(&seg->slots[slot].state) >> DL_SLOT_GENERATION_SHIFT : 0;
	if ((uint32_t)generation != (uint32_t)(holder >> 32))
		return;
	ret->process = has_slot ? seg->slots[slot].process : 0;
	ret->thread = durei_lane_at(seg, lane)->thread;
	ret->is_alive = durei_lane_liveness(seg, lane, status) != DUREI_DEAD;
}

/* [CHANNEL1] */
static const struct dl_message *see_taken(const struct channel *c, uint64_t offset)
{
	struct durei_seen_block block;
	const struct dl_message *m = durei_at(c->seg, offset);

	return offset && durei_see_block(c->seg, offset, &block) && block.state == DL_BLOCK_LIVE &&
			       block.bytes >= sizeof *m && m->queue == c->offset &&
			       cell32_load_acq(&m->state) == DL_MESSAGE_TAKEN
		       ? m : NULL;
}

static uint64_t changes_of(const struct channel *c)
{
	const struct dl_queue_numbers *n = &((const struct dl_queue *)c->block)->numbers;

	return cell64_load_acq(&n->next_id) + cell64_load_acq(&n->received) * 3 +
	       cell64_load_acq(&n->returned) * 5 + cell64_load_acq(&n->taken_count) * 7 +
	       cell64_load_acq(&n->dead_count) * 11;
}

static void see_message(const struct channel *c, const struct dl_message *m,
			struct dure_holder_info *ret)
{
	*ret = (struct dure_holder_info){
		.sz = sizeof *ret, .role = DURE_HOLDER_MESSAGE, .id = m->id, .type = m->type,
		.priority = m->priority, .bytes = m->bytes,
		.deliveries = cell32_load_acq(&m->deliveries),
	};
	if (c->kind == DURE_CHANNEL_SERVICE)
		ret->bytes = ((const struct dl_call *)(const void *)(m + 1))->request_bytes;
	see_holder(c->seg, cell64_load_acq(&m->holder), ret);
}

/* How many were seen; no more than room. */
static uint64_t walk_taken(const struct channel *c, struct dure_holder_info *to, uint64_t room)
{
	uint64_t at = cell64_load_acq(&((const struct dl_queue *)c->block)->taken), count = 0;
	const struct dl_message *m;

	while (count < room && (m = see_taken(c, at))) {
		see_message(c, m, &to[count++]);
		at = cell64_load_acq(&m->order.next);
	}
	return count;
}

/* [CHANNEL2]; in memory to be freed. NULL: there is none */
static struct dure_holder_info *list_taken(const struct channel *c, uint64_t *ret_count)
{
	const struct cell64 *number = &((const struct dl_queue *)c->block)->numbers.taken_count;
	uint64_t most = c->seg->mapped_bytes / sizeof(struct dl_message), room, before;
	struct dure_holder_info *list = NULL;

	*ret_count = 0;
	for (int walks = 0; walks < WALKS_MAX; walks++) {
		before = changes_of(c);
		room = min_u64(cell64_load_acq(number), most);
		free(list);
		list = calloc(room + 1, sizeof *list);
		if (!list)
			return NULL;
		*ret_count = walk_taken(c, list, room);
		if (changes_of(c) == before)
			break;
	}
	return list;
}

static int visit_taken(const struct channel *c,
		       int (*visit)(const struct dure_holder_info *info, void *context),
		       void *context)
{
	uint64_t count;
	struct dure_holder_info *list = list_taken(c, &count);
	int r = list ? 0 : durei_error_plain(ENOMEM);

	for (uint64_t i = 0; r == 0 && i < count; i++)
		r = visit(&list[i], context);
	free(list);
	return r;
}

static int visit_end(const struct channel *c, const struct dl_ring *ring, uint32_t end,
		     int (*visit)(const struct dure_holder_info *info, void *context),
		     void *context)
{
	uint64_t holder = cell64_load_acq(&ring->ends[end].holder);
	struct dure_holder_info info = {
		.sz = sizeof info, .role = end ? DURE_HOLDER_RECEIVER : DURE_HOLDER_SENDER,
	};

	if (holder == DL_RING_NOBODY || holder == DL_RING_LEFT)
		return 0;
	see_holder(c->seg, holder, &info);
	return visit(&info, context);
}

/* The senders in the order of their rings, then the receiver: of lanes he has all rings. */
static int visit_ends(const struct channel *c,
		      int (*visit)(const struct dure_holder_info *info, void *context),
		      void *context)
{
	struct rings rings = { .first = c->block, .count = 1 };
	int r = 0;

	if (c->kind == DURE_CHANNEL_LANES)
		rings = rings_of(c);
	for (uint64_t i = 0; r == 0 && i < rings.count; i++)
		r = visit_end(c, ring_at(&rings, i), 0, visit, context);
	return r || !rings.count ? r : visit_end(c, ring_at(&rings, 0), 1, visit, context);
}

int dure_holder_list(dure_segment *segment, const struct dure_object_info *object,
		     int (*visit)(const struct dure_holder_info *info, void *context), void *context)
{
	struct channel c;
	int r = find_channel(segment, object, &c);

	if (r < 0)
		return r;
	if (c.kind == DURE_CHANNEL_QUEUE || c.kind == DURE_CHANNEL_SERVICE)
		return visit_taken(&c, visit, context);
	if (c.kind == DURE_CHANNEL_RING || c.kind == DURE_CHANNEL_LANES)
		return visit_ends(&c, visit, context);
	return 0;
}
