/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Runs a command and keeps what it says; and processes that stand still to be looked at.
 *
 * The program is opened before the user is changed and started through its descriptor, since
 * another user may not be able to reach the build. Both kinds of children die with the test.
 */
#include "support/command.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tap/tap.h"

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

const char *command_path(const char *name)
{
	static char path[4096];
	const char *build = getenv("VASPACE_BUILD");

	if (!build)
		tap_bail("VASPACE_BUILD is not set");
	snprintf(path, sizeof(path), "%s/%s", build, name);
	return path;
}

static _Noreturn void child_run(const struct command *command, int program, int output, int error,
				const char *const arguments[])
{
	union {
		const char *const *in;
		char *const *out;
	} list = { arguments };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (command->ignore_sigpipe)
		signal(SIGPIPE, SIG_IGN);
	if (dup2(output, STDOUT_FILENO) < 0 || dup2(error, STDERR_FILENO) < 0)
		_exit(126);
	if (command->uid && (setgid(command->uid) != 0 || setuid(command->uid) != 0))
		_exit(126);
	fexecve(program, list.out, environ);
	_exit(127);
}

void command_start(struct command *command, const char *const arguments[])
{
	int program = open(arguments[0], O_RDONLY | O_CLOEXEC);
	int out[2] = { -1, -1 }, err[2];

	if (program < 0)
		tap_bail("%s: %s", arguments[0], strerror(errno));
	if ((!command->output && pipe2(out, O_CLOEXEC) != 0) || pipe2(err, O_CLOEXEC) != 0)
		tap_bail("pipe: %s", strerror(errno));
	fflush(stdout);
	command->started = now();
	command->pid = fork();
	if (command->pid < 0)
		tap_bail("fork: %s", strerror(errno));
	if (command->pid == 0)
		child_run(command, program, command->output ? command->output : out[1], err[1],
			  arguments);
	close(program);
	close(err[1]);
	if (!command->output)
		close(out[1]);
	command->out_pipe = out[0];
	command->err_pipe = err[0];
}

/* Appends what can be read; closes the pipe at its end. */
static void pipe_read(int *pipe, char **text, size_t *length)
{
	char *grown = realloc(*text, *length + 65537);
	ssize_t got;

	if (!grown)
		tap_bail("out of memory");
	*text = grown;
	got = read(*pipe, grown + *length, 65536);
	if (got > 0)
		*length += (size_t)got;
	grown[*length] = 0;
	if (got == 0) {
		close(*pipe);
		*pipe = -1;
	}
}

void command_finish(struct command *command)
{
	struct rusage usage;
	int status;

	while (command->out_pipe >= 0 || command->err_pipe >= 0) {
		struct pollfd pipes[2] = { { command->out_pipe, POLLIN, 0 },
					   { command->err_pipe, POLLIN, 0 } };

		if (poll(pipes, 2, -1) < 0 && errno != EINTR)
			tap_bail("poll: %s", strerror(errno));
		if (pipes[0].revents)
			pipe_read(&command->out_pipe, &command->out, &command->out_length);
		if (pipes[1].revents)
			pipe_read(&command->err_pipe, &command->err, &command->err_length);
	}
	while (wait4(command->pid, &status, 0, &usage) < 0)
		if (errno != EINTR)
			tap_bail("wait4: %s", strerror(errno));
	command->seconds = now() - command->started;
	command->status = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
	command->max_rss_kib = usage.ru_maxrss;
}

void command_run(struct command *command, const char *const arguments[])
{
	command_start(command, arguments);
	command_finish(command);
}

void command_free(struct command *command)
{
	free(command->out);
	free(command->err);
	memset(command, 0, sizeof(*command));
}

pid_t target_start(void (*prepare)(void *argument), void *argument)
{
	int ready[2];
	char byte = 0;
	pid_t pid;

	if (pipe2(ready, O_CLOEXEC) != 0)
		tap_bail("pipe: %s", strerror(errno));
	fflush(stdout);
	pid = fork();
	if (pid < 0)
		tap_bail("fork: %s", strerror(errno));
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		prepare(argument);
		if (write(ready[1], &byte, 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	if (read(ready[0], &byte, 1) != 1)
		tap_bail("the process to look at did not become ready");
	close(ready[0]);
	return pid;
}

void target_end(pid_t pid)
{
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

char *process_file(pid_t pid, const char *name)
{
	char path[64], *text = NULL;
	size_t length = 0;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		tap_bail("%s: %s", path, strerror(errno));
	while (fd >= 0)
		pipe_read(&fd, &text, &length);
	return text;
}
