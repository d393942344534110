/* SPDX-License-Identifier: MIT */
/* Description: each call on a map seems to happen at one moment between its beginning and its end. */
/*
 * Method   Several processes call a map and write down what they called and what came back, with
 *          the number of each beginning and end out of one counter. The keys are independent of
 *          each other, so each key's history is judged alone, as Wing and Gong do (Testing and
 *          Verifying Concurrent Objects, 1993), in Lowe's way: all states in which the key may be
 *          are carried along; when a call ends, those stay in which it can have happened by then.
 *          None left: there is no order of calls that explains what was seen.
 *          One of the processes is killed. Its last call has no end: it may have happened at any
 *          time since, or never.
 * Proof    Maps that are wrong in one way each (a value from before, a put that comes later, one that
 *          is lost) must be found.
 */
#include "../t.h"

enum {
	PROCESSES = 3,
	VICTIM = 0,
	OPS = 12000,		/* of each process in a round */
	KEYS = 3,
	ROUNDS = 12,
	STATES_MAX = 4096,
	ABSENT = 0,		/* the state of a key that is not there */
	LOG_PROCESSES = PROCESSES + 1,	/* and who looks at the end */
};

enum call { PUT, INSERT, REMOVE, GET, CALL_COUNT };

struct event {
	uint64_t begin, end;	/* end 0: it has none */
	uint64_t argument, got;
	int result;
	uint8_t call, key;
};

struct log {
	uint64_t count;
	struct event events[OPS + KEYS];
};

struct board {
	uint64_t clock;		/* of beginnings and ends; 0 is neither */
	uint64_t ready;		/* processes that can begin */
	struct log logs[LOG_PROCESSES];
};

/* -- the maps ------------------------------------------------------------------------------ */

struct subject {
	dure_segment *seg;
	dure_map *hash;
	dure_ordered *ordered;
	dure_map *hash_set;
	dure_ordered *ordered_set;
	bool is_set;			/* call is of a set */
	int (*call)(struct subject *s, enum call call, uint64_t key, uint64_t *value);
	unsigned calls, late_by;	/* from here on: of the wrong ones */
	uint64_t late_key, late_value;
	uint64_t seen[KEYS];
};

static int call_hash(struct subject *s, enum call call, uint64_t key, uint64_t *value)
{
	switch (call) {
	case PUT:
		return dure_map_put(s->hash, &key, sizeof key, value);
	case INSERT:
		return dure_map_insert(s->hash, &key, sizeof key, value);
	case REMOVE:
		return dure_map_remove(s->hash, &key, sizeof key);
	default:
		return dure_map_get(s->hash, &key, sizeof key, value);
	}
}

/* keys that differ behind their first 8 bytes: what is compared lies in blocks */
static int call_ordered(struct subject *s, enum call call, uint64_t key, uint64_t *value)
{
	char text[] = "beginning-0";

	text[10] = (char)('0' + key);
	switch (call) {
	case PUT:
		return dure_ordered_put(s->ordered, text, sizeof text, value);
	case INSERT:
		return dure_ordered_insert(s->ordered, text, sizeof text, value);
	case REMOVE:
		return dure_ordered_remove(s->ordered, text, sizeof text);
	default:
		return dure_ordered_get(s->ordered, text, sizeof text, value);
	}
}

/* A set has no values: whoever finds a key has found the one value that all puts have. */
enum { MEMBER = 1 };

static int call_hash_set(struct subject *s, enum call call, uint64_t key, uint64_t *value)
{
	switch (call) {
	case PUT:
		return dure_map_put(s->hash_set, &key, sizeof key, NULL);
	case INSERT:
		return dure_map_insert(s->hash_set, &key, sizeof key, NULL);
	case REMOVE:
		return dure_map_remove(s->hash_set, &key, sizeof key);
	default:
		*value = MEMBER;
		return dure_map_get(s->hash_set, &key, sizeof key, NULL);
	}
}

static int call_ordered_set(struct subject *s, enum call call, uint64_t key, uint64_t *value)
{
	switch (call) {
	case PUT:
		return dure_ordered_put(s->ordered_set, &key, sizeof key, NULL);
	case INSERT:
		return dure_ordered_insert(s->ordered_set, &key, sizeof key, NULL);
	case REMOVE:
		return dure_ordered_remove(s->ordered_set, &key, sizeof key);
	default:
		*value = MEMBER;
		return dure_ordered_get(s->ordered_set, &key, sizeof key, NULL);
	}
}

static bool is_time(struct subject *s)
{
	return ++s->calls % 64 == 0;
}

/* Now and then it gives back what it has seen last. */
static int call_stale(struct subject *s, enum call call, uint64_t key, uint64_t *value)
{
	int r;

	if (call == GET && s->seen[key] && is_time(s)) {
		*value = s->seen[key];
		return 0;
	}
	r = call_hash(s, call, key, value);
	if (call == GET && r == 0)
		s->seen[key] = *value;
	return r;
}

/* Now and then a put is done some calls later only. */
static int call_late(struct subject *s, enum call call, uint64_t key, uint64_t *value)
{
	if (s->late_by && --s->late_by == 0)
		call_hash(s, PUT, s->late_key, &s->late_value);
	if (call == PUT && !s->late_by && is_time(s)) {
		uint64_t now;
		s->late_by = 8;
		s->late_key = key;
		s->late_value = *value;
		return call_hash(s, GET, key, &now) == 0 ? 0 : DURE_CREATED;
	}
	return call_hash(s, call, key, value);
}

/* Now and then a remove does nothing. */
static int call_lost(struct subject *s, enum call call, uint64_t key, uint64_t *value)
{
	if (call == REMOVE && is_time(s)) {
		uint64_t now;
		return call_hash(s, GET, key, &now);
	}
	return call_hash(s, call, key, value);
}

/* The same, of a set. */
static int call_lost_member(struct subject *s, enum call call, uint64_t key, uint64_t *value)
{
	return call_hash_set(s, call == REMOVE && is_time(s) ? GET : call, key, value);
}

/* -- what is done, and written down ------------------------------------------------------ */

static uint64_t tick(struct board *board)
{
	return __atomic_add_fetch(&board->clock, 1, __ATOMIC_SEQ_CST);
}

static void record(struct subject *s, struct board *board, struct log *log, enum call call,
		   uint8_t key, uint64_t argument)
{
	struct event *e = &log->events[log->count];
	uint64_t value = argument;

	*e = (struct event){ .argument = argument, .call = (uint8_t)call, .key = key };
	e->begin = tick(board);
	__atomic_store_n(&log->count, log->count + 1, __ATOMIC_SEQ_CST);
	e->result = s->call(s, call, key, &value);
	e->got = value;
	__atomic_store_n(&e->end, tick(board), __ATOMIC_SEQ_CST);
}

static void work(struct subject *s, struct board *board, unsigned process, unsigned seed)
{
	T_IN_CHILD(dure_segment_reattach(s->seg) == 0);
	__atomic_add_fetch(&board->ready, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&board->ready, __ATOMIC_SEQ_CST) < PROCESSES)
		sched_yield();
	for (uint64_t i = 0; i < OPS; i++) {
		unsigned lot = (unsigned)rand_r(&seed);
		/* each value is put once, unless there is only one */
		record(s, board, &board->logs[process], lot / 8 % CALL_COUNT,
		       (uint8_t)(lot / 64 % KEYS),
		       s->is_set ? MEMBER : i * PROCESSES + process + 1);
	}
	while (process == VICTIM)
		pause();
	_exit(0);
}

/* The victim is killed when it has done so much, or somewhat later. */
static void make_history(struct subject *s, struct board *board, unsigned seed)
{
	uint64_t moment = seed * UINT64_C(7919) % OPS;
	int64_t deadline = t_now_ns() + DURE_S(30);
	pid_t pids[PROCESSES];

	memset(board, 0, sizeof *board);
	for (unsigned i = 0; i < PROCESSES; i++) {
		pids[i] = t_fork();
		if (pids[i] == 0)
			work(s, board, i, seed * PROCESSES + i);
	}
	while (__atomic_load_n(&board->logs[VICTIM].count, __ATOMIC_SEQ_CST) < moment &&
	       t_now_ns() < deadline)
		sched_yield();
	t_kill(pids[VICTIM]);
	for (unsigned i = VICTIM + 1; i < PROCESSES; i++)
		t_join(pids[i]);
	/* what was under way when its process died happens now or never */
	T_OK(dure_segment_recover(s->seg));
	for (uint8_t key = 0; key < KEYS; key++)
		record(s, board, &board->logs[PROCESSES], GET, key, 0);
}

/* -- judging ------------------------------------------------------------------------------- */

/* A key's value, and which of the calls under way have happened already: a bit for each process. */
struct state {
	uint64_t value;
	uint32_t happened;
};

struct judge {
	const struct event *under_way[LOG_PROCESSES];
	struct state states[STATES_MAX];
	unsigned count;
};

static void add_state(struct judge *j, struct state state)
{
	for (unsigned i = 0; i < j->count; i++)
		if (j->states[i].value == state.value && j->states[i].happened == state.happened)
			return;
	assert_true(j->count < STATES_MAX);
	j->states[j->count++] = state;
}

/* Can the call happen at this value? Then *value is what it makes of it. */
static bool happens(const struct event *e, uint64_t *value)
{
	bool is_there = *value != ABSENT, is_known = e->end != 0;
	int result;

	switch (e->call) {
	case PUT:
		result = is_there ? 0 : DURE_CREATED;
		break;
	case INSERT:
		result = is_there ? -EEXIST : DURE_CREATED;
		break;
	default:
		result = is_there ? 0 : -ENOENT;
	}
	if (is_known && (result != e->result || (e->call == GET && is_there && e->got != *value)))
		return false;
	if (result >= 0 && e->call != GET)
		*value = e->call == REMOVE ? ABSENT : e->argument;
	return true;
}

/* All orders in which calls under way may have happened by now; new states come behind the others. */
static void let_happen(struct judge *j)
{
	for (unsigned i = 0; i < j->count; i++)
		for (unsigned p = 0; p < LOG_PROCESSES; p++) {
			struct state next = j->states[i];
			if (!j->under_way[p] || next.happened >> p & 1)
				continue;
			next.happened |= 1u << p;
			if (happens(j->under_way[p], &next.value))
				add_state(j, next);
		}
}

/* The call of process p has ended: it has happened, in whatever is left. */
static bool end_call(struct judge *j, unsigned p)
{
	unsigned kept = 0;

	let_happen(j);
	for (unsigned i = 0; i < j->count; i++)
		if (j->states[i].happened >> p & 1) {
			j->states[kept] = j->states[i];
			j->states[kept++].happened &= ~(1u << p);
		}
	j->count = kept;
	j->under_way[p] = NULL;
	return kept > 0;
}

/* The next beginning or end after the moment, of this key. */
static const struct event *next_event(const struct board *board, uint8_t key, uint64_t at[],
				      const struct judge *j, unsigned *ret_process, bool *ret_is_end)
{
	const struct event *next = NULL;
	uint64_t first = UINT64_MAX;

	for (unsigned p = 0; p < LOG_PROCESSES; p++) {
		const struct log *log = &board->logs[p];
		const struct event *e = j->under_way[p];
		if (e && e->end && e->end < first) {
			first = e->end;
			next = e;
			*ret_process = p;
			*ret_is_end = true;
		}
		while (!e && at[p] < log->count && log->events[at[p]].key != key)
			at[p]++;
		if (!e && at[p] < log->count && log->events[at[p]].begin < first) {
			next = &log->events[at[p]];
			first = next->begin;
			*ret_process = p;
			*ret_is_end = false;
		}
	}
	return next;
}

static unsigned overlaps;	/* calls that began while another one on their key was under way */

static bool is_linearizable(const struct board *board, uint8_t key, uint64_t from)
{
	static struct judge j;
	uint64_t at[LOG_PROCESSES] = { 0 };
	const struct event *e;
	unsigned process = 0;
	bool is_end = false;

	memset(&j, 0, sizeof j);
	j.count = 1;
	j.states[0].value = from;
	while ((e = next_event(board, key, at, &j, &process, &is_end))) {
		if (!is_end) {
			for (unsigned p = 0; p < LOG_PROCESSES; p++)
				overlaps += j.under_way[p] && j.under_way[p]->end;
			j.under_way[process] = e;
			at[process]++;
		} else if (!end_call(&j, process)) {
			return false;
		}
	}
	return true;
}

/* -- the tests ----------------------------------------------------------------------------- */

/* True: each round's history can be explained. */
static bool try_rounds(int (*call)(struct subject *s, enum call call, uint64_t key, uint64_t *value))
{
	struct board *board = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct dure_map_options hash_set = { .sz = sizeof hash_set, .value_bytes = DURE_MAP_NO_VALUE };
	struct dure_ordered_options ordered_set = { .sz = sizeof ordered_set,
						    .flags = DURE_ORDERED_INTEGER,
						    .value_bytes = DURE_ORDERED_NO_VALUE };
	struct subject s = { .seg = t_segment(16 << 20), .call = call,
			     .is_set = call == call_hash_set || call == call_ordered_set ||
				       call == call_lost_member };
	uint64_t values[KEYS] = { ABSENT };
	bool is_good = true;

	overlaps = 0;
	assert_true(board != MAP_FAILED);
	T_OK(dure_map_open(s.seg, "hash", DURE_CREATE, NULL, &s.hash));
	T_OK(dure_ordered_open(s.seg, "ordered", DURE_CREATE, NULL, &s.ordered));
	T_OK(dure_map_open(s.seg, "hash set", DURE_CREATE, &hash_set, &s.hash_set));
	T_OK(dure_ordered_open(s.seg, "ordered set", DURE_CREATE, &ordered_set, &s.ordered_set));
	for (unsigned round = 1; is_good && round <= ROUNDS; round++) {
		make_history(&s, board, round);
		for (uint8_t key = 0; key < KEYS; key++) {
			const struct event *last = &board->logs[PROCESSES].events[key];
			is_good &= is_linearizable(board, key, values[key]);
			values[key] = last->result == 0 ? last->got : ABSENT;
		}
	}
	t_clean(s.seg);
	dure_map_close(s.hash);
	dure_ordered_close(s.ordered);
	dure_map_close(s.hash_set);
	dure_ordered_close(s.ordered_set);
	t_close(s.seg);
	munmap(board, sizeof *board);
	print_message("%u calls began within another one\n", overlaps);
	return is_good;
}

static void hash_map(void **state)
{
	(void)state;
	assert_true(try_rounds(call_hash));
}

static void ordered_map(void **state)
{
	(void)state;
	assert_true(try_rounds(call_ordered));
}

static void sets(void **state)
{
	(void)state;
	assert_true(try_rounds(call_hash_set));
	assert_true(try_rounds(call_ordered_set));
}

static void wrong_maps_are_found(void **state)
{
	(void)state;
	assert_false(try_rounds(call_stale));
	assert_false(try_rounds(call_late));
	assert_false(try_rounds(call_lost));
	assert_false(try_rounds(call_lost_member));
}

/* Histories that a person can judge. */
static void small_histories(void **state)
{
	static struct board b;
	struct event *put = &b.logs[0].events[0], *get = &b.logs[1].events[0];

	(void)state;
	b.logs[0].count = b.logs[1].count = 1;
	*put = (struct event){ .begin = 1, .end = 4, .argument = 7, .call = PUT, .result = DURE_CREATED };
	*get = (struct event){ .begin = 2, .end = 3, .call = GET, .result = -ENOENT };
	assert_true(is_linearizable(&b, 0, ABSENT));
	get->result = 0;
	get->got = 7;
	assert_true(is_linearizable(&b, 0, ABSENT));
	get->got = 8;
	assert_false(is_linearizable(&b, 0, ABSENT));
	get->got = 7;
	get->begin = 5;			/* after the put: it must be seen */
	get->end = 6;
	assert_true(is_linearizable(&b, 0, ABSENT));
	get->result = -ENOENT;
	assert_false(is_linearizable(&b, 0, ABSENT));
	put->end = 0;			/* its process has died: perhaps it never was */
	assert_true(is_linearizable(&b, 0, ABSENT));
	assert_false(is_linearizable(&b, 0, 3));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(small_histories),
		cmocka_unit_test(hash_map),
		cmocka_unit_test(ordered_map),
		cmocka_unit_test(sets),
		cmocka_unit_test(wrong_maps_are_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
