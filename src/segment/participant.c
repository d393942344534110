/* SPDX-License-Identifier: MIT */
/*
 * participant.c - who is attached, for people; and a descriptor that tells of deaths
 *
 * Why      A program may want to know at once when another participant is gone: to give its
 *          work to somebody else. The kernel closes the description that holds the dead
 *          one's slot lock, which inotify reports for the file; it does so across PID
 *          namespaces, and without a descriptor per participant.
 * How      The report comes a moment before the lock is given back, and other closes of the file
 *          are reported too. So a report only makes us ask who is dead ([TOKEN1]), and ask once
 *          more a little later.
 * Death    nothing shared is written.
 */
#include "segment/participant.h"

#include <stdlib.h>
#include <string.h>

#include "base/options.h"
#include "os/notify.h"
#include "segment/backing.h"
#include "segment/lane.h"
#include "segment/recover.h"
#include "segment/token.h"

unsigned durei_slot_end(const dure_segment *seg)
{
	uint32_t high = cell32_load_acq(&seg->state->slot_high);

	return high < seg->super.slot_count ? high : seg->super.slot_count;
}

void durei_participant_of_slot(dure_segment *seg, uint16_t slot, struct dure_participant *ret)
{
	const struct dl_slot *s = &seg->slots[slot];
	uint64_t state = cell64_load_acq(&s->state);

	*ret = (struct dure_participant){
		.sz = sizeof *ret,
		.slot = slot,
		.generation = state >> DL_SLOT_GENERATION_SHIFT,
		.process = s->process,
		.pid_namespace = s->pid_namespace,
		.user = s->user,
		.attached_ns = s->attached_ns,
		.is_alive = (state & DL_SLOT_STATE_MASK) == DL_SLOT_ATTACHED &&
			    durei_token_is_alive(seg, slot),
	};
	memcpy(ret->name, s->name, sizeof ret->name - 1);
}

int durei_participant_of_lane(dure_segment *seg, uint16_t id, struct dure_participant *ret)
{
	struct dure_participant filled;
	uint64_t status;

	if (id == 0 || id >= durei_lane_end(seg))
		return 0;
	status = cell64_load_acq(&seg->lane_status[id]);
	if (durei_status_state(status) == DL_LANE_FREE ||
	    durei_status_slot(status) >= durei_slot_end(seg))
		return 0;
	durei_participant_of_slot(seg, durei_status_slot(status), &filled);
	int r = durei_options_write(ret, &filled, sizeof filled, sizeof filled);
	return r < 0 ? r : 1;
}

static uint32_t count_lanes(const dure_segment *seg)
{
	uint32_t count = 0;

	for (unsigned id = 1; id < durei_lane_end(seg); id++)
		count += durei_status_state(cell64_load_acq(&seg->lane_status[id])) ==
			 DL_LANE_OWNED;
	return count;
}

static uint32_t count_processes(dure_segment *seg)
{
	struct dure_participant participant;
	uint32_t count = 0;

	for (unsigned slot = 0; slot < durei_slot_end(seg); slot++) {
		durei_participant_of_slot(seg, (uint16_t)slot, &participant);
		count += participant.is_alive;
	}
	return count;
}

int dure_segment_info(dure_segment *segment, struct dure_segment_info *info)
{
	int r = durei_handle_check(segment);
	const struct dl_super *s = &segment->super;
	struct dure_segment_info filled;

	if (r < 0)
		return r;
	filled = (struct dure_segment_info){
		.sz = sizeof filled,
		.size_bytes = cell64_load_acq(&segment->state->limit_bytes) - s->data_offset,
		.max_bytes = s->max_bytes - s->data_offset,
		.mapped_bytes = segment->mapped_bytes,
		.page_bytes = durei_page_bytes_of(segment),
		.created_ns = s->created_ns,
		.backing = s->backing,
		.lifetime = s->lifetime,
		.mode = s->mode,
		.access = segment->access == DUREI_ACCESS_READ	 ? DURE_READ_ONLY
			  : segment->access == DUREI_ACCESS_VIEW ? DURE_COPY_ON_WRITE
								 : 0,
		.processes = count_processes(segment),
		.processes_max = s->slot_count,
		.threads = count_lanes(segment),
		.threads_max = s->lane_count - 1,
		.sysv_id = segment->sysv_id,
		.slot = segment->slot,
	};
	memcpy(filled.uuid, s->uuid, sizeof filled.uuid);
	memcpy(filled.name, s->name, sizeof filled.name - 1);
	return durei_options_write(info, &filled, sizeof filled, sizeof filled);
}

int dure_segment_fd(dure_segment *segment)
{
	int r = durei_handle_check(segment);

	if (r < 0)
		return r;
	if (segment->fd < 0 || segment->sysv_id >= 0)
		return durei_error(EOPNOTSUPP, "segment %s: %s has no descriptor to pass on",
				   segment->super.name, segment->backing->title);
	return durei_backing_fd(segment);
}

void *dure_segment_base(dure_segment *segment)
{
	return segment ? segment->base : NULL;
}

/* -- watching ---------------------------------------------------------------------------- */

struct dure_watch {
	dure_segment *seg;
	struct durei_notify notify;
	uint64_t *known;		/* generation of who was alive, per slot; 0: nobody */
	uint64_t *seen;			/* the last generation looked at, per slot */
	unsigned known_count;
};

enum { LOOK_AGAIN_NS = 5000000 };

static void note_alive(struct dure_watch *watch)
{
	struct dure_participant p;

	for (unsigned slot = 0; slot < watch->known_count && slot < durei_slot_end(watch->seg);
	     slot++) {
		durei_participant_of_slot(watch->seg, (uint16_t)slot, &p);
		if (!p.is_alive || slot == watch->seg->slot)
			continue;
		watch->known[slot] = watch->seen[slot] = p.generation;
	}
}

/* Who is dead already when the watch begins is not told. */
static void note_dead(struct dure_watch *watch)
{
	struct dure_participant p;

	for (unsigned slot = 0; slot < durei_slot_end(watch->seg); slot++) {
		durei_participant_of_slot(watch->seg, (uint16_t)slot, &p);
		watch->seen[slot] = p.generation;
	}
}

static int open_notify(struct dure_watch *watch)
{
	int fd = durei_backing_fd(watch->seg), r;

	if (fd < 0)
		return fd;
	r = durei_notify_open(&watch->notify, fd, false);
	if (r == -EMFILE || r == -ENFILE)
		return durei_error(EMFILE, "a watch needs three descriptors and an inotify instance: "
				   "raise RLIMIT_NOFILE or fs.inotify.max_user_instances");
	return r < 0 ? durei_error(EOPNOTSUPP, "segment %s cannot be watched: %s",
				   watch->seg->super.name, strerror(-r))
		     : 0;
}

int dure_watch_open(dure_segment *segment, dure_watch **ret)
{
	int r = durei_handle_check_write(segment);
	struct dure_watch *watch;

	if (r < 0)
		return r;
	if (!segment->backing->has_locks)
		return durei_error(EOPNOTSUPP, "segment %s: %s is used by one process only",
				   segment->super.name, segment->backing->title);
	watch = calloc(1, sizeof *watch);
	if (watch)
		watch->known = calloc(segment->super.slot_count, 2 * sizeof *watch->known);
	if (!watch || !watch->known) {
		free(watch);
		return durei_error_plain(ENOMEM);
	}
	watch->seen = watch->known + segment->super.slot_count;
	watch->seg = segment;
	watch->notify = (struct durei_notify){ .epoll = -1, .inotify = -1, .timer = -1 };
	watch->known_count = segment->super.slot_count;
	durei_segment_ref(segment);
	r = open_notify(watch);
	if (r < 0) {
		dure_watch_close(watch);
		return r;
	}
	note_dead(watch);
	note_alive(watch);
	*ret = watch;
	return 0;
}

int dure_watch_fd(dure_watch *watch)
{
	return watch ? watch->notify.epoll : durei_error_plain(EINVAL);
}

/* Joined and died since the last look: the slot is still as the dead left it. */
static bool has_come_and_died(const struct dure_watch *watch, const struct dure_participant *p)
{
	uint64_t state = cell64_load_acq(&watch->seg->slots[p->slot].state);

	return !p->is_alive && p->generation != watch->seen[p->slot] &&
	       state >> DL_SLOT_GENERATION_SHIFT == p->generation &&
	       (state & DL_SLOT_STATE_MASK) == DL_SLOT_ATTACHED;
}

static bool find_dead(struct dure_watch *watch, struct dure_participant *ret)
{
	for (unsigned slot = 0; slot < watch->known_count && slot < durei_slot_end(watch->seg);
	     slot++) {
		durei_participant_of_slot(watch->seg, (uint16_t)slot, ret);
		if (watch->known[slot]) {
			if (ret->is_alive && ret->generation == watch->known[slot])
				continue;
			ret->is_alive = 0;
			ret->generation = watch->known[slot];
			watch->known[slot] = 0;
			return true;
		}
		if (!has_come_and_died(watch, ret))
			continue;
		watch->seen[slot] = ret->generation;
		return true;
	}
	return false;
}

int dure_watch_next(dure_watch *watch, struct dure_participant *ret)
{
	struct dure_participant dead;
	int r;

	if (!watch)
		return durei_error_plain(EINVAL);
	r = durei_handle_check(watch->seg);
	if (r < 0)
		return r;
	if (find_dead(watch, &dead)) {
		(void)dure_segment_recover(watch->seg);
		r = durei_options_write(ret, &dead, sizeof dead, sizeof dead);
		return r < 0 ? r : 1;
	}
	bool closed = durei_notify_drain(&watch->notify);
	if (find_dead(watch, &dead)) {	/* between the first look and now: tell it next time */
		watch->known[dead.slot] = dead.generation;
		closed = true;
	}
	if (closed)			/* the lock may go a moment after the report */
		durei_notify_again(&watch->notify, LOOK_AGAIN_NS);
	note_alive(watch);
	return 0;
}

void dure_watch_close(dure_watch *watch)
{
	if (!watch)
		return;
	durei_notify_close(&watch->notify);
	durei_segment_unref(watch->seg);
	free(watch->known);
	free(watch);
}
