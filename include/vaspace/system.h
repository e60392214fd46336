/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vaspace/system.h - what this kernel and this process can do, how the library
 * was told to behave, and where it logs.
 */
#ifndef VASPACE_SYSTEM_H
#define VASPACE_SYSTEM_H

#include <vaspace/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Whether this build of the library has a feature, by name: "reserve",
 * "commit", "release", "limits", "layout", "owner", "ledger", "topology",
 * "notice", "adopt", "pressure", "region", "shutdown", "arena", "view", "ring", "queue".
 *
 * Cannot fail: returns 1 if it has, 0 if it has not or the name is unknown
 * or NULL. Thread-safe; signal-safe.
 */
VAS_API int vas_feature(const char *name);

enum vas_probe_state {
	VAS_PROBE_UNKNOWN = 0, /* not tried yet */
	VAS_PROBE_YES,
	VAS_PROBE_NO,
	VAS_PROBE_OFF /* switched off by the environment */
};

/* One thing that kernels and sandboxes differ in. */
struct vas_probe_info {
	size_t size; /* set by the caller: sizeof(struct vas_probe_info) */
	const char *name; /* such as "noreplace"; a static string */
	const char *what; /* one sentence */
	const char *since; /* the kernel version that brought it, for the reader only */
	enum vas_probe_state state;
	int32_t error; /* what the probe got, a negative errno or 0 */
};

/*
 * Fills *info for probe number index, from 0, trying it if it was not tried yet.
 *
 * Errors, with *info untouched:
 *  -EINVAL	info is NULL or its size field is below the first version's
 *  -ENOENT	there is no such probe
 *
 * Thread-safe. Not signal-safe.
 */
VAS_API int vas_probe_get(size_t index, struct vas_probe_info *info);

/*
 * Forgets what the probes found, so that each is tried again: after a process
 * was restored from a checkpoint on another kernel. Forgets also that a module
 * could not be opened (vas_topology_get).
 *
 * Cannot fail. Thread-safe. Not signal-safe.
 */
VAS_API void vas_probe_reset(void);

/*
 * Gives back all memory that the library mapped for itself: its books, and the spare mappings that it
 * keeps for the kernel's limit. The next call begins anew, with counters at zero and probes
 * untried. Ids that were given stay unused: those of owners and of subscriptions go on.
 * What vas_log_set set stays, as do modules that were opened; a hook of vas_pressure_set ends.
 *
 * The caller sees to it that until this has returned no other thread is inside a
 * function of this library or calls one, and no signal handler either: vas_owner_at and
 * vas_generation_at take no lock and would read memory that is gone.
 *
 * Errors, with nothing changed:
 *  -EBUSY	spans are owned, or held because the kernel refuses to unmap them; or there are
 *		subscriptions to notices; or it was called inside a hook
 *  -EOWNERDEAD	a child whose fork was not announced; see vas_fork_child
 *
 * Not thread-safe, as said. Not signal-safe.
 */
VAS_API int vas_shutdown(void);

/* One environment setting. */
struct vas_setting {
	size_t size; /* set by the caller: sizeof(struct vas_setting) */
	const char *name; /* such as "VASPACE_DISABLE"; a static string */
	const char *what; /* one sentence */
	const char *fallback; /* the default, as text */
	char value[64]; /* in force, as text; cut at 63 bytes */
	int32_t error; /* -EINVAL: what the environment said was not understood, the default holds */
	uint32_t set; /* 1: taken from the environment */
};

/*
 * Fills *setting with setting number index, from 0. The environment is read
 * once, when the library is loaded, and ignored in a set-user-id program (AT_SECURE).
 *
 * Errors, with *setting untouched:
 *  -EINVAL	setting is NULL or its size field is below the first version's
 *  -ENOENT	there is no such setting
 *
 * Thread-safe. Not signal-safe.
 */
VAS_API int vas_setting_get(size_t index, struct vas_setting *setting);

enum vas_log_level { VAS_LOG_ERROR = 0, VAS_LOG_WARNING, VAS_LOG_INFO, VAS_LOG_DEBUG };

/* Called with one line without a newline, valid during the call. No library lock is held. */
typedef void vas_log_hook(void *context, enum vas_log_level level, const char *line);

/*
 * Sets the hook that receives log lines up to level. NULL, the default, is
 * silence. The hook must not call functions of this library that change
 * anything. After the call returns, a line that is being written may still
 * reach the old hook.
 *
 * Cannot fail. Thread-safe. Not signal-safe.
 */
VAS_API void vas_log_set(vas_log_hook *hook, void *context, enum vas_log_level level);

#ifdef __cplusplus
}
#endif
#endif
