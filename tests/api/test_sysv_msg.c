/* SPDX-License-Identifier: MIT */
/* Description: System V message queues, and other programs at the other end. */
#include <limits.h>

#include "sysv.h"

static int32_t new_queue(void)
{
	int32_t id;

	T_IS(dure_sysv_msg_get(t_key(), DURE_CREATE, NULL, &id), DURE_CREATED);
	return id;
}

static void receives(int32_t id, int64_t type, uint32_t flags, const char *text, int64_t its_type)
{
	char got[64];
	int64_t got_type = -1;

	T_IS(dure_sysv_msg_receive(id, type, flags, got, sizeof got, 0, &got_type),
	     (int)strlen(text));
	assert_memory_equal(got, text, strlen(text));
	assert_int_equal(got_type, its_type);
}

static void messages_are_chosen_by_type(void **state)
{
	int32_t id = new_queue(), again;
	char small[2] = "??";
	int64_t type = 77;

	(void)state;
	T_IS(dure_sysv_msg_get(t_key(), DURE_CREATE | DURE_OPEN, NULL, &again), 0);
	assert_int_equal(again, id);
	T_FAILS(dure_sysv_msg_get(t_key(), DURE_CREATE, NULL, &again), -EEXIST, "0 messages");
	T_OK(dure_sysv_msg_send(id, 3, "three", 5, 0));
	T_OK(dure_sysv_msg_send(id, 2, "two", 3, 0));
	T_OK(dure_sysv_msg_send(id, LONG_MAX, "max", 3, 0));
	T_OK(dure_sysv_msg_send(id, 1, "", 0, 0));
	T_OK(dure_sysv_msg_send(id, 3, "again", 5, 0));
	T_FAILS(dure_sysv_msg_receive(id, 3, 0, small, 2, 0, &type), -EMSGSIZE, "longer");
	assert_memory_equal(small, "??", 2);
	assert_int_equal(type, 77);
	receives(id, 3, DURE_SYSV_MSG_EXCEPT, "two", 2);
	receives(id, 0, 0, "three", 3);
	receives(id, -5, 0, "", 1);
	T_IS(dure_sysv_msg_receive(id, -2, 0, small, 2, 0, NULL), -EAGAIN);
	T_IS(dure_sysv_msg_receive(id, 3, DURE_SYSV_MSG_TRUNCATE, small, 2, 0, NULL), 2);
	assert_memory_equal(small, "ag", 2);
	receives(id, LONG_MAX, 0, "max", LONG_MAX);
	T_IS(dure_sysv_msg_receive(id, 0, 0, small, 2, 0, &type), -EAGAIN);
	T_FAILS(dure_sysv_msg_send(id, 0, "x", 1, 0), -EINVAL, "type 0");
	T_FAILS(dure_sysv_msg_send(id, -1, "x", 1, 0), -EINVAL, "type -1");
	T_FAILS(dure_sysv_msg_send(id, 1, NULL, 1, 0), -EINVAL, "NULL");
	T_FAILS(dure_sysv_msg_receive(id, 0, DURE_SYSV_MSG_EXCEPT, small, 2, 0, NULL), -EINVAL,
		"EXCEPT");
	T_FAILS(dure_sysv_msg_receive(id, 0, 16, small, 2, 0, NULL), -EINVAL, "flags");
	T_OK(dure_sysv_remove(DURE_SYSV_MSG, id));
	T_FAILS(dure_sysv_msg_send(id, 1, "x", 1, 0), -ENOENT, "none");
	T_FAILS(dure_sysv_msg_receive(id, 1, 0, small, 2, 0, NULL), -ENOENT, "none");
	T_FAILS(dure_sysv_msg_get(t_key(), DURE_OPEN, NULL, &id), -ENOENT, "no System V");
}

static void a_look_leaves_the_message(void **state)
{
	struct dure_sysv_msg_info info = { .sz = sizeof info };
	int32_t id = new_queue();
	char got[8] = "????????";
	int64_t type;

	(void)state;
	T_OK(dure_sysv_msg_send(id, 3, "three", 5, 0));
	T_OK(dure_sysv_msg_send(id, 2, "two", 3, 0));
	int r = dure_sysv_msg_peek(id, 1, got, sizeof got, &type);
	if (r == -EOPNOTSUPP)
		print_message("this kernel copies no messages: not tried\n");
	else {
		T_IS(r, 3);
		assert_memory_equal(got, "two?", 4);
		assert_int_equal(type, 2);
		T_IS(dure_sysv_msg_peek(id, 2, got, sizeof got, &type), -EAGAIN);
		T_FAILS(dure_sysv_msg_peek(id, 0, got, 2, &type), -EMSGSIZE, "longer");
	}
	T_OK(dure_sysv_msg_info(id, &info));
	assert_int_equal(info.messages, 2);
	assert_int_equal(info.bytes, 8);
	assert_int_equal(info.last_sender, getpid());
	assert_int_equal(info.last_receiver, 0);
	assert_true(info.sent_s > 0 && info.received_s == 0);
	T_FAILS(dure_sysv_msg_peek(id, 0, NULL, 2, &type), -EINVAL, "NULL");
	T_OK(dure_sysv_remove(DURE_SYSV_MSG, id));
	T_FAILS(dure_sysv_msg_info(id, &info), -ENOENT, "none");
}

static void full_queues_and_long_messages(void **state)
{
	struct dure_sysv_msg_options o = { .sz = sizeof o, .bytes_max = 100 };
	struct dure_sysv_limits l = { .sz = sizeof l };
	static char big[1 << 20];
	int32_t id;

	(void)state;
	T_OK(dure_sysv_limits(&l));
	T_IS(dure_sysv_msg_get(t_key(), DURE_CREATE, &o, &id), DURE_CREATED);
	T_FAILS(dure_sysv_msg_send(id, 1, big, 101, DURE_FOREVER), -EMSGSIZE, "holds 100");
	if (l.message_bytes_max < sizeof big)
		T_FAILS(dure_sysv_msg_send(id, 1, big, sizeof big, DURE_FOREVER), -EMSGSIZE,
			"kernel.msgmax");
	T_OK(dure_sysv_msg_send(id, 1, big, 60, 0));
	T_IS(dure_sysv_msg_send(id, 1, big, 60, 0), -EAGAIN);
	int64_t start = t_now_ns();
	T_IS(dure_sysv_msg_send(id, 1, big, 60, DURE_MS(20)), -ETIMEDOUT);
	assert_true(t_now_ns() - start >= DURE_MS(20));
	pid_t pid = t_fork();
	if (pid == 0) {
		T_IN_CHILD(dure_sysv_msg_send(id, 2, big, 60, DURE_FOREVER) == 0);
		_exit(0);
	}
	T_IS(dure_sysv_msg_receive(id, 1, 0, big, sizeof big, 0, NULL), 60);
	T_IS(dure_sysv_msg_receive(id, 2, 0, big, sizeof big, DURE_S(PATIENCE_S), NULL), 60);
	t_join(pid);
	struct dure_sysv_changes c = { .sz = sizeof c, .what = DURE_SYSV_SET_BYTES_MAX,
				       .bytes_max = 200 };
	T_OK(dure_sysv_set(DURE_SYSV_MSG, id, &c));
	T_OK(dure_sysv_msg_send(id, 1, big, 101, 0));
	T_OK(dure_sysv_remove(DURE_SYSV_MSG, id));
	if (geteuid() != 0)
		return;
	o.bytes_max = l.queue_bytes_max + 1;
	pid = t_fork();
	if (pid == 0) {
		t_become_nobody();
		T_IN_CHILD(dure_sysv_msg_get(t_key(), DURE_CREATE, &o, &id) == -EPERM);
		T_IN_CHILD(strstr(dure_last_error(), "kernel.msgmnb"));
		T_IN_CHILD(dure_sysv_msg_get(t_key(), DURE_OPEN, NULL, &id) == -ENOENT);
		_exit(0);
	}
	t_join(pid);
}

/* asleep in the kernel, and asleep between two looks */
static void removal_under_a_waiter_is_said(void **state)
{
	int32_t queue;

	(void)state;
	for (int64_t timeout = DURE_FOREVER; timeout <= DURE_S(PATIENCE_S);
	     timeout += DURE_S(PATIENCE_S) + 1) {
		int fds[2];
		assert_int_equal(pipe(fds), 0);
		T_IS(dure_sysv_msg_get(0, DURE_CREATE, NULL, &queue), DURE_CREATED);
		pid_t pid = t_fork();
		if (pid == 0) {
			char c;
			t_signal(fds[1]);
			int r = dure_sysv_msg_receive(queue, 0, 0, &c, 1, timeout, NULL);
			/* removed before it began to wait: there was no such queue */
			T_IN_CHILD(r == -ESTALE || r == -ENOENT);
			_exit(r == -ESTALE ? 0 : 2);
		}
		t_await(fds[0]);
		t_sleep_ms(30);
		T_OK(dure_sysv_remove(DURE_SYSV_MSG, queue));
		int status;
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) != 1);
		close(fds[0]);
		close(fds[1]);
	}
}

static void receive_in_vain(void *queue)
{
	char c;

	T_IS(dure_sysv_msg_receive(*(int32_t *)queue, 0, 0, &c, 1, DURE_MS(50), NULL), -ETIMEDOUT);
}

/* A signal every millisecond neither ends nor stretches a wait. */
static void signals_do_not_end_waits(void **state)
{
	int32_t queue = new_queue();
	int64_t waited = t_amid_signals(receive_in_vain, &queue);

	(void)state;
	assert_true(waited >= DURE_MS(50) && waited < DURE_S(PATIENCE_S));
	T_OK(dure_sysv_remove(DURE_SYSV_MSG, queue));
}

/* ipcmk makes it, ipcs counts what we send, ipcrm takes it away under us */
static void ipcmk_and_ipcs_see_the_same(void **state)
{
	char output[4096], command[200];
	int32_t id;

	(void)state;
	t_run("ipcmk -Q -p 0600", output, sizeof output);
	assert_int_equal(sscanf(output, "Message queue id: %d", &id), 1);
	T_OK(dure_sysv_msg_send(id, 1, "seven b", 7, 0));
	snprintf(command, sizeof command, "ipcs -q -i %d", id);
	t_run(command, output, sizeof output);
	assert_non_null(strstr(output, "cbytes=7"));
	assert_non_null(strstr(output, "qnum=1"));
	snprintf(command, sizeof command, "ipcrm -q %d", id);
	t_run(command, output, sizeof output);
	T_FAILS(dure_sysv_msg_send(id, 1, "x", 1, 0), -ENOENT, "none with that id");
}

/* perl has the calls in the language: what it sends we read, and the other way round. */
static void perl_talks_to_us(void **state)
{
	char command[400], output[200], got[16];
	int32_t id = new_queue();
	int64_t type;

	(void)state;
	T_OK(dure_sysv_msg_send(id, 9, "from us", 7, 0));
	snprintf(command, sizeof command,
		 "perl -e 'my $q = msgget(%d, 0) // die; my $m; msgrcv($q, $m, 100, 9, 0) // die; "
		 "my ($t, $x) = unpack(\"l! a*\", $m); print \"$t $x\"; "
		 "msgsnd($q, pack(\"l! a*\", 12, \"from perl\"), 0) || die;'", t_key());
	t_run(command, output, sizeof output);
	assert_string_equal(output, "9 from us");
	T_IS(dure_sysv_msg_receive(id, 0, 0, got, sizeof got, 0, &type), 9);
	assert_memory_equal(got, "from perl", 9);
	assert_int_equal(type, 12);
	T_OK(dure_sysv_remove(DURE_SYSV_MSG, id));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_are_chosen_by_type),
		cmocka_unit_test(a_look_leaves_the_message),
		cmocka_unit_test(full_queues_and_long_messages),
		cmocka_unit_test(removal_under_a_waiter_is_said),
		cmocka_unit_test(signals_do_not_end_waits),
		cmocka_unit_test(ipcmk_and_ipcs_see_the_same),
		cmocka_unit_test(perl_talks_to_us),
	};

	t_begin_sysv();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
