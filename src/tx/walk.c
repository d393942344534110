/* SPDX-License-Identifier: MIT */
/*
 * walk.c - reading the entries of a log that a stranger may have written
 *
 * Why      Recovery carries out or undoes what a dead thread's log says. The log lies in shared
 *          memory, so each chunk and each entry is checked before it is believed.
 * Rules    [TX7] a log found in a segment is foreign bytes: what it says is done only where an
 *                honest one could have said it, and a chain of chunks is walked only as far as
 *                each names the one before it and all of them fit the segment
 * Death    nothing is written here.
 */
#include "tx/walk.h"

#include "layout/page.h"

enum { CHUNKS_MAX = 1 << 16 };		/* patience with a chain */

static bool view_lane(const struct dl_lane *lane, struct durei_log_part *ret)
{
	uint64_t used = cell64_load_acq(&lane->log_used);

	*ret = (struct durei_log_part){
		.entries = lane->log, .used_bytes = used >> DL_LOG_USED_SHIFT,
		.last_words = used & DL_LOG_USED_LAST_MASK,
		.next = cell64_load_acq(&lane->log_more),
	};
	return ret->used_bytes <= DL_LOG_INLINE_BYTES && ret->used_bytes % 8 == 0;
}

static bool view_chunk(dure_segment *seg, uint64_t offset, struct durei_log_part *ret)
{
	const struct dl_log_chunk *chunk;
	uint64_t bytes, used;

	if (offset % 8 || offset < seg->super.data_offset ||
	    !durei_bytes_are_backed(seg, offset, sizeof *chunk))
		return false;
	chunk = durei_at(seg, offset);
	bytes = chunk->bytes;
	if (bytes > seg->mapped_bytes)
		return false;
	used = cell64_load_acq(&chunk->used);
	*ret = (struct durei_log_part){
		.entries = (const unsigned char *)(chunk + 1),
		.used_bytes = used >> DL_LOG_USED_SHIFT,
		.last_words = used & DL_LOG_USED_LAST_MASK, .offset = offset,
		.all_bytes = sizeof *chunk + bytes,
		.next = cell64_load_acq(&chunk->next), .before = chunk->before,
	};
	return ret->used_bytes <= bytes && ret->used_bytes % 8 == 0 &&
	       durei_bytes_are_backed(seg, offset, sizeof *chunk + bytes);
}

/* From chunk to the one behind it. *left: bytes that the rest of the chain can have. [TX7] */
bool durei_log_view_next(dure_segment *seg, struct durei_log_part *chunk, uint64_t *left)
{
	uint64_t here = chunk->offset;

	if (!chunk->next || !view_chunk(seg, chunk->next, chunk) || chunk->before != here ||
	    chunk->all_bytes > *left)
		return false;
	*left -= chunk->all_bytes;
	return true;
}

static uint64_t bytes_touched(const struct durei_log_entry *e)
{
	switch (e->kind) {
	case DL_LOG_UNDO_RANGE:
		return e->second;
	case DL_LOG_UNDO_BYTE:
	case DL_LOG_TAKE:
	case DL_LOG_FREE:
		return 1;
	default:
		return 8;
	}
}

/*
 * [TX7] Logs write data; and page words, to take or to free a run, or to mark one that is to
 * be freed.
 */
static bool may_write(dure_segment *seg, const struct durei_log_entry *e, uint64_t bytes)
{
	uint64_t page = (e->offset - seg->super.pages_offset) / 8, word = e->second;
	enum dl_page_kind kind = dl_page_kind(word);

	if (e->kind == DL_LOG_UNDO_WORD && e->offset < seg->super.data_offset) {
		if (kind != DL_PAGE_RUN_LIVE && kind != DL_PAGE_RUN_RESERVED)
			return false;
	} else if (e->kind == DL_LOG_TAKE_RUN || e->kind == DL_LOG_FREE_RUN) {
		if (kind != (e->kind == DL_LOG_TAKE_RUN ? DL_PAGE_RUN_LIVE : DL_PAGE_RUN_FREEING))
			return false;
	} else {
		return e->offset >= seg->super.data_offset &&
		       durei_bytes_are_backed(seg, e->offset, bytes);
	}
	return page >= durei_first_page(seg) && page < durei_page_limit(seg) &&
	       dl_page_count(word) <= durei_page_limit(seg) - page;
}

/* False when the entry cannot be one of ours: a damaged segment, never a crash. */
bool durei_log_view_entry(dure_segment *seg, const struct durei_log_part *chunk, uint64_t at,
		       struct durei_log_entry *ret)
{
	const uint64_t *entry = (const uint64_t *)(const void *)(chunk->entries + at);
	uint64_t bytes;

	if (at % 8 || at + 16 > chunk->used_bytes)
		return false;
	*ret = (struct durei_log_entry){
		.kind = dl_log_kind(entry[0]), .offset = dl_log_offset(entry[0]),
		.second = entry[1], .words_before = dl_log_words_before(entry[0]),
		.data = entry + 2,
	};
	if (ret->kind < DL_LOG_UNDO_WORD || ret->kind >= DL_LOG_KIND_END ||
	    (ret->kind == DL_LOG_UNDO_RANGE && ret->second > DL_LOG_RANGE_MAX))
		return false;
	ret->words = dl_log_words(entry[0], entry[1]);
	bytes = bytes_touched(ret);
	return at + ret->words * 8 <= chunk->used_bytes && (bytes != 8 || ret->offset % 8 == 0) &&
	       may_write(seg, ret, bytes);
}

void durei_log_walk_forwards(dure_segment *seg, struct dl_lane *lane, durei_log_step step)
{
	uint64_t left = seg->mapped_bytes;
	struct durei_log_part chunk;
	struct durei_log_entry entry;
	uint64_t frees = 0;
	bool ok = view_lane(lane, &chunk);

	for (int chunks = 0; ok && chunks < CHUNKS_MAX; chunks++) {
		for (uint64_t at = 0; durei_log_view_entry(seg, &chunk, at, &entry);
		     at += entry.words * 8) {
			entry.frees_before = frees;
			step(seg, lane, &entry);
			frees += durei_log_is_free(&entry);
		}
		ok = durei_log_view_next(seg, &chunk, &left);
	}
}

static bool find_last_chunk(dure_segment *seg, struct dl_lane *lane, struct durei_log_part *ret)
{
	uint64_t left = seg->mapped_bytes;
	struct durei_log_part next;
	bool ok = view_lane(lane, ret);

	next = *ret;
	for (int chunks = 0;
	     ok && chunks < CHUNKS_MAX && durei_log_view_next(seg, &next, &left); chunks++)
		*ret = next;
	return ok;
}

void durei_log_walk_backwards(dure_segment *seg, struct dl_lane *lane, durei_log_step step)
{
	uint64_t left = seg->mapped_bytes;
	struct durei_log_part chunk;
	struct durei_log_entry entry;
	bool ok = find_last_chunk(seg, lane, &chunk);

	for (int chunks = 0; ok && chunks < CHUNKS_MAX; chunks++) {
		uint64_t at = chunk.used_bytes, words = chunk.last_words;
		while (words && words * 8 <= at &&
		       durei_log_view_entry(seg, &chunk, at - words * 8, &entry)) {
			at -= words * 8;
			step(seg, lane, &entry);
			words = entry.words_before;
		}
		if (!chunk.offset || chunk.all_bytes > left)
			return;
		left -= chunk.all_bytes;	/* what is undone may be this very chain */
		ok = chunk.before ? view_chunk(seg, chunk.before, &chunk)
				  : view_lane(lane, &chunk);
	}
}
