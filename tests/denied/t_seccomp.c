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
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

#include <vaspace/vaspace.h>

#include "support/workout.h"
#include "tap/tap.h"

/* When nothing can be mapped. E stands for the error that the sandbox answers. */
#define NO_MAP                                                                                     \
	"reserve=E commit=- protect=- guard=- decommit=- region=E recipe=E lowest=E near=E taken=E open=E read=- gaps=- at=- find=- "    \
	"check=- release=-"
/* A span is held rather than released. */
#define NO_UNMAP "release=EBUSY"
/* Recipes are put on by madvise and finished by mprotect. */
#define NO_RECIPE "recipe=E"
/* Blind probes find a place, or they do not: then each that was tried was taken. */
#define NO_OPEN "lowest=0|ENOSPC open=E read=- gaps=- at=- find=- check=E"
/* Queries still work, where the kernel has them. */
#define NO_READ "read=E gaps=E at=0|E find=E check=E"
#define NO_SEEK "gaps=E find=E"

static const struct denied {
	const char *call;
	int number;
	const char *first; /* what differs from "works" when denied before the first call */
	const char *later; /* the same, denied once all was tried */
} table[] = {
	{ "mmap", SYS_mmap, "window=E " NO_MAP, NO_MAP },
	/*
	 * Whether MAP_FIXED_NOREPLACE works cannot be found out then. A hint that is
	 * not taken leaves memory elsewhere, which is held: shortage.
	 */
	{ "munmap", SYS_munmap, NO_UNMAP " recipe=0|ENOMEM lowest=0|ENOMEM near=0|ENOMEM taken=ENOMEM",
	  NO_UNMAP },
	{ "mprotect", SYS_mprotect, "protect=E " NO_RECIPE, "protect=E " NO_RECIPE },
	{ "madvise", SYS_madvise, NO_RECIPE, NO_RECIPE },
	{ "msync", SYS_msync, "", "" },
	{ "openat", SYS_openat, NO_OPEN, NO_OPEN },
	{ "read", SYS_read, NO_READ, NO_READ },
	{ "close", SYS_close, "", "" },
	{ "ioctl", SYS_ioctl, "", "" },
	{ "prctl", SYS_prctl, "", "" },
	{ "brk", SYS_brk, "", "" },
	{ "prlimit64", SYS_prlimit64, "", "" },
	{ "futex", SYS_futex, "", "" },
	{ "lseek", SYS_lseek, NO_SEEK, NO_SEEK },
	{ "sched_yield", SYS_sched_yield, "", "" },
	{ "mbind", SYS_mbind, "", "" },
	{ "mremap", SYS_mremap, "", "" },
	{ "fstat", SYS_fstat, "", "" },
	{ "fallocate", SYS_fallocate, "", "" },
	{ "memfd_create", SYS_memfd_create, "", "" },
	{ "gettid", SYS_gettid, "", "" },
	{ "tgkill", SYS_tgkill, "", "" },
	{ "rt_sigprocmask", SYS_rt_sigprocmask, "", "" },
	{ "rt_sigtimedwait", SYS_rt_sigtimedwait, "", "" },
};

struct how {
	const struct denied *denied;
	int error;
	bool later;
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
	char expected[512];

	tap_ignore_leaks(TAP_LEAK_FDS | TAP_LEAK_HEAP | TAP_LEAK_VMAS);
	if (how->later)
		workout("");
	if (!workout_deny(how->denied->number, how->error))
		tap_skip_all("no-seccomp", "this kernel has no seccomp filters");
	name_error(how->later ? how->denied->later : how->denied->first, how->error, expected,
		   sizeof(expected));
	workout(expected);
}

int main(void)
{
	static const int errors[] = { EPERM, ENOSYS };
	unsigned int cases = 0;
	char name[64];

	tap_plan(0);
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		for (size_t error = 0; error < 2; error++)
			for (int later = 0; later < 2; later++) {
				struct how how = { &table[i], errors[error], later };

				snprintf(name, sizeof(name), "%s answers %s %s", table[i].call,
					 strerrorname_np(errors[error]),
					 later ? "later" : "from the first call on");
				tap_case(name, denied_case, &how, 20);
				cases++;
			}
	tap_figure("sandboxes", cases, "cases");
	return tap_done();
}
