/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where the tests of modules find things: the build folder from their own
 * path, <build>/t/device/<name>.t, so that they can be started by hand.
 */
#ifndef TESTS_DEVICE_PLACES_H
#define TESTS_DEVICE_PLACES_H

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "device/loader.h"
#include "sys/environment.h"
#include "tap/tap.h"

/* Appends the build folder and a name within it to out, of PATH_MAX bytes. */
static inline void place_in_build(char *out, const char *name)
{
	char folder[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", folder, sizeof(folder) - 1);

	if (length < 0)
		tap_bail("/proc/self/exe cannot be read: %m");
	folder[length] = '\0';
	for (int i = 0; i < 3; i++) {
		char *slash = strrchr(folder, '/');

		if (slash)
			*slash = '\0';
	}
	if (snprintf(out, PATH_MAX, "%s/%s", folder, name) >= PATH_MAX)
		tap_bail("the build folder's name is too long");
}

/* Modules are looked for at path alone, or nowhere when it is "". */
static inline void place_modules(const char *path)
{
	setenv("VASPACE_MODULE_PATH", path, 1);
	vas_environment_reload();
	vas_loader_set_directory("/nonexistent/installed");
}

/* The real module's folder; false where the module was not built. */
static inline bool place_real_module(void)
{
	char folder[PATH_MAX], file[PATH_MAX];

	place_in_build(folder, "lib/vaspace");
	place_in_build(file, "lib/vaspace/vaspace-cpu.so");
	if (access(file, F_OK) != 0)
		return false;
	place_modules(folder);
	return true;
}

/* Is a mapping of a file whose name has this text in the process? */
static inline bool place_is_mapped(const char *text)
{
	char line[PATH_MAX + 128];
	FILE *maps = fopen("/proc/self/maps", "re");
	bool found = false;

	if (!maps)
		tap_bail("/proc/self/maps cannot be read: %m");
	while (!found && fgets(line, sizeof(line), maps))
		found = strstr(line, text) != NULL;
	fclose(maps);
	return found;
}

/*
 * Runs a copy of this program with the argument "secure", set-user-id of
 * another user if asked, and gives its exit status. The copy must leave by
 * _exit: leak checkers trace, and nobody traces a set-user-id program.
 * Skips the case where not root.
 */
static inline int place_run_copy(bool set_user_id)
{
	char copy[] = "/tmp/vaspace-secure-XXXXXX", command[PATH_MAX + 64], self[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);
	int status = -1, fd = mkstemp(copy);
	pid_t child;

	if (geteuid() != 0)
		tap_skip_all("not-root", "a set-user-id program of another user needs root");
	self[length > 0 ? length : 0] = '\0';
	close(fd);
	snprintf(command, sizeof(command), "cp '%s' '%s'", self, copy);
	if (fd < 0 || system(command) != 0 || (set_user_id && chown(copy, 65534, 65534) != 0) ||
	    chmod(copy, set_user_id ? 04755 : 0755) != 0)
		tap_bail("no copy of this program at %s: %m", copy);
	child = fork();
	if (child == 0) {
		execl(copy, copy, "secure", (char *)NULL);
		_exit(99);
	}
	waitpid(child, &status, 0);
	unlink(copy);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 98;
}

#endif
