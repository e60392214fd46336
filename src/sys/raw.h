/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One system call with six arguments, without libc: no errno, no interceptor.
 * For the call that every claim makes; the others go through syscall(2), which
 * costs a page of code and the errno of the thread.
 */
#ifndef VAS_SYS_RAW_H
#define VAS_SYS_RAW_H

#include <errno.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
static inline int64_t vas_raw_call6(long number, uint64_t a, uint64_t b, uint64_t c, uint64_t d,
				    uint64_t e, uint64_t f)
{
	register uint64_t r10 __asm__("r10") = d;
	register uint64_t r8 __asm__("r8") = e;
	register uint64_t r9 __asm__("r9") = f;
	int64_t result;

	__asm__ __volatile__("syscall"
			     : "=a"(result)
			     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			     : "rcx", "r11", "memory");
	return result;
}
#elif defined(__aarch64__)
static inline int64_t vas_raw_call6(long number, uint64_t a, uint64_t b, uint64_t c, uint64_t d,
				    uint64_t e, uint64_t f)
{
	register uint64_t x8 __asm__("x8") = (uint64_t)number;
	register uint64_t x0 __asm__("x0") = a;
	register uint64_t x1 __asm__("x1") = b;
	register uint64_t x2 __asm__("x2") = c;
	register uint64_t x3 __asm__("x3") = d;
	register uint64_t x4 __asm__("x4") = e;
	register uint64_t x5 __asm__("x5") = f;

	__asm__ __volatile__("svc #0"
			     : "+r"(x0)
			     : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
			     : "memory");
	return (int64_t)x0;
}
#else
static inline int64_t vas_raw_call6(long number, uint64_t a, uint64_t b, uint64_t c, uint64_t d,
				    uint64_t e, uint64_t f)
{
	int saved = errno;
	int64_t result = syscall(number, a, b, c, d, e, f);

	if (result == -1) {
		result = -errno;
		errno = saved;
	}
	return result;
}
#endif

#endif
