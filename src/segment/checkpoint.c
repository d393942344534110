/* SPDX-License-Identifier: MIT */
/*
 * checkpoint.c - file segments across reboots; consistent copies of live segments
 *
 * Why      The death of processes leaves memory coherent; the death of the machine does not:
 *          the kernel writes pages back in any order. So a file segment that was in use when
 *          the machine stopped is not believed. It is restored from an image that was taken
 *          between operations (gate.c) and written completely before it got its name.
 * Layout   PATH                the segment
 *          PATH.checkpoint     the image: a segment file, marked clean
 *          is_clean and the boot id in dl_state say which boot used the file, and whether
 *          the last user left in good order.
 * Rules    [CKPT1] is_clean is 0 on the disk before anybody changes a page
 *          [CKPT2] is_clean becomes 1 after every page is on the disk, and by the last user
 *          [CKPT3] both change under the ADMIN byte; who opens has its slot lock before, so
 *                  the last user sees it
 *          [CKPT4] an image replaces the previous one by rename, after fsync
 *          [CKPT5] restoring copies the page with dl_state last, and not its is_clean: until
 *                  the boot id is set, the file is unclean and of another boot
 * Death    checkpoint, after step     is left behind                   who mends it
 *          1 gate shut                a shut gate                      durei_gate_mend
 *          2 nameless image           nothing                          the kernel
 *          3 PATH.checkpoint-new      a complete image, unused name    the next checkpoint
 *          4 rename                   the new image                    -
 *          restore, after step
 *          1 .. n pages copied        unclean, as before               the next opener begins
 *                                                                      again
 *          n + 1 boot id              restored                         -
 */
#include "segment/checkpoint.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/file.h"
#include "os/futex.h"
#include "os/map.h"
#include "os/self.h"
#include "segment/backing.h"
#include "segment/gate.h"
#include "segment/geometry.h"
#include "segment/recover.h"
#include "segment/wait.h"

struct boot_words {
	uint64_t low, high;
};

static bool survives_reboots(const dure_segment *seg)
{
	return seg->super.lifetime == DURE_LIFETIME_FILESYSTEM && seg->backing->has_locks;
}

static int this_boot(struct boot_words *ret)
{
	int r = durei_boot_id((unsigned char *)ret);

	return r < 0 ? durei_error(EOPNOTSUPP, "/proc does not tell the boot id, without which a file "
				   "segment cannot be trusted") : 0;
}

static bool is_of_boot(const dure_segment *seg, const struct boot_words *boot)
{
	return cell64_load_acq(&seg->state->boot_low) == boot->low &&
	       cell64_load_acq(&seg->state->boot_high) == boot->high;
}

static int sync_state(dure_segment *seg)
{
	int r = durei_map_sync(seg->base, DL_SUPER_BYTES);

	return r < 0 ? durei_error(EIO, "segment %s: msync: %s", seg->path, strerror(-r)) : 0;
}

/* -- restoring --------------------------------------------------------------------------- */

static int image_path(const char *path, const char *suffix, char *image, size_t bytes)
{
	int n = snprintf(image, bytes, "%s%s", path, suffix);

	return n < 0 || (size_t)n >= bytes ? durei_error(EINVAL, "the path %.40s... is too long", path)
					   : 0;
}

/* Storage for all that the image says is there; a free page needs none: it becomes a hole. */
static int back_everything(dure_segment *seg)
{
	const struct dl_super *s = &seg->super;
	uint64_t slots = cell32_load_acq(&seg->state->slot_high), limit = durei_page_limit(seg);
	int r = seg->backing->reserve(seg, 0, s->slots_offset);

	if (r == 0 && slots && slots <= s->slot_count)
		r = seg->backing->reserve(seg, s->slots_offset, slots * sizeof(struct dl_slot));
	if (r == 0)
		r = seg->backing->reserve(seg, s->pages_offset, limit * 8);
	if (r == 0)
		r = seg->backing->reserve(seg, s->lanes_offset,
					  (uint64_t)durei_lane_end(seg) * DL_LANE_BYTES);
	for (uint64_t page = durei_first_page(seg); r == 0 && page < limit; page++) {
		enum dl_page_kind kind = dl_page_kind(cell64_load_rlx(&seg->pages[page]));
		if (kind == DL_PAGE_FREE)
			cell64_store_rel(&seg->pages[page], DL_PAGE_HOLE);
		else if (kind != DL_PAGE_HOLE)
			r = seg->backing->reserve(seg, page << seg->page_shift,
						  UINT64_C(1) << seg->page_shift);
	}
	return r < 0 ? durei_no_space(seg, -r, limit << seg->page_shift) : 0;
}

static int check_image(dure_segment *seg, int fd, const char *path)
{
	struct dl_super super;
	int r = durei_file_read_at(fd, &super, sizeof super, 0);

	if (r < 0)
		return durei_error(ENOTRECOVERABLE, "the checkpoint %s cannot be read", path);
	r = durei_geometry_check(&super, path);
	if (r == 0 && super.max_bytes != seg->super.max_bytes)
		r = durei_error(ENOTRECOVERABLE, "the checkpoint %s is of another segment", path);
	return r;
}

static int copy_content(int from, int to)			/* [CKPT5] */
{
	_Alignas(64) unsigned char page[DL_SUPER_BYTES];
	struct dl_state *state = (struct dl_state *)(void *)(page + DL_STATE_OFFSET);
	int r = durei_file_copy(from, to, sizeof page);

	if (r == 0)
		r = durei_file_read_at(from, page, sizeof page, 0);
	if (r < 0)
		return r;
	cell64_store_rel(&state->is_clean, 0);
	cell64_store_rel(&state->boot_low, 0);
	cell64_store_rel(&state->boot_high, 0);
	return durei_file_write_at(to, page, sizeof page, 0);
}

static int copy_image(dure_segment *seg, const char *image)
{
	int fd = durei_file_open(image, O_RDONLY | O_NOFOLLOW, 0), r;

	if (fd < 0)
		return durei_error(ENOTRECOVERABLE, "segment %s was in use when the machine stopped, "
				   "and it has no checkpoint (%s): remove it and create it anew",
				   seg->path, image);
	r = check_image(seg, fd, image);
	if (r == 0) {
		r = copy_content(fd, seg->fd);
		if (r < 0)
			r = durei_error(-r == ENOSPC ? ENOSPC : EIO, "restoring %s: %s", seg->path,
					strerror(-r));
	}
	durei_file_close(fd);
	return r;
}

/* Nobody else is past this point: everybody comes here through the ADMIN byte. */
static int restore(dure_segment *seg, const struct boot_words *boot)
{
	char image[600];
	int r = image_path(seg->path, ".checkpoint", image, sizeof image);

	if (r == 0)
		r = copy_image(seg, image);
	if (r == 0)
		r = back_everything(seg);
	if (r < 0)
		return r;
	durei_recover_possessed(seg);
	cell64_store_rel(&seg->state->is_clean, 0);
	cell64_store_rel(&seg->state->boot_high, boot->high);
	cell64_store_rel(&seg->state->boot_low, boot->low);
	return DURE_RESTORED;
}

int durei_boot_check(dure_segment *seg)
{
	struct boot_words boot;
	int r;

	if (!survives_reboots(seg))
		return 0;
	r = this_boot(&boot);
	if (r < 0)
		return r;
	if (is_of_boot(seg, &boot) || cell64_load_acq(&seg->state->is_clean) == 1)
		return 0;
	if (seg->access != DUREI_ACCESS_WRITE)
		return durei_error(ENOTRECOVERABLE, "segment %s was in use when the machine stopped: "
				   "open it for writing once, which restores its last checkpoint",
				   seg->path);
	r = durei_admin_lock(seg->fd, seg->path);
	if (r < 0)
		return r;
	if (!is_of_boot(seg, &boot) && cell64_load_acq(&seg->state->is_clean) != 1)
		r = restore(seg, &boot);
	durei_byte_unlock(seg->fd, DL_LOCK_ADMIN);
	return r;
}

/* -- in use, and clean ------------------------------------------------------------------- */

int durei_boot_begin(dure_segment *seg)
{
	struct boot_words boot;
	int r;

	if (!survives_reboots(seg))
		return 0;
	r = this_boot(&boot);
	if (r == 0)
		r = durei_admin_lock(seg->fd, seg->path);
	if (r < 0)
		return r;
	if (!is_of_boot(seg, &boot) || cell64_load_acq(&seg->state->is_clean) != 0) {
		cell64_store_rel(&seg->state->is_clean, 0);
		cell64_store_rel(&seg->state->boot_high, boot.high);
		cell64_store_rel(&seg->state->boot_low, boot.low);
		r = sync_state(seg);					/* [CKPT1] */
	}
	durei_byte_unlock(seg->fd, DL_LOCK_ADMIN);
	return r;
}

static bool is_last_user(dure_segment *seg)
{
	uint64_t first = DL_LOCK_SLOTS, found;

	/* our own slot is held by another description than seg->fd, so it is reported too */
	while (durei_byte_first_locked(seg->fd, first, DL_LOCK_SLOTS + seg->super.slot_count - first,
				       &found) == 1) {
		if (found != DL_LOCK_SLOTS + seg->slot)
			return false;
		first = found + 1;
		if (first >= DL_LOCK_SLOTS + seg->super.slot_count)
			break;
	}
	return true;
}

void durei_boot_end(dure_segment *seg)
{
	if (!survives_reboots(seg) || durei_backing_fd(seg) < 0 ||
	    durei_admin_lock(seg->fd, seg->path) < 0)
		return;			/* unclean: the next boot restores */
	if (is_last_user(seg) && durei_file_sync(seg->fd) == 0) {
		cell64_store_rel(&seg->state->is_clean, 1);		/* [CKPT2] */
		(void)sync_state(seg);
	}
	durei_byte_unlock(seg->fd, DL_LOCK_ADMIN);
}

/* -- taking an image --------------------------------------------------------------------- */

static int write_part(dure_segment *seg, int fd, uint64_t offset, uint64_t bytes)
{
	return bytes ? durei_file_write_at(fd, seg->base + offset, bytes, offset) : 0;
}

/* Free pages get no storage in the image: there they are holes. */
static int write_page_words(dure_segment *seg, int fd)
{
	uint64_t limit = durei_page_limit(seg), words[DL_GROUP_PAGES];
	int r = 0;

	for (uint64_t page = 0; r == 0 && page < limit; page += DL_GROUP_PAGES) {
		uint64_t count = min_u64(limit - page, DL_GROUP_PAGES);
		for (uint64_t i = 0; i < count; i++) {
			words[i] = cell64_load_acq(&seg->pages[page + i]);
			if (dl_page_kind(words[i]) == DL_PAGE_FREE)
				words[i] = DL_PAGE_HOLE;
		}
		r = durei_file_write_at(fd, words, count * 8, seg->super.pages_offset + page * 8);
	}
	return r;
}

static int write_pages(dure_segment *seg, int fd)
{
	uint64_t limit = durei_page_limit(seg), bytes = UINT64_C(1) << seg->page_shift;
	int r = 0;

	for (uint64_t page = durei_first_page(seg); r == 0 && page < limit; page++) {
		enum dl_page_kind kind = dl_page_kind(cell64_load_acq(&seg->pages[page]));
		if (kind != DL_PAGE_HOLE && kind != DL_PAGE_FREE)
			r = write_part(seg, fd, page << seg->page_shift, bytes);
	}
	return r;
}

/* The gate is shut: what is copied is a state that a crash could have left. */
static int write_image(dure_segment *seg, int fd)
{
	const struct dl_super *s = &seg->super;
	uint64_t slots = min_u64(cell32_load_acq(&seg->state->slot_high), s->slot_count);
	int r = durei_file_truncate(fd, durei_page_limit(seg) << seg->page_shift);

	if (r == 0)
		r = write_part(seg, fd, 0, s->slots_offset);
	if (r == 0)
		r = write_part(seg, fd, s->slots_offset, slots * sizeof(struct dl_slot));
	if (r == 0)
		r = write_part(seg, fd, s->lanes_offset,
			       (uint64_t)durei_lane_end(seg) * DL_LANE_BYTES);
	if (r == 0)
		r = write_page_words(seg, fd);
	return r < 0 ? r : write_pages(seg, fd);
}

static int patch_word(int fd, size_t offset_in_state, uint64_t value)
{
	return durei_file_write_at(fd, &value, sizeof value, DL_STATE_OFFSET + offset_in_state);
}

/* An image is a file segment of its own, at rest. */
static int patch_image(dure_segment *seg, int fd, const char *path, bool is_clone)
{
	struct dl_super super = seg->super;
	uint32_t gate = 0;
	int r = patch_word(fd, offsetof(struct dl_state, is_clean), 1);

	if (r == 0)
		r = durei_file_write_at(fd, &gate, sizeof gate,
					DL_STATE_OFFSET + offsetof(struct dl_state, gate));
	if (r < 0 || !is_clone)
		return r;
	super.backing = DURE_BACKING_FILE;
	super.lifetime = DURE_LIFETIME_FILESYSTEM;
	snprintf((char *)super.name, sizeof super.name, "%s", path);
	r = durei_random(super.uuid, sizeof super.uuid);
	super.checksum = durei_geometry_checksum(&super);
	return r < 0 ? r : durei_file_write_at(fd, &super, sizeof super, 0);
}

static int make_image(struct durei_lane *lane, int fd, const char *path, bool is_clone,
		      int64_t deadline_ns)
{
	dure_segment *seg = lane->seg;
	int r = durei_gate_shut(lane, deadline_ns);

	if (r < 0)
		return r;
	r = write_image(seg, fd);
	durei_gate_open(lane);
	if (r == 0)
		r = patch_image(seg, fd, path, is_clone);
	if (r == 0)
		r = durei_file_sync(fd);
	return r < 0 ? durei_error(-r == ENOSPC ? ENOSPC : EIO, "writing the image %s: %s", path,
				   strerror(-r))
		     : 0;
}

static int lane_at_rest(dure_segment *seg, struct durei_lane **ret)
{
	int r = 0;
	struct durei_lane *lane = durei_lane_get(seg, &r);

	if (!lane)
		return r;
	if (lane->held_count || lane->tx.depth)
		return durei_error(EDEADLK, "segment %s: the caller is in a transaction or holds a "
				   "lock, and would wait for itself", seg->super.name);
	*ret = lane;
	return 0;
}

/* A clone whose name may not last is taken back; a checkpoint replaced the one before. */
static int sync_name(const struct durei_request *request, bool is_clone)
{
	int r = durei_file_sync_directory(request->path);

	if (r < 0 && is_clone)
		durei_file_unlink(request->path);
	return r < 0 ? durei_error(EIO, "the directory of %s cannot be synced: %s", request->path,
				   strerror(-r))
		     : 0;
}

/* Builds the image under no name, then lets name_it give it one. */
static int build(dure_segment *seg, const char *path, bool is_clone, int64_t timeout_ns,
		 int (*name_it)(dure_segment *seg, const struct durei_request *request))
{
	int64_t deadline = durei_deadline(timeout_ns);
	struct durei_request request = { .name = path, .options.mode = seg->super.mode };
	dure_segment image = { .fd = -1 };		/* only fd and path are used */
	struct durei_lane *lane = NULL;
	int r = lane_at_rest(seg, &lane);

	if (r < 0)
		return r;
	r = image_path(path, "", request.path, sizeof request.path);
	if (r == 0)
		r = durei_new_file(&image, &request);
	if (r == 0)
		r = make_image(lane, image.fd, path, is_clone, deadline);
	if (r == 0)
		r = name_it(&image, &request);
	if (r < 0)
		durei_unmake_file(&image);
	else
		r = sync_name(&request, is_clone);
	durei_file_close(image.fd);
	free(image.path);
	return r;
}

static int name_clone(dure_segment *image, const struct durei_request *request)
{
	int r = durei_name_file(image, request, request->path);

	return r == -EEXIST ? durei_path_error(request, "clone to", EEXIST) : r;
}

int dure_segment_clone(dure_segment *segment, const char *path, int64_t timeout_ns)
{
	int cancel, r = durei_handle_check_write(segment);

	if (r < 0)
		return r;
	if (!path || !*path)
		return durei_error(EINVAL, "dure_segment_clone: no path");
	cancel = durei_cancel_hold();
	r = build(segment, path, true, timeout_ns, name_clone);
	durei_cancel_restore(cancel);
	return r;
}

/* Steps 3 and 4. A name left by a dead checkpoint is in the way: nobody else uses it. */
static int name_checkpoint(dure_segment *image, const struct durei_request *request)
{
	char final[sizeof request->path];
	int r;

	snprintf(final, sizeof final, "%s", request->path);
	final[strlen(final) - strlen("-new")] = '\0';
	(void)durei_file_unlink(request->path);
	r = durei_name_file(image, request, request->path);
	if (r < 0)
		return r;
	r = durei_file_rename(request->path, final, true);
	if (r < 0)
		durei_file_unlink(request->path);
	return r < 0 ? durei_error(EIO, "renaming %s: %s", request->path, strerror(-r)) : 0;
}

int dure_segment_checkpoint(dure_segment *segment, int64_t timeout_ns)
{
	char path[600];
	int cancel, r = durei_handle_check_write(segment);

	if (r < 0)
		return r;
	if (!survives_reboots(segment))
		return durei_error(EOPNOTSUPP, "segment %s is no file segment: it does not outlive the "
				   "machine; dure_segment_clone keeps a copy", segment->super.name);
	r = image_path(segment->path, ".checkpoint-new", path, sizeof path);
	if (r < 0)
		return r;
	cancel = durei_cancel_hold();
	r = build(segment, path, false, timeout_ns, name_checkpoint);
	durei_cancel_restore(cancel);
	return r;
}
