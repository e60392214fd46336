/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A small TAP producer for tests in C.
 *
 * Speaks TAP version 13 with `pragma +strict`, so that a stray printf fails the test instead of hiding.
 * A program is:
 *
 *	int main(void)
 *	{
 *		tap_plan(2);			// 0: the plan is printed at the end
 *		ok(1 + 1 == 2, "numbers add");
 *		tap_case("overflow", overflow_case, NULL, 10);
 *		return tap_done();
 *	}
 *
 * Points may be made from several threads at once. Everything else is called from the main thread.
 */
#ifndef TESTS_TAP_H
#define TESTS_TAP_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define TAP_PRINTF(position, first) __attribute__((format(printf, position, first)))

/* Must come first. points == 0: the plan is printed by tap_done(). */
void tap_plan(unsigned points);

/* Prints what is still owed and returns the exit status for main. */
int tap_done(void);

/*
 * The points. Each returns whether it held, so that a test may stop where going on makes no sense.
 * All of them take a printf format and its arguments as the last parameters, the name of the point.
 */
#define ok(cond, ...) tap_ok_at(__FILE__, __LINE__, !!(cond), #cond, __VA_ARGS__)
/* Two unsigned numbers; addresses and sizes, so printed in hexadecimal when they differ. */
#define is_u64(got, want, ...)                                                                     \
	tap_u64_at(__FILE__, __LINE__, (uint64_t)(got), (uint64_t)(want), #got, __VA_ARGS__)
#define is_i64(got, want, ...)                                                                     \
	tap_i64_at(__FILE__, __LINE__, (int64_t)(got), (int64_t)(want), #got, __VA_ARGS__)
#define is_str(got, want, ...) tap_str_at(__FILE__, __LINE__, got, want, #got, __VA_ARGS__)
/* A call that returns 0 or -errno. The wanted error may be written EINVAL or -EINVAL; 0 is success. */
#define is_err(got, want, ...) tap_err_at(__FILE__, __LINE__, got, want, #got, __VA_ARGS__)

/*
 * Skips count points, or (before any point) the rest of the program or case, which then ends.
 * The key names the reason for tests/expected-skips: a skip whose key is not expected there fails
 * tools/check.
 */
void tap_skip(unsigned count, const char *key, const char *format, ...) TAP_PRINTF(3, 4);
_Noreturn void tap_skip_all(const char *key, const char *format, ...) TAP_PRINTF(2, 3);

/* The environment is broken: stops this program and the whole run of suites. */
_Noreturn void tap_bail(const char *format, ...) TAP_PRINTF(1, 2);

void tap_diag(const char *format, ...) TAP_PRINTF(1, 2);

/* A measured figure, printed as a YAML block, which tools can collect from the output. */
void tap_figure(const char *name, double value, const char *unit);

/*
 * Runs case_fn(arg) in a child process of its own and makes one point of it. The point fails when a
 * point inside fails, when the case makes no point, dies, outlives `seconds` (0 means 60), or leaves
 * file descriptors, mappings or heap behind that it did not have at its start. The points inside are
 * printed as comments. A case calls tap_skip_all() to be skipped.
 */
void tap_case(const char *name, void (*case_fn)(void *arg), void *arg, unsigned seconds);

/*
 * Inside a case: counts leaks from here instead of from its start, after the first call of something
 * that keeps what it makes once.
 */
void tap_baseline(void);

/*
 * Inside a case: leaves out some leak checks. A case that starts threads leaves out VMAs and heap,
 * because glibc keeps the stacks of threads that have ended.
 */
enum tap_leak {
	TAP_LEAK_FDS = 1,
	TAP_LEAK_VMAS = 2,
	TAP_LEAK_HEAP = 4,
};
void tap_ignore_leaks(unsigned leaks);

/*
 * The seed of this run's random choices: VASPACE_TEST_SEED, or a new one each run. It is printed, so
 * that a failure can be repeated.
 */
uint64_t tap_seed(void);

/* count times VASPACE_TEST_SCALE percent (100 when unset), at least 1: for loops whose length is free. */
uint64_t tap_scaled(uint64_t count);

/* What the process runs under, for tests whose subject does not exist there. */
bool tap_under_sanitizer(void);
bool tap_under_valgrind(void);

/* The number of mappings in /proc/self/maps, and of open descriptors; -1 where /proc cannot be read. */
long tap_count_vmas(void);
long tap_count_fds(void);

/* The macros above expand to these. */
bool tap_ok_at(const char *file, int line, bool held, const char *text, const char *format, ...)
	TAP_PRINTF(5, 6);
bool tap_u64_at(const char *file, int line, uint64_t got, uint64_t want, const char *text,
		const char *format, ...) TAP_PRINTF(6, 7);
bool tap_i64_at(const char *file, int line, int64_t got, int64_t want, const char *text,
		const char *format, ...) TAP_PRINTF(6, 7);
bool tap_str_at(const char *file, int line, const char *got, const char *want, const char *text,
		const char *format, ...) TAP_PRINTF(6, 7);
bool tap_err_at(const char *file, int line, int64_t got, int64_t want, const char *text,
		const char *format, ...) TAP_PRINTF(6, 7);

#endif
