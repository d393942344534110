/* SPDX-License-Identifier: MIT */
/*
 * service.h - what the tests of services share: a service, and texts that are asked and replied
 */
#ifndef TESTS_API_SERVICE_H
#define TESTS_API_SERVICE_H

#include "fresh.h"

static dure_service *service;

static inline void open_service(const struct dure_service_options *o)
{
	T_IS(dure_service_open(seg, "service", DURE_CREATE | DURE_OPEN, o, &service), DURE_CREATED);
}

static inline void make(void)
{
	open_service(NULL);
}

static inline void unmake(void)
{
	dure_service_close(service);
	T_OK(dure_service_destroy(seg, "service"));
}

static inline void reopen(const struct dure_service_options *o)
{
	unmake();
	open_service(o);
}

static inline dure_service *reopened(void)
{
	dure_service *own;

	T_IN_CHILD(dure_segment_reattach(seg) == 0);
	T_IN_CHILD(dure_service_open(seg, "service", DURE_OPEN, NULL, &own) == 0);
	return own;
}

static inline struct dure_call ask(const char *text, uint32_t attempts_max)
{
	struct dure_ask how = { .sz = sizeof how, .attempts_max = attempts_max };
	struct dure_call call = { .sz = sizeof call };

	T_OK(dure_service_ask(service, text, strlen(text) + 1, &how, 0, &call));
	return call;
}

static inline struct dure_request take(const char *text)
{
	struct dure_request request = { .sz = sizeof request };
	char buffer[64] = "";

	T_OK(dure_service_take(service, NULL, buffer, sizeof buffer, &request, 20000000000));
	assert_string_equal(buffer, text);
	assert_int_equal(request.bytes, strlen(text) + 1);
	return request;
}

static inline void reply(const struct dure_request *request, const char *text)
{
	T_IS(dure_service_reply(service, request, text, strlen(text) + 1, 0), 0);
}

static inline void expect(struct dure_call *call, const char *text)
{
	char buffer[64] = "";

	T_OK(dure_service_await(service, call, buffer, sizeof buffer, 20000000000));
	assert_string_equal(buffer, text);
	assert_int_equal(call->bytes, strlen(text) + 1);
}

static inline struct dure_service_info info(void)
{
	struct dure_service_info i = { .sz = sizeof i };

	T_OK(dure_service_info(service, &i));
	return i;
}

#endif
