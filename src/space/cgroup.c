/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The room under memory control groups.
 *
 * What for: a memory group kills where other limits refuse, so its room is
 * worth telling beforehand and in a report.
 *
 * Strategy: /proc/self/cgroup names the group, /proc/self/mountinfo where its
 * hierarchy is mounted and which part of it. From the group's directory up to
 * the mount point every level may have a limit, all of which hold: the room is
 * the smallest difference of limit and usage.
 *
 * Structure: a hybrid system has both versions mounted; the memory controller
 * belongs to one of them. It is in version 1 exactly when /proc/self/cgroup has a
 * line for it.
 *
 * What is seen: ancestors above a container's own mount are invisible, and
 * their limits hold all the same. Page cache counts as used although the
 * kernel would drop some of it. memory.high slows a group down and refuses nothing, so
 * it is no limit here.
 *
 * Reading costs several files, some hundred microseconds. So one reading serves for several small requests:
 * where there is a lot of room, and for a small part of it, because memory that is touched without a word to
 * us is seen by the next reading only. How much at most, is the caller's to say.
 *
 * Concurrency: everything but the credit is on the stack; all of it may be out of date at
 * once.
 */
#include "space/cgroup.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "base/text.h"
#include "space/procfile.h"

#define PATH_ROOM 1024
#define LINE_ROOM 2048
#define MARGIN	    (UINT64_C(2) << 20) /* page tables, and what others take meanwhile */
#define CREDIT_PART 64u /* of the room */
#define FILE_ROOM 32 /* for the longest name of a file in a group's directory */

struct cgroup_kind {
	const char *mount_type; /* file system type */
	const char *limit_file;
	const char *usage_file;
	bool by_controller; /* version 1: hierarchies are told apart by their controllers */
};

static const struct cgroup_kind version_1 = { "cgroup", "/memory.limit_in_bytes",
					      "/memory.usage_in_bytes", true };
static const struct cgroup_kind version_2 = { "cgroup2", "/memory.max", "/memory.current", false };

/* Whether a comma-separated list has the word "memory". */
static bool lists_memory(const char *list, size_t length)
{
	static const char word[] = "memory";
	const char *end = list + length;

	while (list < end) {
		const char *comma = list;

		while (comma < end && *comma != ',')
			comma++;
		if ((size_t)(comma - list) == sizeof(word) - 1 &&
		    memcmp(list, word, sizeof(word) - 1) == 0)
			return true;
		list = comma + 1;
	}
	return false;
}

static const char *find_byte(const char *text, const char *end, char byte)
{
	while (text < end && *text != byte)
		text++;
	return text;
}

/* Copies [from, to) as a string; false when it does not fit or must be unescaped. */
static bool copy_path(char *path, const char *from, const char *to)
{
	size_t length = (size_t)(to - from);

	if (length >= PATH_ROOM || find_byte(from, to, '\\') != to)
		return false;
	memcpy(path, from, length);
	path[length] = '\0';
	return true;
}

/* Reads one line of /proc/self/cgroup, "id:controllers:path"; the kind it is of, or NULL. */
static const struct cgroup_kind *group_line(const char *line, size_t length, char *group)
{
	const char *end = line + length;
	const char *list = find_byte(line, end, ':');
	const struct cgroup_kind *kind = NULL;
	const char *path;

	if (list == end)
		return NULL;
	path = find_byte(++list, end, ':');
	if (path == end)
		return NULL;
	if (lists_memory(list, (size_t)(path - list)))
		kind = &version_1;
	else if (path == list && line[0] == '0')
		kind = &version_2;
	return kind && copy_path(group, path + 1, end) ? kind : NULL;
}

/* Which hierarchy has this process's memory controller, and the path of the group in it. */
static const struct cgroup_kind *find_group(struct vas_sys *sys, char *group)
{
	const struct cgroup_kind *found = NULL;
	struct vas_procfile_lines lines;
	char buffer[LINE_ROOM];
	char path[PATH_ROOM];
	size_t length;
	char *line;

	if (vas_procfile_open(&lines, sys, "/proc/self/cgroup", buffer, sizeof(buffer)) < 0)
		return NULL;
	while (found != &version_1 && vas_procfile_next(&lines, &line, &length)) {
		const struct cgroup_kind *kind = group_line(line, length, path);

		if (!kind)
			continue;
		found = kind;
		memcpy(group, path, sizeof(path));
	}
	vas_procfile_close(&lines);
	return found;
}

/* One line of mountinfo in pieces. */
struct mount_line {
	const char *root, *root_end;
	const char *point, *point_end;
	const char *type, *type_end;
	const char *options, *options_end; /* of the file system */
};

/* "36 35 98:0 /root /point rw,noatime master:1 - type source options" */
static bool mount_line_parse(const char *line, size_t length, struct mount_line *mount)
{
	const char *end = line + length;
	const char *word = line;

	for (int i = 0; i < 3; i++) {
		word = find_byte(word, end, ' ');
		if (word == end)
			return false;
		word++;
	}
	mount->root = word;
	mount->root_end = find_byte(word, end, ' ');
	if (mount->root_end == end)
		return false;
	mount->point = mount->root_end + 1;
	mount->point_end = find_byte(mount->point, end, ' ');
	for (word = mount->point_end; end - word > 3 && memcmp(word, " - ", 3) != 0;)
		word++;
	if (end - word <= 3)
		return false;
	mount->type = word + 3;
	mount->type_end = find_byte(mount->type, end, ' ');
	if (mount->type_end == end)
		return false;
	mount->options = find_byte(mount->type_end + 1, end, ' ');
	mount->options_end = end;
	if (mount->options < end)
		mount->options++;
	return true;
}

static bool mount_is_of(const struct mount_line *mount, const struct cgroup_kind *kind)
{
	size_t length = (size_t)(mount->type_end - mount->type);

	if (length != strlen(kind->mount_type) ||
	    memcmp(mount->type, kind->mount_type, length) != 0)
		return false;
	return !kind->by_controller ||
	       lists_memory(mount->options, (size_t)(mount->options_end - mount->options));
}

/* Whether a group lies in the part of the hierarchy below root; "/.." is above what can be seen. */
static bool group_is_below(const char *group, const char *root, size_t root_length)
{
	size_t length = strlen(group);

	if (length < root_length || memcmp(group, root, root_length) != 0)
		return false;
	if (length >= 3 && memcmp(group, "/..", 3) == 0)
		return false;
	return length == root_length || group[root_length] == '/';
}

/*
 * Writes the directory of the group under a mount to path, and the length of
 * the mount point, above which nothing can be seen. A mount that shows another
 * part of the hierarchy than the one the group is in is looked at in its root alone.
 */
static bool mount_path(const struct mount_line *mount, const char *group, char *path,
		       size_t *point_length)
{
	size_t root_length = (size_t)(mount->root_end - mount->root);
	struct vas_text text;

	if (*mount->point != '/' ||
	    find_byte(mount->point, mount->point_end, '\\') != mount->point_end)
		return false;
	if (root_length == 1)
		root_length = 0; /* "/": the whole hierarchy */
	vas_text_init(&text, path, PATH_ROOM);
	vas_text_add_bytes(&text, mount->point, (size_t)(mount->point_end - mount->point));
	*point_length = text.length;
	if (group_is_below(group, mount->root, root_length))
		vas_text_add(&text, group + root_length);
	if (text.length >= PATH_ROOM - FILE_ROOM)
		return false;
	while (text.length > *point_length && path[text.length - 1] == '/')
		path[--text.length] = '\0';
	return true;
}

/* The directory of the group, and the length of its mount point. */
static bool find_directory(struct vas_sys *sys, const struct cgroup_kind *kind, const char *group,
			   char *path, size_t *point_length)
{
	struct vas_procfile_lines lines;
	struct mount_line mount;
	char buffer[LINE_ROOM];
	bool found = false;
	size_t length;
	char *line;

	if (vas_procfile_open(&lines, sys, "/proc/self/mountinfo", buffer, sizeof(buffer)) < 0)
		return false;
	while (!found && vas_procfile_next(&lines, &line, &length))
		found = mount_line_parse(line, length, &mount) && mount_is_of(&mount, kind) &&
			mount_path(&mount, group, path, point_length);
	vas_procfile_close(&lines);
	return found;
}

/* The number in one file of a directory. */
static int directory_number(struct vas_sys *sys, char *path, const char *file, uint64_t *value)
{
	size_t length = strlen(path);
	int err;

	memcpy(path + length, file, strlen(file) + 1);
	err = vas_procfile_number(sys, path, value);
	path[length] = '\0';
	return err;
}

/* The room under the limit of one directory; UINT64_MAX when it has none. */
static uint64_t directory_room(struct vas_sys *sys, const struct cgroup_kind *kind, char *path)
{
	uint64_t limit, usage;

	/* Version 1 writes "no limit" as the largest multiple of the page. Usage takes the kernel longer than all else. */
	if (directory_number(sys, path, kind->limit_file, &limit) || limit >= INT64_MAX - 65535 ||
	    directory_number(sys, path, kind->usage_file, &usage))
		return UINT64_MAX;
	return limit > usage ? limit - usage : 0;
}

uint64_t vas_cgroup_room(struct vas_sys *sys)
{
	const struct cgroup_kind *kind;
	uint64_t room = UINT64_MAX;
	char group[PATH_ROOM];
	char path[PATH_ROOM];
	size_t point_length;
	size_t length;

	kind = find_group(sys, group);
	if (!kind || !find_directory(sys, kind, group, path, &point_length))
		return UINT64_MAX;
	for (;;) {
		uint64_t here = directory_room(sys, kind, path);

		if (here < room)
			room = here;
		length = strlen(path);
		if (length <= point_length)
			return room;
		while (path[length] != '/')
			length--;
		path[length < point_length ? point_length : length] = '\0';
	}
}

static bool credit_take(uint64_t *credit, uint64_t size)
{
	uint64_t left = __atomic_load_n(credit, __ATOMIC_RELAXED);

	while (left >= size)
		if (__atomic_compare_exchange_n(credit, &left, left - size, true, __ATOMIC_RELAXED,
						__ATOMIC_RELAXED))
			return true;
	return false;
}

bool vas_cgroup_admits(struct vas_sys *sys, uint64_t *credit, uint64_t most, uint64_t size)
{
	uint64_t room, left = most;

	if (credit_take(credit, size))
		return true;
	room = vas_cgroup_room(sys);
	if (room < MARGIN || room - MARGIN < size) {
		__atomic_store_n(credit, 0, __ATOMIC_RELAXED);
		return false;
	}
	if ((room - MARGIN - size) / CREDIT_PART < left)
		left = (room - MARGIN - size) / CREDIT_PART;
	__atomic_store_n(credit, left, __ATOMIC_RELAXED);
	return true;
}
