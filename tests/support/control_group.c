/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Control groups for tests.
 *
 * WHAT FOR. What a group refuses can only be seen in a group.
 *
 * STRATEGY. The places where the controllers are usually mounted, of version 1 and 2, are tried in turn: at each a folder below this process's
 * own group, or the closest above it that takes a limit.
 *
 * CONCURRENCY. From the main thread only.
 *
 * WHAT IT DOES NOT DO. It mounts nothing.
 */
#include "support/control_group.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OWN_ROOM 256

struct place {
	const char *controller, *path, *limit_file;
	bool old; /* version 1: a hierarchy for each controller */
};

static const struct place places[] = {
	{ "memory", "/sys/fs/cgroup/memory", "memory.limit_in_bytes", true },
	{ "memory", "/sys/fs/cgroup", "memory.max", false },
	{ "hugetlb", "/sys/fs/cgroup/hugetlb", "hugetlb.2MB.limit_in_bytes", true },
	{ "hugetlb", "/sys/fs/cgroup", "hugetlb.2MB.max", false },
	{ "hugetlb", "/sys/fs/cgroup/unified", "hugetlb.2MB.max", false },
};

static bool write_text(const char *folder, const char *file, const char *text)
{
	char path[1024];
	FILE *stream;
	bool written;

	snprintf(path, sizeof(path), "%s/%s", folder, file);
	stream = fopen(path, "r+e");
	if (!stream)
		return false;
	written = fputs(text, stream) >= 0;
	return fclose(stream) == 0 && written;
}

static bool write_number(const struct control_group *group, const char *file, uint64_t value)
{
	char text[32];

	snprintf(text, sizeof(text), "%" PRIu64 "\n", value);
	return write_text(group->path, file, text);
}

bool control_group_limit(const struct control_group *group, uint64_t bytes)
{
	return write_number(group, group->limit_file, bytes);
}

bool control_group_enter(const struct control_group *group)
{
	return write_number(group, "cgroup.procs", (uint64_t)getpid());
}

bool control_group_read(const struct control_group *group, const char *file, char *text, size_t size)
{
	char path[1024];
	FILE *stream;

	snprintf(path, sizeof(path), "%s/%s", group->path, file);
	stream = fopen(path, "re");
	if (!stream)
		return false;
	text[fread(text, 1, size - 1, stream)] = '\0';
	return fclose(stream) == 0;
}

/* The path of this process's group; in version 1 that of the controller. */
static void own_group(const struct place *place, char *own, size_t room)
{
	FILE *stream = fopen("/proc/self/cgroup", "re");
	char line[OWN_ROOM + 64], wanted[64];

	own[0] = '\0';
	snprintf(wanted, sizeof(wanted), ":%s:", place->controller);
	while (stream && fgets(line, sizeof(line), stream)) {
		char *path = strchr(line, '/');

		line[strcspn(line, "\n")] = '\0';
		if (path && (place->old ? strstr(line, wanted) != NULL : line[0] == '0'))
			snprintf(own, room, "%s", path);
	}
	if (stream)
		fclose(stream);
}

/* At one place. */
static bool make_at(struct control_group *group, const struct place *place, uint64_t bytes)
{
	char own[OWN_ROOM];

	own_group(place, own, sizeof(own));
	for (;;) {
		*group = (struct control_group){ .limit_file = place->limit_file };
		snprintf(group->path, sizeof(group->path), "%s%s/vaspace-test-%d", place->path,
			 strcmp(own, "/") == 0 ? "" : own, (int)getpid());
		if (mkdir(group->path, 0755) == 0) {
			if (control_group_limit(group, bytes))
				return true;
			rmdir(group->path);
		}
		if (!strrchr(own, '/'))
			return false;
		*strrchr(own, '/') = '\0';
	}
}

/* Where nobody has told it to, the hierarchy passes nothing on. */
static bool make_passed_on(struct control_group *group, const struct place *place, uint64_t bytes)
{
	char told[32];

	if (place->old || strcmp(place->controller, "hugetlb") != 0)
		return false;
	snprintf(told, sizeof(told), "+%s\n", place->controller);
	if (!write_text(place->path, "cgroup.subtree_control", told))
		return false;
	if (make_at(group, place, bytes)) {
		snprintf(group->passed_on, sizeof(group->passed_on), "%s", place->path);
		return true;
	}
	told[0] = '-';
	(void)write_text(place->path, "cgroup.subtree_control", told);
	return false;
}

bool control_group_make(struct control_group *group, const char *controller, uint64_t bytes)
{
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		const struct place *place = &places[i];

		if (strcmp(place->controller, controller) != 0)
			continue;
		if (make_at(group, place, bytes) || make_passed_on(group, place, bytes))
			return true;
	}
	return false;
}

bool control_group_remove(struct control_group *group)
{
	bool removed = rmdir(group->path) == 0;

	if (removed && group->passed_on[0])
		removed = write_text(group->passed_on, "cgroup.subtree_control", "-hugetlb\n");
	return removed;
}
