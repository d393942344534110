/* SPDX-License-Identifier: MIT */
/*
 * limits.c - limits as the subcommands show them: who uses one up, and how to raise it
 */
#include "limits.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tool.h"

struct gathering {
	struct limits *limits;
	uint32_t process;
};

static int keep_limit(const struct dure_limit *from, void *context)
{
	struct gathering *g = context;
	struct limit *to;

	g->limits->items = or_exit(realloc(g->limits->items,
					   (g->limits->count + 1) * sizeof *g->limits->items));
	to = &g->limits->items[g->limits->count++];
	*to = (struct limit){ .l = *from, .process = g->process };
	to->l.name = or_exit(strdup(from->name));
	to->l.text = or_exit(strdup(from->text));
	to->l.path = or_exit(strdup(from->path));
	to->l.error = or_exit(strdup(from->error));
	return 0;
}

bool limits_begin(struct limits *limits, const struct host *host, const char *command,
		  uint32_t process)
{
	struct gathering g = { limits, process };

	*limits = (struct limits){ 0 };
	if (dure_limit_list(host->picture, process, keep_limit, &g) < 0) {
		complain(command, "%s", dure_last_error());
		return false;
	}
	return true;
}

static void free_text(const char *text)
{
	union { const char *from; char *to; } both = { .from = text };

	free(both.to);
}

void limits_end(struct limits *limits)
{
	for (size_t i = 0; i < limits->count; i++) {
		free_text(limits->items[i].l.name);
		free_text(limits->items[i].l.text);
		free_text(limits->items[i].l.path);
		free_text(limits->items[i].l.error);
	}
	free(limits->items);
	*limits = (struct limits){ 0 };
}

const struct limit *limits_find(const struct limits *limits, uint32_t id)
{
	for (size_t i = 0; i < limits->count; i++)
		if (limits->items[i].l.id == id)
			return &limits->items[i];
	return NULL;
}

bool limit_is_tight(const struct limit *limit)
{
	const struct dure_limit *l = &limit->l;

	/* one big segment or set is no shortage */
	if (!l->has_used || l->value == DURE_LIMIT_NONE || l->value == 0 ||
	    l->id == DURE_LIMIT_SHMMAX || l->id == DURE_LIMIT_SEMMSL)
		return false;
	return (double)l->used >= 0.9 * (double)l->value;
}

char *limit_amount(const struct limit *limit, uint64_t amount, char *text, size_t text_bytes)
{
	if (amount >= UINT64_C(1) << 62)		/* no machine has so much */
		snprintf(text, text_bytes, "unlimited");
	else if (limit->l.unit == DURE_LIMIT_IN_BYTES)
		human_bytes(amount, text, text_bytes);
	else
		snprintf(text, text_bytes, "%" PRIu64, amount);
	return text;
}

/* -- remedies ---------------------------------------------------------------------------- */

static unsigned add(struct remedy *remedies, unsigned count, const char *where,
		    const char *format, ...) DURE_FORMAT(4, 5);

static unsigned add(struct remedy *remedies, unsigned count, const char *where,
		    const char *format, ...)
{
	va_list arguments;

	remedies[count].where = where;
	va_start(arguments, format);
	vsnprintf(remedies[count].line, sizeof remedies[count].line, format, arguments);
	va_end(arguments);
	return count + 1;
}

static uint64_t doubled(const struct limit *limit)
{
	uint64_t most = limit->l.used > limit->l.value ? limit->l.used : limit->l.value;

	return most > UINT64_MAX / 4 ? most : 2 * most;
}

/* all numbers of the file, with one of them changed: "250 32000 32 256" */
bool sysctl_line(const struct dure_limit *l, uint64_t value, char *text, size_t text_bytes)
{
	FILE *file = fopen(l->path, "re");
	size_t used = 0;
	uint64_t number;

	if (!file)
		return false;
	for (unsigned i = 0; fscanf(file, "%" SCNu64, &number) == 1 && used + 24 < text_bytes; i++)
		used += (size_t)snprintf(text + used, text_bytes - used, "%s%" PRIu64, i ? " " : "",
					 i == l->field ? value : number);
	fclose(file);
	return used > 0;
}

static unsigned sysctl_remedies(const struct limit *limit, struct remedy *r)
{
	char name[64], value[120];
	unsigned n = 0;

	if (!sysctl_line(&limit->l, doubled(limit), value, sizeof value))
		return 0;
	snprintf(name, sizeof name, "%.*s", (int)strcspn(limit->l.name, ":"), limit->l.name);
	n = add(r, n, "now", "sysctl -w %s=\"%s\"", name, value);
	n = add(r, n, "for good", "echo '%s = %s' > /etc/sysctl.d/60-%s.conf", name, value, name);
	if (strncmp(name, "kernel.", 7) == 0 || strncmp(name, "fs.mqueue.", 10) == 0) {
		n = add(r, n, "docker", "docker run --sysctl \"%s=%s\" ...", name, value);
		n = add(r, n, "pod", "spec: {securityContext: {sysctls: [{name: %s, value: \"%s\"}]}}",
			name, value);
	}
	return n;
}

static unsigned rlimit_remedies(const struct limit *limit, struct remedy *r)
{
	static const struct { uint32_t id; const char *word, *unit; char letter; } words[] = {
		{ DURE_LIMIT_MQ_BYTES, "msgqueue", "MSGQUEUE", 'q' },
		{ DURE_LIMIT_FILES, "nofile", "NOFILE", 'n' },
		{ DURE_LIMIT_LOCKED, "memlock", "MEMLOCK", 'l' },
	};
	uint64_t value = doubled(limit);
	unsigned n = 0, i = 0;

	while (words[i].id != limit->l.id)
		i++;
	bool is_kib = limit->l.id == DURE_LIMIT_LOCKED;	/* ulimit and limits.conf count KiB */
	if (limit->process)
		n = add(r, n, "now", "prlimit --pid %" PRIu32 " --%s=%" PRIu64, limit->process,
			words[i].word, value);
	else
		n = add(r, n, "now", "ulimit -%c %" PRIu64 "    # in the shell that starts it",
			words[i].letter, is_kib ? value / 1024 : value);
	n = add(r, n, "for good",
		"echo '* - %s %" PRIu64 "' > /etc/security/limits.d/60-%s.conf    # with the next login",
		words[i].word, is_kib ? value / 1024 : value, words[i].word);
	n = add(r, n, "systemd", "[Service] Limit%s=%" PRIu64, words[i].unit, value);
	return add(r, n, "docker", "docker run --ulimit %s=%" PRIu64 " ...", words[i].word, value);
}

static unsigned shm_remedies(const struct limit *limit, struct remedy *r)
{
	uint64_t mib = (doubled(limit) >> 20) + 1;
	unsigned n = 0;

	if (limit->l.id == DURE_LIMIT_SHM_FILES)
		return add(r, n, "now", "mount -o remount,nr_inodes=%" PRIu64 " /dev/shm",
			   doubled(limit));
	n = add(r, n, "now", "mount -o remount,size=%" PRIu64 "M /dev/shm", mib);
	n = add(r, n, "for good", "in /etc/fstab: tmpfs /dev/shm tmpfs size=%" PRIu64 "M 0 0", mib);
	n = add(r, n, "docker", "docker run --shm-size=%" PRIu64 "m ...", mib);
	return add(r, n, "pod",
		   "volumes: [{name: shm, emptyDir: {medium: Memory, sizeLimit: %" PRIu64
		   "Mi}}]; volumeMounts: [{name: shm, mountPath: /dev/shm}]", mib);
}

static unsigned cgroup_remedies(const struct limit *limit, struct remedy *r)
{
	uint64_t mib = (doubled(limit) >> 20) + 1;
	unsigned n = 0;

	n = add(r, n, "now", "echo %" PRIu64 " > %s", doubled(limit), limit->l.path);
	n = add(r, n, "systemd", "systemctl set-property UNIT MemoryMax=%" PRIu64 "M", mib);
	n = add(r, n, "docker", "docker update --memory %" PRIu64 "m CONTAINER", mib);
	return add(r, n, "pod", "resources: {limits: {memory: %" PRIu64 "Mi}}", mib);
}

unsigned limit_remedies(const struct limit *limit, struct remedy *remedies)
{
	switch (limit->l.id) {
	case DURE_LIMIT_MQ_BYTES:
	case DURE_LIMIT_FILES:
	case DURE_LIMIT_LOCKED:
		return rlimit_remedies(limit, remedies);
	case DURE_LIMIT_SHM_BYTES:
	case DURE_LIMIT_SHM_FILES:
		return shm_remedies(limit, remedies);
	case DURE_LIMIT_CGROUP:
		return cgroup_remedies(limit, remedies);
	default:
		return sysctl_remedies(limit, remedies);
	}
}

/* -- who uses it up ---------------------------------------------------------------------- */

static uint64_t shm_device(void)
{
	struct stat st;

	return stat("/dev/shm", &st) == 0 ? (uint64_t)st.st_dev : 0;
}

/* how much of the limit an object takes */
static uint64_t amount_of(uint32_t id, const struct dure_host_object *o, uint64_t device)
{
	bool is_shm = o->kind == DURE_HOST_SYSV_SHM, is_sem = o->kind == DURE_HOST_SYSV_SEM;

	if (o->flags & DURE_HOST_ELSEWHERE)
		return 0;
	switch (id) {
	case DURE_LIMIT_SHMMNI:
		return is_shm;
	case DURE_LIMIT_SHMALL:
		return is_shm ? (o->size_bytes + 4095) / 4096 : 0;
	case DURE_LIMIT_SEMMNI:
		return is_sem;
	case DURE_LIMIT_SEMMNS:
		return is_sem ? o->count : 0;
	case DURE_LIMIT_MSGMNI:
		return o->kind == DURE_HOST_SYSV_MSG;
	case DURE_LIMIT_MSGMNB:
		return o->kind == DURE_HOST_SYSV_MSG ? o->size_bytes : 0;
	case DURE_LIMIT_MQ_QUEUES:
		return o->kind == DURE_HOST_POSIX_MQ;
	case DURE_LIMIT_MQ_BYTES:
		return o->kind == DURE_HOST_POSIX_MQ ? o->resident_bytes : 0;
	case DURE_LIMIT_SHM_BYTES:
		return o->device == device && device ? o->resident_bytes : 0;
	case DURE_LIMIT_SHM_FILES:
		return o->device == device && device;
	default:
		return 0;
	}
}

static struct share *share_of(struct share **shares, size_t *count, uint32_t user)
{
	for (size_t i = 0; i < *count; i++)
		if ((*shares)[i].user == user)
			return &(*shares)[i];
	*shares = or_exit(realloc(*shares, (*count + 1) * sizeof **shares));
	(*shares)[*count] = (struct share){ .user = user };
	return &(*shares)[(*count)++];
}

static int by_amount(const void *a, const void *b)
{
	const struct share *x = a, *y = b;

	return x->amount > y->amount ? -1 : x->amount < y->amount;
}

size_t limit_shares(const struct limit *limit, const struct host *host, struct share **ret)
{
	uint64_t device = shm_device();
	size_t count = 0;

	*ret = NULL;
	for (size_t i = 0; i < host->object_count; i++) {
		const struct dure_host_object *o = host->objects[i];
		struct dure_host_verdict verdict = { .sz = sizeof verdict };
		uint64_t amount = amount_of(limit->l.id, o, device);
		if (!amount)
			continue;
		struct share *share = share_of(ret, &count, o->owner);
		share->kind = share->objects && share->kind != o->kind ? 0 : o->kind;
		share->amount += amount;
		share->objects++;
		if (dure_host_judge(host->picture, o->index, OLD_S * UINT64_C(1000000000), &verdict) < 0)
			continue;
		share->idle_objects += verdict.grade >= DURE_HOST_GRADE_UNUSED;
		if (verdict.grade >= DURE_HOST_GRADE_LIKELY) {
			share->left_amount += amount;
			share->left_objects++;
		}
	}
	if (count)
		qsort(*ret, count, sizeof **ret, by_amount);
	return count;
}

/* -- showing ----------------------------------------------------------------------------- */

static const char *reap_kind(const struct limit *limit)
{
	switch (limit->l.id) {
	case DURE_LIMIT_SHMMNI:
	case DURE_LIMIT_SHMALL:
		return "sysv-shm";
	case DURE_LIMIT_SEMMNI:
	case DURE_LIMIT_SEMMNS:
		return "sysv-sem";
	case DURE_LIMIT_MSGMNI:
	case DURE_LIMIT_MSGMNB:
		return "sysv-msg";
	case DURE_LIMIT_MQ_QUEUES:
	case DURE_LIMIT_MQ_BYTES:
		return "posix-mq";
	default:
		return "posix-shm,posix-sem";
	}
}

void limit_print(const struct limit *limit, const struct host *host)
{
	struct remedy remedies[REMEDIES_MAX];
	struct share *shares;
	size_t count = limit_shares(limit, host, &shares);
	char a[32], b[32];

	for (size_t i = 0; i < count && i < 3; i++) {
		const struct share *s = &shares[i];
		printf("  used by   %s: %s in %" PRIu64 " object%s", user_name(s->user),
		       limit_amount(limit, s->amount, a, sizeof a), s->objects,
		       s->objects == 1 ? "" : "s");
		if (s->left_objects)
			printf(", %s%s of it (%" PRIu64 ") likely left over%s", color_on(stdout, COLOR_WARN),
			       limit_amount(limit, s->left_amount, b, sizeof b), s->left_objects,
			       color_off(stdout));
		putchar('\n');
		if (s->left_objects)
			printf("  look      dure reap --kind %s --user %s    # what and why, and the line that "
			       "removes it\n", reap_kind(limit), user_name(s->user));
		else if (s->idle_objects)
			printf("  look      dure reap --kind %s --user %s --age 0s    # %" PRIu64 " are unused, and "
			       "young\n", reap_kind(limit), user_name(s->user), s->idle_objects);
	}
	free(shares);
	unsigned n = limit_remedies(limit, remedies);
	for (unsigned i = 0; i < n; i++)
		printf("  %-9s %s\n", remedies[i].where, remedies[i].line);
}

json_t *limit_value(const struct limit *limit, const struct host *host)
{
	const struct dure_limit *l = &limit->l;
	struct remedy remedies[REMEDIES_MAX];
	json_t *value = or_exit(json_object()), *list = or_exit(json_array());

	json_object_set_new(value, "name", text_value(l->name));
	json_object_set_new(value, "text", text_value(l->text));
	json_object_set_new(value, "error", text_value(l->error));
	json_object_set_new(value, "unit", json_string(l->unit == DURE_LIMIT_IN_BYTES	? "bytes"
						       : l->unit == DURE_LIMIT_IN_PAGES ? "pages"
											: "count"));
	/* without a limit, and beyond what JSON's readers can take: null */
	json_object_set_new(value, "value", l->value > INT64_MAX ? json_null()
								 : json_integer((json_int_t)l->value));
	json_object_set_new(value, "used", l->has_used ? json_integer((json_int_t)l->used)
						       : json_null());
	json_object_set_new(value, "tight", json_boolean(limit_is_tight(limit)));
	if (!host)
		return json_decref(list), value;
	struct share *shares;
	size_t count = limit_shares(limit, host, &shares);
	for (size_t i = 0; i < count; i++)
		json_array_append_new(list, json_pack("{s:o, s:I, s:I, s:I, s:I}", "user",
						      text_value(user_name(shares[i].user)), "amount",
						      (json_int_t)shares[i].amount, "objects",
						      (json_int_t)shares[i].objects, "left_amount",
						      (json_int_t)shares[i].left_amount, "left_objects",
						      (json_int_t)shares[i].left_objects));
	free(shares);
	json_object_set_new(value, "used_by", list);
	list = or_exit(json_array());
	unsigned n = limit_remedies(limit, remedies);
	for (unsigned i = 0; i < n; i++)
		json_array_append_new(list, json_pack("{s:s, s:o}", "where", remedies[i].where, "line",
						      text_value(remedies[i].line)));
	json_object_set_new(value, "remedies", list);
	return value;
}
