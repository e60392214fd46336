/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The TAP producer: plan, points, skips, figures.
 *
 * stdout is line buffered before anything forks, since a half-full buffer copied by fork would be
 * printed twice. The process that planned is remembered; only it checks at exit that tap_done() was
 * reached. A point is printed under stdout's lock, so threads may make points. Not covered: points made
 * by processes that a test forks itself.
 */
#include "tap/tap.h"
#include "tap/points.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                         \
	__has_feature(memory_sanitizer)
#define TAP_SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define TAP_SANITIZED 1
#endif

struct tap_state tap;

static const char *tap_errno_name(int64_t code)
{
	const char *name;

	if (code == 0)
		return "0";
	if (code < -4095 || code > 4095)
		return "not an errno";
	name = strerrorname_np((int)(code < 0 ? -code : code));
	return name ? name : "unknown errno";
}

void tap_print_name(const char *name)
{
	for (; *name; name++) {
		if (*name == '#' || *name == '\\')
			putchar('\\');
		putchar((unsigned char)*name < ' ' ? ' ' : *name);
	}
}

static void tap_at_exit(void)
{
	if (getpid() != tap.pid || tap.done)
		return;
	printf("# tap_done() was not reached: %u points made, %u planned\n", tap.points,
	       tap.planned);
	fflush(stdout);
	_exit(255);
}

void tap_start(void)
{
	if (tap.started)
		return;
	setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
	tap.started = true;
	tap.pid = getpid();
	atexit(tap_at_exit);
	printf("TAP version 13\npragma +strict\n");
}

void tap_plan(unsigned points)
{
	tap_start();
	tap.planned = points;
	if (points)
		printf("1..%u\n", points);
}

int tap_done(void)
{
	tap.done = true;
	if (!tap.planned)
		printf("1..%u\n", tap.points);
	else if (tap.planned != tap.points)
		printf("# planned %u points, made %u\n", tap.planned, tap.points);
	fflush(stdout);
	if (tap.failed || (tap.planned && tap.planned != tap.points))
		return 1;
	return 0;
}

void tap_point_locked(bool held, const char *name)
{
	flockfile(stdout);
	tap.points++;
	if (!held)
		tap.failed++;
	printf("%sok %u - ", held ? "" : "not ", tap.points);
	tap_print_name(name);
	putchar('\n');
}

#define TAP_FORMAT(name, format)                                                                   \
	char name[TAP_NAME_MAX];                                                                   \
	do {                                                                                       \
		va_list args;                                                                      \
		va_start(args, format);                                                            \
		vsnprintf(name, sizeof(name), format, args);                                       \
		va_end(args);                                                                      \
	} while (0)

bool tap_ok_at(const char *file, int line, bool held, const char *text, const char *format, ...)
{
	TAP_FORMAT(name, format);

	tap_point_locked(held, name);
	if (!held)
		printf("#   %s:%d: does not hold: %s\n", file, line, text);
	funlockfile(stdout);
	return held;
}

bool tap_u64_at(const char *file, int line, uint64_t got, uint64_t want, const char *text,
		const char *format, ...)
{
	TAP_FORMAT(name, format);

	tap_point_locked(got == want, name);
	if (got != want)
		printf("#   %s:%d: %s is 0x%" PRIx64 ", wanted 0x%" PRIx64 "\n", file, line, text,
		       got, want);
	funlockfile(stdout);
	return got == want;
}

bool tap_i64_at(const char *file, int line, int64_t got, int64_t want, const char *text,
		const char *format, ...)
{
	TAP_FORMAT(name, format);

	tap_point_locked(got == want, name);
	if (got != want)
		printf("#   %s:%d: %s is %" PRId64 ", wanted %" PRId64 "\n", file, line, text, got,
		       want);
	funlockfile(stdout);
	return got == want;
}

static void tap_print_quoted(const char *text)
{
	if (!text) {
		printf("NULL");
		return;
	}
	putchar('"');
	for (; *text; text++) {
		if ((unsigned char)*text < ' ' || *text == '"' || *text == '\\')
			printf("\\%03o", (unsigned char)*text);
		else
			putchar(*text);
	}
	putchar('"');
}

bool tap_str_at(const char *file, int line, const char *got, const char *want, const char *text,
		const char *format, ...)
{
	bool held = got == want || (got && want && strcmp(got, want) == 0);
	TAP_FORMAT(name, format);

	tap_point_locked(held, name);
	if (!held) {
		printf("#   %s:%d: %s is ", file, line, text);
		tap_print_quoted(got);
		printf(", wanted ");
		tap_print_quoted(want);
		putchar('\n');
	}
	funlockfile(stdout);
	return held;
}

bool tap_err_at(const char *file, int line, int64_t got, int64_t want, const char *text,
		const char *format, ...)
{
	bool held = got == (want > 0 ? -want : want);
	TAP_FORMAT(name, format);

	tap_point_locked(held, name);
	if (!held)
		printf("#   %s:%d: %s returned %" PRId64 " (%s), wanted %s\n", file, line, text,
		       got, tap_errno_name(got), tap_errno_name(want));
	funlockfile(stdout);
	return held;
}

void tap_skip(unsigned count, const char *key, const char *format, ...)
{
	TAP_FORMAT(reason, format);

	flockfile(stdout);
	while (count--)
		printf("ok %u # SKIP [%s] %s\n", ++tap.points, key, reason);
	funlockfile(stdout);
}

void tap_skip_all(const char *key, const char *format, ...)
{
	TAP_FORMAT(reason, format);

	if (tap.outcome) {
		snprintf(tap.outcome->skip, sizeof(tap.outcome->skip), "[%s] %s", key, reason);
		fflush(stdout);
		_exit(TAP_EXIT_SKIPPED);
	}
	tap_start();
	tap.done = true;
	/* With a plan already printed or points made, `1..0` would contradict them. */
	if (tap.points || tap.planned) {
		while (tap.points < tap.planned || !tap.points)
			printf("ok %u # SKIP [%s] %s\n", ++tap.points, key, reason);
		if (!tap.planned)
			printf("1..%u\n", tap.points);
	} else {
		printf("1..0 # SKIP [%s] %s\n", key, reason);
	}
	exit(tap.failed ? 1 : 0);
}

void tap_bail(const char *format, ...)
{
	TAP_FORMAT(reason, format);

	tap_start();
	tap.done = true;
	printf("Bail out!  %s\n", reason);
	fflush(stdout);
	_exit(255);
}

void tap_diag(const char *format, ...)
{
	TAP_FORMAT(text, format);

	flockfile(stdout);
	printf("# ");
	for (const char *at = text; *at; at++)
		*at == '\n' ? printf("\n# ") : putchar(*at);
	putchar('\n');
	funlockfile(stdout);
}

void tap_figure(const char *name, double value, const char *unit)
{
	flockfile(stdout);
	printf("  ---\n  figure: %s\n  value: %.10g\n  unit: %s\n  ...\n", name, value, unit);
	funlockfile(stdout);
}

bool tap_under_sanitizer(void)
{
#ifdef TAP_SANITIZED
	return true;
#else
	return false;
#endif
}

bool tap_under_valgrind(void)
{
	const char *preload = getenv("LD_PRELOAD");

	return preload && strstr(preload, "vgpreload");
}

uint64_t tap_scaled(uint64_t count)
{
	const char *percent = getenv("VASPACE_TEST_SCALE");
	uint64_t scale = percent ? strtoull(percent, NULL, 10) : 100;
	uint64_t scaled = count / 100 * scale + count % 100 * scale / 100;

	return scaled ? scaled : 1;
}

uint64_t tap_seed(void)
{
	static uint64_t seed;
	static bool chosen;
	const char *given = getenv("VASPACE_TEST_SEED");

	if (chosen)
		return seed;
	if (given)
		seed = strtoull(given, NULL, 0);
	else if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) != sizeof(seed))
		seed = (uint64_t)time(NULL) * 1000003 + (uint64_t)getpid();
	chosen = true;
	tap_diag("seed 0x%" PRIx64 " (VASPACE_TEST_SEED repeats it)", seed);
	return seed;
}
