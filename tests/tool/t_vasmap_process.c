/* SPDX-License-Identifier: BSD-2-Clause */
/* budget: 10 */
/* links: util */
/*
 * vasmap on living processes: what it shows agrees with their maps, in each of its forms; processes
 * that end, that replace themselves, that it may not look at; readers that go away; terminals.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/command.h"
#include "tap/tap.h"

static char vasmap[4096];
static char folder[] = "/tmp/vaspace-test.XXXXXX";

#define NOBODY 65534

/* A thread maps a little as it starts; the target is ready when that is over. */
static pthread_barrier_t started;

static void *wait_forever(void *argument)
{
	pthread_barrier_wait(&started);
	for (;;)
		pause();
	return argument;
}

/* The target replaces itself when it is told to. */
static void replace(int number)
{
	(void)number;
	execl("/bin/sleep", "sleep", "60", (char *)NULL);
	_exit(1);
}

static void map_file(const char *name)
{
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	fd = open(path, O_RDWR | O_CREAT, 0600);
	if (fd < 0 || ftruncate(fd, 65536) != 0 ||
	    mmap(NULL, 65536, PROT_READ, MAP_PRIVATE, fd, 0) == MAP_FAILED)
		tap_bail("mapping %s: %s", path, strerror(errno));
	close(fd);
}

/* A bit of everything: threads, guards, files with bad names, a memfd of the library's. */
static void prepare_variety(void *argument)
{
	int fd = memfd_create("vas:test", 0);
	pthread_t thread;
	char *memory;

	(void)argument;
	pthread_barrier_init(&started, NULL, 4);
	for (int i = 0; i < 3; i++)
		pthread_create(&thread, NULL, wait_forever, NULL);
	pthread_barrier_wait(&started);
	memory = mmap(NULL, 1 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	mprotect(memory + 65536, 4096, PROT_READ);
	if (fd < 0 || ftruncate(fd, 65536) != 0 ||
	    mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED)
		tap_bail("memfd: %s", strerror(errno));
	map_file("plain");
	map_file("new\nline \033[31mred");
	map_file("was\\here");
}

/* Enough mappings for several pipes full of text. */
static void prepare_many(void *argument)
{
	char *memory = mmap(NULL, 8000 * 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)argument;
	if (memory == MAP_FAILED)
		tap_bail("mmap: %s", strerror(errno));
	for (int i = 0; i < 8000; i += 2)
		mprotect(memory + i * 4096, 4096, PROT_READ | PROT_WRITE);
	signal(SIGUSR1, replace);
}

static void prepare_nothing(void *argument)
{
	(void)argument;
}

static void run(struct command *command, pid_t pid, const char *first, const char *second)
{
	const char *arguments[] = { vasmap, first, second, NULL, NULL };
	char number[16];

	snprintf(number, sizeof(number), "%d", (int)pid);
	arguments[!first ? 1 : !second ? 2 : 3] = number;
	command_run(command, arguments);
}

/* One line "start - end prot" per mapping, from maps. */
static char *wanted_rows(pid_t pid)
{
	char *maps = process_file(pid, "maps"), *rows = calloc(1, strlen(maps) + 1), *at = rows;

	for (char *line = strtok(maps, "\n"); line; line = strtok(NULL, "\n")) {
		unsigned long start, end;
		char prot[5];

		if (sscanf(line, "%lx-%lx %4s", &start, &end, prot) == 3)
			at += sprintf(at, "%012lx - %012lx %s\n", start, end, prot);
	}
	free(maps);
	return rows;
}

/* The same from rows of vasmap --all. */
static char *shown_rows(const char *out)
{
	char *copy = strdup(out), *rows = calloc(1, strlen(out) + 1), *at = rows;

	for (char *line = strtok(copy, "\n"); line; line = strtok(NULL, "\n")) {
		unsigned long start, end;
		char size[32], prot[5];

		if (sscanf(line, "%lx - %lx %31s %4s", &start, &end, size, prot) == 4)
			at += sprintf(at, "%012lx - %012lx %s\n", start, end, prot);
	}
	free(copy);
	return rows;
}

static void check_agreement(pid_t pid)
{
	struct command command = { 0 };
	char *wanted = wanted_rows(pid), *shown;

	run(&command, pid, "--all", NULL);
	shown = shown_rows(command.out);
	is_i64(command.status, 0, "a listing of a process");
	is_str(command.err, "", "without a message");
	is_str(shown, wanted, "its rows are the lines of maps");
	free(shown);
	free(wanted);
	command_free(&command);
}

/* Each gap that maps shows between two mappings is listed, and no other but those at the ends. */
static void check_gaps(pid_t pid)
{
	struct command command = { 0 };
	char *maps = process_file(pid, "maps"), *wanted = calloc(1, strlen(maps) + 1), *at = wanted;
	char *shown = calloc(1, strlen(maps) + 1), *to = shown;
	unsigned long last = 0, start, end;

	for (char *line = strtok(maps, "\n"); line; line = strtok(NULL, "\n")) {
		if (sscanf(line, "%lx-%lx", &start, &end) != 2 || start >> 63)
			continue;
		if (last && start > last)
			at += sprintf(at, "%lx-%lx\n", last, start);
		last = end;
	}
	run(&command, pid, "--gaps", NULL);
	for (char *line = strtok(command.out, "\n"); line; line = strtok(NULL, "\n"))
		if (sscanf(line, "%lx - %lx", &start, &end) == 2 && !strstr(line, "  -  ") &&
		    strcmp(line + strlen(line) - 2, " -") != 0)
			to += sprintf(to, "%lx-%lx\n", start, end);
	is_str(shown, wanted, "the gaps are those between the lines of maps");
	free(shown);
	free(wanted);
	free(maps);
	command_free(&command);
}

static void check_names(pid_t pid)
{
	struct command command = { 0 };

	run(&command, pid, "--all", NULL);
	ok(strstr(command.out, "/new\\012line \\033[31mred\n"),
	   "control bytes of a name are escaped");
	ok(strstr(command.out, "/was\\\\here\n"), "a backslash is doubled");
	ok(!strchr(command.out, '\033'), "nothing reaches the terminal");
	ok(strstr(command.out, " arena       1  vas:test\n"), "a memfd named vas: is an arena");
	command_free(&command);
	run(&command, pid, NULL, NULL);
	if (tap_under_sanitizer())
		tap_skip(1, "checker-memory", "the sanitizer's own memory lies between the stacks");
	else
		ok(strstr(command.out, " 3 thread stacks\n"), "threads' stacks fold into a row");
	command_free(&command);
}

/* The row that `at` shows for the start of each mapping is the row of the listing. */
static void check_at(pid_t pid)
{
	struct command list = { 0 };
	unsigned differ = 0, rows = 0;
	char *after;

	run(&list, pid, "--all", NULL);
	for (char *line = strtok_r(list.out, "\n", &after); line;
	     line = strtok_r(NULL, "\n", &after)) {
		struct command command = { 0 };
		const char *arguments[] = { vasmap, "at", NULL, NULL, NULL };
		char address[24] = "0x", number[16];

		if (strncmp(line + 12, " - ", 3) != 0 && strncmp(line + 16, " - ", 3) != 0)
			continue;
		if (sscanf(line, "%20s", address + 2) != 1 || address[2] == 'S')
			continue;
		snprintf(number, sizeof(number), "%d", (int)pid);
		arguments[2] = address;
		arguments[3] = number;
		command_run(&command, arguments);
		rows++;
		if (command.status != 0 || strncmp(command.out, line, strlen(line)) != 0) {
			tap_diag("listing: %s", line);
			tap_diag("at:      %s", command.out);
			differ++;
		}
		command_free(&command);
	}
	ok(rows > 20, "%u rows", rows);
	is_u64(differ, 0, "`at` shows the rows of the listing");
	command_free(&list);
}

static void check_find(pid_t pid)
{
	struct command command = { 0 };
	char number[16], *maps = process_file(pid, "maps");
	const char *arguments[] = { vasmap,    "find", number,	 "--size", "64M",
				    "--align", "64M",  "--json", NULL };
	unsigned long start = 1, end = 0, low, high;
	unsigned overlaps = 0;
	const char *place;

	snprintf(number, sizeof(number), "%d", (int)pid);
	command_run(&command, arguments);
	place = strstr(command.out, "\"places\":[\n");
	if (place)
		sscanf(place, "\"places\":[\n{\"start\":\"%lx\",\"end\":\"%lx\"", &start, &end);
	is_i64(command.status, 0, "64 MiB are found");
	is_u64(end - start, 64 << 20, "all of them");
	is_u64(start % (64 << 20), 0, "aligned");
	for (char *line = strtok(maps, "\n"); line; line = strtok(NULL, "\n"))
		if (sscanf(line, "%lx-%lx", &low, &high) == 2)
			overlaps += low < end && start < high;
	is_u64(overlaps, 0, "where nothing is mapped");
	free(maps);
	command_free(&command);
}

static void wait_for_name(pid_t pid, const char *name)
{
	for (int i = 0; i < 2000; i++) {
		char *comm = process_file(pid, "comm");
		bool there = strcmp(comm, name) == 0;

		free(comm);
		if (there)
			return;
		usleep(5000);
	}
	tap_bail("the target did not call exec");
}

/* Starts a listing whose reader does not read, lets the target go, and reads the rest. */
static void check_gone(const char *how, int with)
{
	pid_t pid = target_start(prepare_many, NULL);
	struct command command = { 0 };
	char number[16], wanted[128];
	const char *arguments[] = { vasmap, "--json", "--all", number, NULL };
	const char *end;
	int asleep = 0;

	snprintf(number, sizeof(number), "%d", (int)pid);
	snprintf(
		wanted, sizeof(wanted),
		"vasmap: maps of %d: the process ended or called exec meanwhile; what is shown is partial\n",
		(int)pid);
	command_start(&command, arguments);
	/* Its pipe is full when it goes on sleeping. */
	for (int i = 0; i < 2000 && asleep < 5; i++) {
		char *stat = process_file(command.pid, "stat");

		asleep = strstr(stat, ") S ") ? asleep + 1 : 0;
		free(stat);
		usleep(5000);
	}
	kill(pid, with);
	if (with == SIGKILL)
		waitpid(pid, NULL, 0);
	else
		wait_for_name(pid, "sleep\n");
	command_finish(&command);
	end = command.out_length > 18 ? command.out + command.out_length - 18 : "";
	is_i64(command.status, 1, "a process that %s: partial", how);
	is_str(command.err, wanted, "a process that %s: says so", how);
	is_str(end, "\"complete\":false}\n", "a process that %s: the JSON says so", how);
	command_free(&command);
	if (with != SIGKILL)
		target_end(pid);
}

static void check_zombie(void)
{
	struct command command = { 0 };
	pid_t pid = fork();
	siginfo_t info;

	if (pid == 0)
		_exit(0);
	waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT);
	run(&command, pid, NULL, NULL);
	is_i64(command.status, 0, "a process that has ended but is not waited for has no mappings");
	ok(strstr(command.out, "\nVMAs 0/"), "and says so");
	waitpid(pid, NULL, 0);
	command_free(&command);
}

/* The process of another user: ours for nobody when we are root, else init if it is another's. */
static void check_denied(void)
{
	struct command command = { 0 };
	pid_t pid = 1;
	char wanted[128];
	struct stat owner;

	if (geteuid() == 0) {
		pid = getpid();
		command.uid = NOBODY;
	} else if (stat("/proc/1", &owner) != 0 || owner.st_uid == geteuid()) {
		tap_diag("no process of another user is to be seen");
		return;
	}
	snprintf(wanted, sizeof(wanted),
		 "vasmap: maps of %d: EACCES - other uid; needs CAP_SYS_PTRACE\n", (int)pid);
	run(&command, pid, NULL, NULL);
	is_i64(command.status, 2, "a process of another user is a failure");
	is_str(command.err, wanted, "one line says why and what helps");
	is_u64(command.out_length, 0, "nothing is shown");
	command_free(&command);
}

static void check_reader_gone(pid_t pid, bool ignore)
{
	struct command command = { .ignore_sigpipe = ignore };
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) != 0)
		tap_bail("pipe: %s", strerror(errno));
	close(ends[0]);
	command.output = ends[1];
	run(&command, pid, NULL, NULL);
	if (ignore)
		is_i64(command.status, 2, "a reader that went away: 2 when SIGPIPE is ignored");
	else
		is_i64(command.status, -SIGPIPE, "a reader that went away: SIGPIPE as usual");
	is_str(command.err, "", "in silence");
	close(ends[1]);
	command_free(&command);
}

/* What is seen of a line: escape sequences fill no column. */
static size_t line_columns(const char *line, size_t length)
{
	size_t columns = 0;

	for (size_t i = 0; i < length; i++) {
		if (line[i] == '\033')
			while (i < length && line[i] != 'm')
				i++;
		else if (line[i] != '\r' && ((unsigned char)line[i] & 0xc0) != 0x80)
			columns++;
	}
	return columns;
}

/* Runs vasmap with an option on a terminal and returns what appears there. */
static char *on_terminal(pid_t pid, const char *option, const char *other, unsigned short columns)
{
	struct winsize size = { .ws_row = 24, .ws_col = columns };
	struct command command = { 0 };
	char *text = calloc(1, 1 << 20), number[16];
	const char *arguments[] = { vasmap, number, option, other, NULL };
	int main_side, other_side;
	size_t used = 0;
	ssize_t got;

	snprintf(number, sizeof(number), "%d", (int)pid);
	if (openpty(&main_side, &other_side, NULL, NULL, &size) != 0)
		tap_bail("openpty: %s", strerror(errno));
	fcntl(main_side, F_SETFD, FD_CLOEXEC);
	command.output = other_side;
	command_start(&command, arguments);
	close(other_side);
	while (used < (1 << 20) - 1 &&
	       (got = read(main_side, text + used, (1 << 20) - 1 - used)) > 0)
		used += (size_t)got;
	close(main_side);
	command_finish(&command);
	command_free(&command);
	return text;
}

/* How wide the widest row is; *cut is how many have dots in them. */
static size_t widest_row(const char *text, size_t *cut)
{
	size_t widest = 0;

	*cut = 0;
	for (const char *line = text; *line;) {
		size_t length = strcspn(line, "\n");

		if (strncmp(line + 12, " - ", 3) == 0) {
			size_t columns = line_columns(line, length);

			widest = columns > widest ? columns : widest;
			*cut += memmem(line, length, "...", 3) != NULL;
		}
		line += length + (line[length] == '\n');
	}
	return widest;
}

static void check_width(pid_t pid, const char *option, unsigned short columns)
{
	char *text = on_terminal(pid, option, NULL, columns);
	size_t cut, widest = widest_row(text, &cut);

	ok(widest > 60 && widest <= columns && cut > 0,
	   "%s on a terminal of %u columns: rows keep to %zu, %zu have a name that is cut", option,
	   columns, widest, cut);
	free(text);
}

static void check_colour(pid_t pid, const char *option, bool wanted, const char *when)
{
	char *text = on_terminal(pid, "--all", option, 300);

	if (wanted)
		ok(strstr(text, "\033[34mimage\033[0m"), "colour %s", when);
	else
		ok(*text && !strchr(text, '\033'), "no colour %s", when);
	ok(!strstr(text, "..."), "on a wide terminal nothing is cut");
	free(text);
}

static void check_terminal(pid_t pid)
{
	check_width(pid, "--all", 74);
	check_width(pid, "--gaps", 80);
	check_colour(pid, NULL, true, "on a terminal");
	check_colour(pid, "--color=never", false, "when none is wanted");
	setenv("NO_COLOR", "1", 1);
	check_colour(pid, NULL, false, "with NO_COLOR");
	setenv("NO_COLOR", "", 1);
	check_colour(pid, NULL, true, "with an empty NO_COLOR");
	unsetenv("NO_COLOR");
	setenv("TERM", "dumb", 1);
	check_colour(pid, NULL, false, "on a dumb terminal");
}

static void remove_folder(void)
{
	static const char *const names[] = { "plain", "new\nline \033[31mred", "was\\here" };
	char path[4096];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
		unlink(path);
	}
	rmdir(folder);
}

int main(void)
{
	pid_t pid;

	tap_plan(0);
	snprintf(vasmap, sizeof(vasmap), "%s", command_path("bin/vasmap"));
	setenv("TERM", "xterm", 1);
	unsetenv("NO_COLOR");
	if (!mkdtemp(folder))
		tap_bail("mkdtemp: %s", strerror(errno));
	pid = target_start(prepare_variety, NULL);
	check_agreement(pid);
	check_gaps(pid);
	check_names(pid);
	check_at(pid);
	check_find(pid);
	check_reader_gone(pid, true);
	check_reader_gone(pid, false);
	check_terminal(pid);
	target_end(pid);
	remove_folder();

	check_gone("ends meanwhile", SIGKILL);
	check_gone("calls exec meanwhile", SIGUSR1);
	check_zombie();
	check_denied();
	pid = target_start(prepare_nothing, NULL);
	check_agreement(pid);
	target_end(pid);
	return tap_done();
}
