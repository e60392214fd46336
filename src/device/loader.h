/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Finds the modules: shared objects that the library opens when, and only
 * when, somebody calls what needs them.
 */
#ifndef VAS_DEVICE_LOADER_H
#define VAS_DEVICE_LOADER_H

#include "device/module.h"

/*
 * The table of module name, opened at the first call. It stays open for the
 * life of the process. A failure is kept too, until vas_loader_forget().
 *
 *  -EOPNOTSUPP	it is in no directory, or the dynamic linker refused it
 *  -EPROTO	it is of another version
 */
int vas_loader_open(const char *name, const struct vas_module **module);

/*
 * Why module name could not be opened: one line that names each place which
 * was tried; "" when it was opened or not asked for. Never NULL; stays as it
 * is until vas_loader_forget().
 */
const char *vas_loader_error(const char *name);

/* Forgets failures, so that the next call tries again. What is open stays open. */
void vas_loader_forget(void);

/*
 * Modules are other people's code: they change errno and call functions that
 * are cancellation points. Code that opens or calls one does so between these
 * two, and the promises of the public functions hold.
 */
struct vas_loader_guard {
	int cancel_state;
	int saved_errno;
};

void vas_loader_enter(struct vas_loader_guard *guard);
void vas_loader_leave(const struct vas_loader_guard *guard);

/* For tests: another directory in the place of ${libdir}/vaspace; NULL puts the true one back. */
void vas_loader_set_directory(const char *directory);

#endif
