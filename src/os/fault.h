/* SPDX-License-Identifier: MIT */
/*
 * fault.h - where tests make the kernel refuse
 *
 * Every wrapper in this room asks durei_fault("call") first. In the library the question
 * costs nothing; in the tests' build (DUREI_FAULTS) the test answers with an errno or 0.
 */
#ifndef DUREI_OS_FAULT_H
#define DUREI_OS_FAULT_H

#ifdef DUREI_FAULTS
int durei_fault(const char *call);
#else
static inline int durei_fault(const char *call)
{
	(void)call;
	return 0;
}
#endif

#endif
