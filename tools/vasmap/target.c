/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is looked at: a process or a saved maps file.
 *
 * Who a process is comes from /proc/PID/stat and status, read before the mappings. A pid alone does
 * not name a process for longer than it lives, so the start time goes with it and is read again at
 * the end, in case the pid got a new owner before the mappings were opened. That a process ended or
 * called exec while they were read, which would look like a short but complete listing, is noticed
 * by the library.
 *
 * What cannot be read here is "not known", never zero. When the mappings themselves are denied, the
 * message compares user ids to say which of the kernel's rules it was.
 */
#include "target.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <vaspace/report.h>

/* Reads a small file whole; returns its length, or a negative errno. */
static int map_file_read(const char *path, char *buffer, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t used = 0;
	ssize_t got;

	if (fd < 0)
		return -errno;
	while ((got = read(fd, buffer + used, size - 1 - used)) != 0) {
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			break;
		used += (size_t)got;
	}
	if (got < 0) {
		int error = -errno;

		close(fd);
		return error;
	}
	close(fd);
	buffer[used] = 0;
	return (int)used;
}

static int map_process_read(pid_t pid, const char *name, char *buffer, size_t size)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	return map_file_read(path, buffer, size);
}

/* The number that is field number wanted of stat, counted from 3 at the text's beginning. */
static uint64_t map_stat_field(const char *text, unsigned wanted)
{
	for (unsigned field = 3; field < wanted; field++) {
		text = strchr(text, ' ');
		if (!text)
			return MAP_UNKNOWN;
		text++;
	}
	return strtoull(text, NULL, 10);
}

static void map_target_read_stat(struct map_target *target)
{
	char text[1024];
	const char *name, *rest;
	size_t length;

	target->start_time = target->threads = MAP_UNKNOWN;
	if (map_process_read(target->pid, "stat", text, sizeof(text)) <= 0)
		return;
	/* The name is in parentheses and may hold any byte, so it ends at the last one. */
	name = strchr(text, '(');
	rest = strrchr(text, ')');
	if (!name || !rest || rest < name || rest[1] != ' ' || !rest[2])
		return;
	length = (size_t)(rest - name - 1);
	if (length >= sizeof(target->command))
		length = sizeof(target->command) - 1;
	memcpy(target->command, name + 1, length);
	target->command[length] = 0;
	target->threads = map_stat_field(rest + 2, 20);
	target->start_time = map_stat_field(rest + 2, 22);
}

static int64_t map_process_uid(pid_t pid)
{
	char text[4096];
	const char *line;

	if (map_process_read(pid, "status", text, sizeof(text)) <= 0)
		return -1;
	line = strstr(text, "\nUid:\t");
	line = line ? strchr(line + 6, '\t') : NULL; /* the second one is the effective one */
	return line ? strtoll(line + 1, NULL, 10) : -1;
}

static uint64_t map_vma_limit(void)
{
	char text[64], *end;
	unsigned long long limit;

	if (map_file_read("/proc/sys/vm/max_map_count", text, sizeof(text)) <= 0)
		return MAP_UNKNOWN;
	limit = strtoull(text, &end, 10);
	return end == text ? MAP_UNKNOWN : limit;
}

/* What to say about an error of opening or reading a process's mappings. */
static const char *map_process_remedy(const struct map_target *target, int error)
{
	switch (-error) {
	case EACCES:
	case EPERM:
		if (target->uid >= 0 && target->uid != (int64_t)geteuid())
			return "other uid; needs CAP_SYS_PTRACE";
		return "not dumpable, or a sandbox forbids it; needs CAP_SYS_PTRACE";
	case ESRCH:
		return "no such process";
	case ENOENT:
		return access("/proc/self/stat", F_OK) == 0 ? "no such process"
							    : "/proc is not mounted";
	case EMFILE:
	case ENFILE:
		return "no file descriptor is left";
	case ENOMEM:
		return "no memory for the buffer";
	case ENOSYS:
		return "a sandbox denies the call";
	default:
		return "cannot be read";
	}
}

static const char *map_file_remedy(int error)
{
	switch (-error) {
	case ENOENT:
		return "no such file, and not a pid or self";
	case EACCES:
	case EPERM:
		return "may not be read";
	case EISDIR:
		return "a directory";
	default:
		return "cannot be read";
	}
}

static void map_target_complain(const struct map_target *target, int error)
{
	struct vas_report report;

	if (!target->path) {
		map_message("maps of %d: %s - %s", (int)target->pid, map_error_name(error),
			    map_process_remedy(target, error));
		return;
	}
	memset(&report, 0, sizeof(report));
	report.size = sizeof(report);
	if (error == -EBADMSG && vas_report_get(&report) == 0 && report.line)
		map_message("%s: line %" PRIu32
			    ": EBADMSG - not a line of a maps file, or out of order",
			    target->operand, report.line);
	else
		map_message("%s: %s - %s", target->operand, map_error_name(error),
			    error == -EBADMSG ? "not a maps file" : map_file_remedy(error));
}

/* Digits only: a pid, unless it is too large for one. */
static bool map_is_digits(const char *text)
{
	return *text && strspn(text, "0123456789") == strlen(text);
}

static enum map_status map_target_name(struct map_target *target, const char *operand)
{
	unsigned long long pid;

	memset(target, 0, sizeof(*target));
	target->operand = operand;
	target->uid = -1;
	target->start_time = target->threads = target->vma_limit = MAP_UNKNOWN;
	if (strcmp(operand, "self") == 0) {
		target->self = true;
		target->pid = getpid();
	} else if (map_is_digits(operand)) {
		errno = 0;
		pid = strtoull(operand, NULL, 10);
		if (errno || pid < 1 || pid > INT32_MAX) {
			map_message("%s is not a pid", operand);
			return MAP_STATUS_FAILED;
		}
		target->pid = (pid_t)pid;
	} else {
		target->path = strcmp(operand, "-") == 0 ? "/dev/stdin" : operand;
	}
	return MAP_STATUS_YES;
}

enum map_status map_target_open(struct map_target *target, const char *operand)
{
	enum map_status status = map_target_name(target, operand);
	VAS_OPTS(vas_layout_opts, opts);
	int error;

	if (status != MAP_STATUS_YES)
		return status;
	if (!target->path) {
		map_target_read_stat(target);
		target->uid = map_process_uid(target->pid);
		target->vma_limit = map_vma_limit();
	}
	target->window.size = sizeof(target->window);
	error = vas_window_get(&target->window);
	if (error) {
		map_message("width of the address space: %s - not even a probe can be mapped",
			    map_error_name(error));
		return MAP_STATUS_FAILED;
	}
	opts.source = target->path ? VAS_LAYOUT_FILE : VAS_LAYOUT_PROCESS;
	opts.pid = target->self ? 0 : target->pid;
	opts.path = target->path;
	error = vas_layout_open(&opts, &target->layout);
	if (error) {
		map_target_complain(target, error);
		return MAP_STATUS_FAILED;
	}
	return MAP_STATUS_YES;
}

void map_target_close(struct map_target *target)
{
	vas_layout_close(target->layout);
	target->layout = NULL;
}

/* Whether the pid belongs to another process by now. */
static bool map_target_replaced(const struct map_target *target)
{
	struct map_target now = *target;

	if (target->path || target->self)
		return false;
	map_target_read_stat(&now);
	return now.start_time != MAP_UNKNOWN && now.start_time != target->start_time;
}

enum map_status map_target_judge(struct map_target *target, int error)
{
	if (error == 0 && map_target_replaced(target))
		error = -ESRCH;
	if (!target->path && error == -ESRCH) {
		map_message(
			"maps of %d: the process ended or called exec meanwhile; what is shown is partial",
			(int)target->pid);
		return MAP_STATUS_NO;
	}
	if (error == 0)
		return MAP_STATUS_YES;
	map_target_complain(target, error);
	return MAP_STATUS_FAILED;
}
