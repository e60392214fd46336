/* SPDX-License-Identifier: BSD-2-Clause */
/* A small file system of a test's own. */
#include "support/small_mount.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "tap/tap.h"

int small_mount_file(const char *type, const char *options)
{
	char folder[] = "/tmp/vaspace-mount-XXXXXX";
	int namespaces = CLONE_NEWNS | (geteuid() == 0 ? 0 : CLONE_NEWUSER);
	int fd;

	if (!mkdtemp(folder))
		tap_bail("no temporary folder");
	if (unshare(namespaces) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("none", folder, type, 0, options)) {
		rmdir(folder);
		tap_skip_all("no-mounts", "nothing can be mounted: %s", strerror(errno));
	}
	fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	/* The open file keeps the file system; its name is not needed. */
	if (umount2(folder, MNT_DETACH) || rmdir(folder))
		tap_bail("%s cannot be removed", folder);
	if (fd < 0)
		tap_bail("no file");
	return fd;
}
