/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Contenders in processes of their own.
 *
 * What for: the cost of a change to an address space depends on how many
 * mappings there are, and the kernel limits them per process. Two contenders
 * with 30,000 blocks each do not fit into one.
 *
 * How: commands and answers of fixed size over two pipes. Only the worker's own
 * clock counts, so that waking it is not measured; a batch must be long enough
 * that the caches it lost meanwhile do not matter.
 */
#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define OP_STOP UINT32_MAX /* an end of file would not do: other workers hold the pipe's other end too */

struct command {
	uint32_t op;
	uint32_t count;
};

struct answer {
	int64_t err;
	uint64_t spent;
};

static int answer(int fd, int err, uint64_t spent)
{
	struct answer answer = { err, spent };

	return write(fd, &answer, sizeof(answer)) == sizeof(answer) ? 0 : -EPIPE;
}

int worker_serve(const struct worker_job *job, int commands, int answers)
{
	struct command command;
	int err = job->prepare(job->context);

	if (answer(answers, err, 0) || err)
		return err;
	while (read(commands, &command, sizeof(command)) == sizeof(command) &&
	       command.op != OP_STOP) {
		uint64_t spent = 0;

		err = job->run(job->context, command.op, command.count, &spent);
		if (answer(answers, err, spent))
			return -EPIPE;
	}
	return 0;
}

static int receive(const struct worker *worker, uint64_t *spent)
{
	struct answer answer;

	if (read(worker->answers, &answer, sizeof(answer)) != sizeof(answer))
		return -ECHILD;
	*spent = answer.spent;
	return (int)answer.err;
}

/* Forks with two pipes: 0 in the child, which has them on the given descriptors or where they are. */
static pid_t worker_fork(struct worker *worker, int *commands, int *answers)
{
	int down[2], up[2];
	pid_t child;

	if (pipe2(down, O_CLOEXEC))
		return -errno;
	if (pipe2(up, O_CLOEXEC)) {
		close(down[0]);
		close(down[1]);
		return -errno;
	}
	fflush(stdout);
	child = fork();
	if (child < 0)
		child = -errno;
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(down[1]);
		close(up[0]);
		*commands = down[0];
		*answers = up[1];
		return 0;
	}
	signal(SIGPIPE, SIG_IGN); /* a child that died is an error of the next write */
	close(down[0]);
	close(up[1]);
	*worker = (struct worker){ child, down[1], up[0] };
	return child;
}

static int worker_ready(struct worker *worker)
{
	uint64_t spent;
	int err = receive(worker, &spent);

	if (err)
		worker_stop(worker);
	return err;
}

int worker_start(struct worker *worker, const struct worker_job *job)
{
	int commands, answers;
	pid_t child = worker_fork(worker, &commands, &answers);

	if (child == 0)
		_exit(worker_serve(job, commands, answers) ? 1 : 0);
	return child < 0 ? child : worker_ready(worker);
}

/* To a descriptor that an exec keeps, out of the way of the other one first. */
static int keep(int fd, int as)
{
	int high = fcntl(fd, F_DUPFD_CLOEXEC, 16);

	return high < 0 || dup2(high, as) < 0;
}

int worker_spawn(struct worker *worker, char *const *arguments, char *const *environment)
{
	int commands, answers;
	pid_t child = worker_fork(worker, &commands, &answers);

	if (child == 0) {
		int high = fcntl(answers, F_DUPFD_CLOEXEC, 16);

		if (high < 0 || keep(commands, WORKER_COMMANDS) || keep(high, WORKER_ANSWERS))
			_exit(1);
		execve("/proc/self/exe", arguments, environment);
		_exit(1);
	}
	return child < 0 ? child : worker_ready(worker);
}

void worker_stop(struct worker *worker)
{
	struct command command = { OP_STOP, 0 };
	int status;

	(void)!write(worker->commands, &command, sizeof(command)); /* it may have gone already */
	close(worker->commands);
	close(worker->answers);
	while (waitpid(worker->child, &status, 0) < 0 && errno == EINTR)
		;
}

int worker_run(const struct worker *worker, unsigned int op, unsigned int count, uint64_t *spent)
{
	struct command command = { op, count };

	if (write(worker->commands, &command, sizeof(command)) != sizeof(command))
		return -EPIPE;
	return receive(worker, spent);
}

int worker_row_run(void *context, unsigned int count)
{
	struct worker_row *row = context;

	return worker_run(row->worker, row->op, count, &row->spent);
}
