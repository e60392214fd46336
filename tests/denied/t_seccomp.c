/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: noasan */
/* budget: 10 */
/*
 * A sandbox that answers one system call with EPERM or ENOSYS: for each call
 * that the library makes, before the library was ever called and after. It
 * works, or refuses by name; the table says which.
 *
 * Not under AddressSanitizer, whose runtime makes these calls for itself and
 * ends the process when they fail.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <vaspace/vaspace.h>

#include "support/workout.h"
#include "sys/definitions.h"
#include "tap/tap.h"

/* When nothing can be mapped. E stands for the error that the sandbox answers. */
#define NO_MAP                                                                                     \
	"reserve=E commit=- protect=- guard=- decommit=- region=E object=E policy=E fork=E join=E recipe=E "           \
	"lowest=E near=E taken=E open=E read=- gaps=- at=- find=- "                                \
	"check=- release=-"
/* A span is held rather than released. */
#define NO_UNMAP "release=EBUSY object=EBUSY"
/* Recipes are put on by madvise and finished by mprotect. */
#define NO_RECIPE "recipe=E"
/* A policy is put on before the pages are opened. */
#define NO_PROTECT "protect=E policy=E fork=ENOMEM " NO_RECIPE
/* Blind probes find a place, or they do not: then each that was tried was taken. */
#define NO_OPEN "lowest=0|ENOSPC open=E read=- gaps=- at=- find=- check=E"
/* Queries still work, where the kernel has them. */
#define NO_READ "read=E gaps=E at=0|E find=E check=E"
#define NO_SEEK "gaps=E find=E"

/* Of the kernel itself: in some cases the library must not have been called before. */
static bool has_guards(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *memory = mmap(NULL, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	bool has = memory != MAP_FAILED && madvise(memory, page, MADV_GUARD_INSTALL) == 0;

	if (memory != MAP_FAILED)
		munmap(memory, page);
	return has;
}

static bool has_queries(void)
{
	int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	bool has = fd >= 0 && ioctl(fd, VAS_PROCMAP_QUERY, NULL) < 0 && errno != ENOTTY;

	if (fd >= 0)
		close(fd);
	return has;
}

static const struct denied {
	const char *call;
	int number;
	const char *first; /* what differs from "works" when denied before the first call */
	const char *later; /* the same, denied once all was tried */
	int also; /* a second one; 0 = none */
} table[] = {
	{ "mmap", SYS_mmap, "window=E " NO_MAP, NO_MAP, 0 },
	/*
	 * Whether MAP_FIXED_NOREPLACE works cannot be found out then. A hint that is
	 * not taken leaves memory elsewhere, which is held: shortage.
	 */
	{ "munmap", SYS_munmap, NO_UNMAP " recipe=0|ENOMEM lowest=0|ENOMEM near=0|ENOMEM taken=ENOMEM",
	  NO_UNMAP, 0 },
	{ "mprotect", SYS_mprotect, NO_PROTECT, NO_PROTECT, 0 },
	/* Objects get their memory, and lose it, by their descriptors: if that is known before. */
	{ "madvise", SYS_madvise, NO_RECIPE, "object=0|E " NO_RECIPE, 0 },
	{ "msync", SYS_msync, "", "", 0 },
	{ "openat", SYS_openat, NO_OPEN, NO_OPEN, 0 },
	{ "read", SYS_read, NO_READ, NO_READ, 0 },
	{ "close", SYS_close, "", "", 0 },
	{ "ioctl", SYS_ioctl, "", "", 0 },
	{ "prctl", SYS_prctl, "", "", 0 },
	{ "brk", SYS_brk, "", "", 0 },
	{ "prlimit64", SYS_prlimit64, "", "", 0 },
	/* That they are wanted at all is seen by t_waiting.c. */
	{ "futex", SYS_futex, "", "", 0 },
	{ "lseek", SYS_lseek, NO_SEEK, NO_SEEK, 0 },
	{ "sched_yield", SYS_sched_yield, "", "", 0 },
	{ "mbind", SYS_mbind, "policy=E", "policy=E", 0 },
	/* The span is there in the child, with nothing in it. */
	{ "mremap", SYS_mremap, "fork=ENOMEM", "fork=ENOMEM", 0 },
	{ "fstat", SYS_fstat, "object=E fork=E", "object=E fork=E", 0 },
	{ "fallocate", SYS_fallocate, "", "", 0 },
	{ "madvise and fallocate", SYS_fallocate, "object=E " NO_RECIPE, "object=E " NO_RECIPE,
	  SYS_madvise },
	{ "madvise and rt_sigprocmask", SYS_rt_sigprocmask, NO_RECIPE, "object=E " NO_RECIPE,
	  SYS_madvise },
	{ "gettid", SYS_gettid, "join=E", "join=E", 0 },
	{ "tgkill", SYS_tgkill, "", "", 0 },
	{ "rt_sigprocmask", SYS_rt_sigprocmask, "", "", 0 },
	{ "rt_sigtimedwait", SYS_rt_sigtimedwait, "", "", 0 },
};

/* What differs more where the kernel lacks something, and the library makes the call that is denied in its stead. */
static const struct lacking {
	const char *call;
	bool (*has)(void);
	const char *words;
} lacking[] = {
	{ "mprotect", has_guards, "guard=E " },
	{ "read", has_queries, "lowest=ENOSPC " },
	{ "lseek", has_queries, "at=E " },
};

struct how {
	const struct denied *denied;
	int error;
	bool later;
	const bool *lacks; /* as many as in lacking */
};

/* E becomes the name of the error. */
static void name_error(const char *text, int error, char *out, size_t room)
{
	const char *name = strerrorname_np(error);
	size_t used = 0;

	for (; *text && used + 16 < room; text++) {
		if (text[0] == 'E' && (text[1] == ' ' || text[1] == '|' || text[1] == '\0'))
			used += (size_t)snprintf(out + used, room - used, "%s", name);
		else
			out[used++] = *text;
	}
	out[used] = '\0';
}

static void denied_case(void *arg)
{
	const struct how *how = arg;
	char words[512] = "", expected[512];

	tap_ignore_leaks(TAP_LEAK_FDS | TAP_LEAK_HEAP | TAP_LEAK_VMAS);
	if (how->later)
		workout("");
	if (!workout_deny(how->denied->number, how->error) ||
	    (how->denied->also && !workout_deny(how->denied->also, how->error)))
		tap_skip_all("no-seccomp", "this kernel has no seccomp filters");
	for (size_t i = 0; i < sizeof(lacking) / sizeof(lacking[0]); i++)
		if (strcmp(lacking[i].call, how->denied->call) == 0 && how->lacks[i])
			strcat(words, lacking[i].words);
	strcat(words, how->later ? how->denied->later : how->denied->first);
	name_error(words, how->error, expected, sizeof(expected));
	workout(expected);
}

int main(void)
{
	static const int errors[] = { EPERM, ENOSYS };
	bool lacks[sizeof(lacking) / sizeof(lacking[0])];
	unsigned int cases = 0;
	char name[64];

	tap_plan(0);
	for (size_t i = 0; i < sizeof(lacking) / sizeof(lacking[0]); i++)
		lacks[i] = !lacking[i].has();
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		for (size_t error = 0; error < 2; error++)
			for (int later = 0; later < 2; later++) {
				struct how how = { &table[i], errors[error], later, lacks };

				snprintf(name, sizeof(name), "%s answers %s %s", table[i].call,
					 strerrorname_np(errors[error]),
					 later ? "later" : "from the first call on");
				tap_case(name, denied_case, &how, 20);
				cases++;
			}
	tap_figure("sandboxes", cases, "cases");
	return tap_done();
}
