/* SPDX-License-Identifier: BSD-2-Clause */
/* A small file system of a test's own, which goes with the process. */
#ifndef TESTS_SUPPORT_SMALL_MOUNT_H
#define TESTS_SUPPORT_SMALL_MOUNT_H

/*
 * A new file, without a name, in a new file system of that type; options as of mount(8), such as "size=1m". Takes the process into a
 * mount namespace of its own, without privileges into a user namespace, too. The case is skipped (no-mounts) where
 * that cannot be.
 */
int small_mount_file(const char *type, const char *options);

#endif
