/* SPDX-License-Identifier: BSD-2-Clause */
/* What tests of queues between threads and processes have in common. */
#ifndef TESTS_SUPPORT_QUEUE_PEERS_H
#define TESTS_SUPPORT_QUEUE_PEERS_H

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vaspace/vaspace.h>

#include "arena/peer.h"
#include "tap/tap.h"

#define QUEUE_PEERS_THREADS 4u

static inline void *queue_peers_nothing(void *unused)
{
	return unused;
}

/* What the library keeps is made by the first call, and what libc keeps of so many threads when they run first. */
static inline void queue_peers_baseline(unsigned int count)
{
	pthread_t threads[QUEUE_PEERS_THREADS];
	struct vas_span span;

	for (unsigned int i = 0; i < count; i++)
		if (pthread_create(&threads[i], NULL, queue_peers_nothing, NULL))
			tap_bail("no thread");
	for (unsigned int i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
	if (vas_reserve((uint64_t)sysconf(_SC_PAGESIZE), NULL, &span) ||
	    vas_release(vas_span_pointer(span), NULL))
		tap_bail("no span");
	tap_baseline();
}

static inline struct vas_queue *queue_peers_make(uint64_t size, uint32_t flags, enum vas_fork fork)
{
	struct vas_queue *queue = NULL;

	VAS_OPTS(vas_queue_opts, opts);
	VAS_OPTS(vas_ring_opts, ring);
	VAS_OPTS(vas_arena_opts, arena);
	VAS_OPTS(vas_reserve_opts, reserve);
	reserve.fork = fork;
	arena.reserve = &reserve;
	ring.arena = &arena;
	opts.ring = &ring;
	opts.flags = flags;
	if (vas_queue_create(size, &opts, &queue))
		tap_bail("no queue");
	return queue;
}

/* What a child exits with; 256: it was killed. */
static inline int queue_peers_end(pid_t child)
{
	int status;

	if (child < 0 || waitpid(child, &status, 0) != child)
		tap_bail("no child");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 256;
}

/* By which a process that is no more was known. */
static inline uint64_t queue_peers_dead(void)
{
	struct vas_sys *sys = vas_sys_real();
	uint64_t word = VAS_PEER_NONE;
	int ends[2];
	pid_t child;

	if (pipe(ends))
		tap_bail("no pipe");
	child = fork();
	if (child == 0) {
		word = vas_peer_self(sys, vas_peer_namespace(sys));
		_exit(write(ends[1], &word, sizeof(word)) != (ssize_t)sizeof(word));
	}
	if (queue_peers_end(child) || read(ends[0], &word, sizeof(word)) != (ssize_t)sizeof(word))
		tap_bail("no child that tells");
	close(ends[0]);
	close(ends[1]);
	return word;
}

/* Kills a child when it has stopped; it stays a zombie until its end is asked for. */
static inline void queue_peers_kill(pid_t child)
{
	siginfo_t info;
	int status;

	if (child < 0 || waitpid(child, &status, WUNTRACED) != child || !WIFSTOPPED(status))
		tap_bail("no child that stops");
	kill(child, SIGKILL);
	if (waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT))
		tap_bail("the child is not dead");
}

#endif
