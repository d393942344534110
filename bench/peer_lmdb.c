/* SPDX-License-Identifier: MIT */
/*
 * peer_lmdb.c - LMDB: the crash-safe store many programs use for such things today
 *
 * Its file lies in /dev/shm and is never synchronised, which is its fastest way. Reading
 * renews one transaction per operation, writing commits one per operation.
 */
#include <lmdb.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"
#include "named.h"

struct state {
	char path[64];
	MDB_env *env;
	MDB_dbi db;
	MDB_txn *reader;
	uint64_t count, dice, next;
	char (*names)[BENCH_NAME_ROOM];
	char (*fresh)[BENCH_NAME_ROOM];
	size_t map_bytes;
	pid_t opener;
};

static void must(int error, const char *what)
{
	if (error)
		bench_die("LMDB: %s: %s", what, mdb_strerror(error));
}

static void open_env(struct state *s)
{
	MDB_txn *txn;

	must(mdb_env_create(&s->env), "env_create");
	must(mdb_env_set_mapsize(s->env, s->map_bytes), "set_mapsize");
	must(mdb_env_open(s->env, s->path, MDB_NOSYNC | MDB_WRITEMAP, 0600), s->path);
	must(mdb_txn_begin(s->env, NULL, MDB_RDONLY, &txn), "txn_begin");
	must(mdb_dbi_open(txn, NULL, 0, &s->db), "dbi_open");
	must(mdb_txn_commit(txn), "txn_commit");
	must(mdb_txn_begin(s->env, NULL, MDB_RDONLY, &s->reader), "txn_begin");
	mdb_txn_reset(s->reader);
}

static void close_env(struct state *s)
{
	mdb_txn_abort(s->reader);
	mdb_env_close(s->env);
}

static struct state *open_state(const struct bench_named_work *work)
{
	struct state *s = calloc(1, sizeof *s);

	s->opener = getpid();
	s->count = work->count;
	s->dice = BENCH_DICE_SEED;
	s->map_bytes = work->segment_bytes * 2;
	snprintf(s->path, sizeof s->path, "/dev/shm/dure-bench-lmdb-%d-XXXXXX", (int)s->opener);
	if (!mkdtemp(s->path))
		bench_die("%s cannot be made", s->path);
	open_env(s);
	return s;
}

/* Keys as name_of writes them; values are their numbers. */
static void fill(struct state *s)
{
	MDB_txn *txn;

	must(mdb_txn_begin(s->env, NULL, 0, &txn), "txn_begin");
	for (uint64_t i = 0; i < s->count; i++) {
		uint64_t number = bench_key(i);
		MDB_val key = { sizeof number, &number }, value = { sizeof i, &i };
		if (s->names)
			key = (MDB_val){ strlen(s->names[i]), s->names[i] };
		must(mdb_put(txn, s->db, &key, &value, 0), "put");
	}
	must(mdb_txn_commit(txn), "txn_commit");
}

void *bench_lmdb_names_open(const void *argument)
{
	struct state *s = open_state(argument);

	s->names = bench_names(0, s->count);
	s->fresh = bench_names(s->count, BENCH_BATCH);
	fill(s);
	return s;
}

void *bench_lmdb_map_open(const void *argument)
{
	struct state *s = open_state(argument);

	fill(s);
	return s;
}

/* A forked process may not use its parent's environment. */
void *bench_lmdb_join(void *shared, unsigned index)
{
	struct state *s = shared;

	if (getpid() != s->opener)
		open_env(s);
	s->dice += index;
	return s;
}

static inline void get(struct state *s, MDB_val key)
{
	MDB_val value;

	must(mdb_txn_renew(s->reader), "txn_renew");
	must(mdb_get(s->reader, s->db, &key, &value), "get");
	(void)*(volatile uint64_t *)value.mv_data;
	mdb_txn_reset(s->reader);
}

double bench_lmdb_names_find(void *state, uint64_t ops)
{
	struct state *s = state;
	double start = bench_now();

	for (uint64_t i = 0; i < ops; i++) {
		const char *name = bench_name_next(s->names, s->count, &s->dice, &s->next);
		get(s, (MDB_val){ strlen(name), (void *)(uintptr_t)name });
	}
	return (bench_now() - start) / (double)ops;
}

double bench_lmdb_map_get(void *state, uint64_t ops)
{
	struct state *s = state;
	double start = bench_now();

	for (uint64_t i = 0; i < ops; i++) {
		uint64_t key = bench_key(bench_pick(&s->dice, s->count));
		get(s, (MDB_val){ sizeof key, &key });
	}
	return (bench_now() - start) / (double)ops;
}

double bench_lmdb_map_rate(void *state, uint64_t ops)
{
	return 1000 / bench_lmdb_map_get(state, ops);
}

static void change(struct state *s, uint64_t i, int is_put)
{
	uint64_t number = bench_key(s->count + i);
	MDB_val key = { sizeof number, &number }, value = { sizeof i, &i };
	MDB_txn *txn;

	if (s->names)
		key = (MDB_val){ strlen(s->fresh[i]), s->fresh[i] };
	must(mdb_txn_begin(s->env, NULL, 0, &txn), "txn_begin");
	if (is_put)
		must(mdb_put(txn, s->db, &key, &value, MDB_NOOVERWRITE), "put");
	else
		must(mdb_del(txn, s->db, &key, NULL), "del");
	must(mdb_txn_commit(txn), "txn_commit");
}

static double put_batch(struct state *s, uint64_t ops)
{
	uint64_t n = bench_batch(ops);
	double start = bench_now(), end;

	for (uint64_t i = 0; i < n; i++)
		change(s, i, 1);
	end = bench_now();
	for (uint64_t i = 0; i < n; i++)
		change(s, i, 0);
	return (end - start) / (double)n;
}

double bench_lmdb_names_put(void *state, uint64_t ops)
{
	return put_batch(state, ops);
}

double bench_lmdb_map_insert(void *state, uint64_t ops)
{
	return put_batch(state, ops);
}

void bench_lmdb_close(void *shared)
{
	static const char *const files[] = { "data.mdb", "lock.mdb" };
	struct state *s = shared;
	char path[96];

	close_env(s);
	for (unsigned i = 0; i < 2; i++) {
		snprintf(path, sizeof path, "%s/%s", s->path, files[i]);
		unlink(path);
	}
	rmdir(s->path);
	free(s->names);
	free(s->fresh);
	free(s);
}
