/* SPDX-License-Identifier: BSD-2-Clause */
/* The command vasmap on a process of 60,000 mappings, beside cat of its maps. */
#include "claims.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "layouts.h"

#define MAPPINGS 60000u
#define START 0x200000000000ull
#define SIZE 16384u

extern char **environ;

struct command {
	char *arguments[4];
	long peak_kib;
};

static int command_run(void *context, unsigned int count)
{
	struct command *command = context;
	posix_spawn_file_actions_t actions;
	struct rusage usage;
	int status, err;
	pid_t child;

	for (unsigned int i = 0; i < count; i++) {
		posix_spawn_file_actions_init(&actions);
		posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
		err = posix_spawnp(&child, command->arguments[0], &actions, NULL,
				   command->arguments, environ);
		posix_spawn_file_actions_destroy(&actions);
		if (err)
			return -err;
		while (wait4(child, &status, 0, &usage) < 0)
			if (errno != EINTR)
				return -errno;
		if (!WIFEXITED(status) || WEXITSTATUS(status))
			return -EIO;
		if (usage.ru_maxrss > command->peak_kib)
			command->peak_kib = usage.ru_maxrss;
	}
	return 0;
}

/* Every sixth one backed by a file, protections alternating so that nothing merges. */
static int target_build(void)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	for (unsigned int i = 0; i < MAPPINGS; i++) {
		void *place = (void *)(uintptr_t)(START + (uint64_t)i * SIZE);
		int prot = i % 2 ? PROT_READ : PROT_READ | PROT_WRITE;
		int flags = MAP_PRIVATE | MAP_FIXED | (i % 6 ? MAP_ANONYMOUS : 0);

		if (mmap(place, SIZE, prot, flags, i % 6 ? -1 : fd, 0) == MAP_FAILED)
			return -errno;
	}
	close(fd);
	return 0;
}

/* Starts the target; it ends with us, or when its pipe closes. */
static pid_t target_start(int *keep)
{
	int ready[2], hold[2];
	pid_t child;
	char byte = 0;

	if (pipe(ready) || pipe(hold))
		return -errno;
	child = fork();
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(hold[1]);
		if (target_build() || write(ready[1], &byte, 1) != 1)
			_exit(1);
		_exit(read(hold[0], &byte, 1) < 0);
	}
	close(ready[1]);
	close(hold[0]);
	if (child > 0 && read(ready[0], &byte, 1) != 1)
		child = -EIO;
	close(ready[0]);
	*keep = hold[1];
	return child;
}

static void vasmap_path(char *path, size_t size)
{
	const char *given = getenv("VASMAP");
	ssize_t length;
	char *slash;

	if (given) {
		snprintf(path, size, "%s", given);
		return;
	}
	length = readlink("/proc/self/exe", path, size - 8);
	path[length > 0 ? length : 0] = '\0';
	slash = strrchr(path, '/');
	snprintf(slash ? slash + 1 : path, 8, "vasmap");
}

int bench_vasmap(struct group_context *group)
{
	char path[512], maps[64], pid[16];
	struct command cat = { { (char[]){ "cat" }, maps, NULL }, 0 };
	struct command vasmap = { { path, pid, NULL }, 0 };
	struct contender contenders[] = {
		{ "cat /proc/PID/maps", command_run, &cat, .batch = 1 },
		{ "vasmap PID", command_run, &vasmap, .batch = 1, .bound = 1.5 },
	};
	unsigned int failed = 0;
	int keep = -1, err;
	pid_t target;

	vasmap_path(path, sizeof(path));
	if (access(path, X_OK)) {
		output_note(group->output, "vasmap is not at %s: not measured", path);
		return 0;
	}
	target = target_start(&keep);
	if (target < 0)
		return target;
	snprintf(maps, sizeof(maps), "/proc/%d/maps", (int)target);
	snprintf(pid, sizeof(pid), "%d", (int)target);
	err = measure(contenders, 2, group->rounds, &failed);
	close(keep);
	waitpid(target, NULL, 0);
	if (err) {
		fprintf(stderr, "vasbench: %s: error %d\n", contenders[failed].name, -err);
		return err;
	}
	output_group(group->output, "vasmap, 60,000 mappings", contenders, 2);
	output_note(group->output, "peak memory of vasmap: %ld KiB (at most 8192)", vasmap.peak_kib);
	return 0;
}
