/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: noasan */
/* budget: 5 */
/*
 * Guards are not PROT_NONE: the table of docs/limits.md, a point per cell.
 *
 * Three pages that cannot be read: guarded inside committed memory, reserved
 * (PROT_NONE), and not mapped at all. What an access, a core dump, mlock,
 * populating, fork, a huge page, the charge and a debugger's write make of each.
 *
 * Not under AddressSanitizer, whose handler of SIGSEGV and whose shadow are in the way.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vaspace/vaspace.h>

#include "support/mapping_flag.h"
#include "sys/definitions.h"
#include "tap/tap.h"

enum page_kind { GUARD, RESERVED, ABSENT, KINDS };

static const char *const kind_names[] = { "guard", "PROT_NONE", "absent" };

static struct {
	uint64_t page;
	struct vas_span span;
	char *pages[KINDS];
	sigjmp_buf back;
	volatile int code;
} field;

static void on_fault(int signal, siginfo_t *info, void *context)
{
	(void)signal;
	(void)context;
	field.code = info->si_code;
	siglongjmp(field.back, 1);
}

/* The si_code of the SIGSEGV that reading gives; 0: it can be read. */
static int fault_code(const char *address)
{
	struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO }, old;

	field.code = 0;
	sigaction(SIGSEGV, &action, &old);
	if (!sigsetjmp(field.back, 1))
		(void)*(const volatile char *)address;
	sigaction(SIGSEGV, &old, NULL);
	return field.code;
}

static int advised(char *address, int advice)
{
	return madvise(address, field.page, advice) ? -errno : 0;
}

static void check_fault(void)
{
	is_i64(fault_code(field.pages[GUARD]), SEGV_MAPERR, "guard: SIGSEGV, as if nothing were mapped");
	is_i64(fault_code(field.pages[RESERVED]), SEGV_ACCERR, "PROT_NONE: SIGSEGV, no permission");
	is_i64(fault_code(field.pages[ABSENT]), SEGV_MAPERR, "absent: SIGSEGV, nothing mapped");
}

static void check_populate(void)
{
	is_i64(advised(field.pages[GUARD], MADV_POPULATE_WRITE), -EFAULT, "guard: populate");
	is_i64(advised(field.pages[RESERVED], MADV_POPULATE_WRITE), -EINVAL, "PROT_NONE: populate");
	is_i64(advised(field.pages[ABSENT], MADV_POPULATE_WRITE), -ENOMEM, "absent: populate");
}

static void check_mlock(void)
{
	for (unsigned i = 0; i < KINDS; i++) {
		is_i64(mlock(field.pages[i], field.page) ? -errno : 0, -ENOMEM, "%s: mlock is refused",
		       kind_names[i]);
		munlock(field.pages[i], field.page);
	}
	/* The other way round: what is locked takes no guard. */
	ok(mlock(field.pages[GUARD] + 2 * field.page, field.page) == 0, "a page is locked");
	is_i64(advised(field.pages[GUARD] + 2 * field.page, MADV_GUARD_INSTALL), -EINVAL,
	       "guard: not on locked memory");
	munlock(field.pages[GUARD] + 2 * field.page, field.page);
}

static void check_fork(void)
{
	pid_t child = fork();
	int status = 0;

	if (child == 0)
		_exit(fault_code(field.pages[GUARD]) == SEGV_MAPERR &&
		      fault_code(field.pages[RESERVED]) == SEGV_ACCERR &&
		      fault_code(field.pages[ABSENT]) == SEGV_MAPERR ? 0 : 1);
	waitpid(child, &status, 0);
	ok(WIFEXITED(status) && WEXITSTATUS(status) == 0, "fork: a child faults on all three alike");
}

/* What a debugger does: it writes past the protection. */
static int64_t forced_write(char *address)
{
	int fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	char byte = 0x7f;
	int64_t got;

	if (fd < 0)
		tap_bail("/proc/self/mem cannot be opened");
	got = pwrite(fd, &byte, 1, (off_t)(uintptr_t)address);
	got = got < 0 ? -errno : got;
	close(fd);
	return got;
}

static void check_forced_write(void)
{
	char *page = field.pages[RESERVED];
	bool zero = true;
	int64_t written;

	is_i64(forced_write(field.pages[GUARD]), -EIO, "guard: a debugger's write is refused");
	/* Since 6.12 a system may keep that for those who trace the process. */
	written = forced_write(page);
	ok(written == 1 || written == -EIO, "PROT_NONE: a debugger's write goes through");
	is_i64(forced_write(field.pages[ABSENT]), -EIO, "absent: a debugger's write is refused");
	is_err(vas_commit(page, field.page, NULL), 0, "the page is committed after that");
	for (uint64_t i = 0; i < field.page; i++)
		zero &= page[i] == 0;
	ok(zero, "and reads as zeroes all the same");
	is_err(vas_decommit(page, field.page, NULL), 0, "and goes back");
}

static void check_charge(void)
{
	is_i64(mapping_flag(field.pages[GUARD], " ac"), 1, "guard: its page stays charged");
	is_i64(mapping_flag(field.pages[RESERVED], " ac"), 0, "PROT_NONE: a reservation is not charged");
	is_i64(mapping_flag(field.pages[ABSENT], " ac"), -1, "absent: no mapping to charge");
}

static uint64_t huge_bytes(void)
{
	FILE *file = fopen("/proc/self/smaps_rollup", "re");
	char line[256];
	uint64_t kib = 0;

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "AnonHugePages: %" SCNu64, &kib) == 1)
			break;
	if (file)
		fclose(file);
	return kib << 10;
}

static void huge_case(void *argument)
{
	const uint64_t size = 2ull << 20;
	struct vas_span span;
	long vmas;
	char *start;

	(void)argument;
	VAS_OPTS(vas_reserve_opts, reserve);
	VAS_OPTS(vas_commit_opts, commit);
	reserve.alignment = size;
	commit.flags = VAS_COMMIT_HUGE;
	if (!is_err(vas_reserve(size, &reserve, &span), 0, "reserved") ||
	    !is_err(vas_commit(vas_span_pointer(span), size, &commit), 0, "committed"))
		return;
	start = vas_span_pointer(span);
	memset(start, 1, size);
	if (huge_bytes() < size) {
		vas_release(start, NULL);
		tap_skip_all("no-transparent-huge", "no huge page was given");
	}
	vmas = tap_count_vmas();
	is_err(vas_guard(start + field.page, field.page), 0, "a guard inside a huge page");
	is_u64(huge_bytes(), 0, "splits the huge page");
	is_i64(tap_count_vmas() - vmas, 0, "and no mapping");
	is_i64(start[0] + start[2 * field.page], 2, "what lies beside it is as it was");
	is_err(vas_release(start, NULL), 0, "released");
}

/* Bytes that the core file has for an address: -1 no segment, 0 a segment without bytes. */
static int64_t core_bytes(const char *path, uint64_t address)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int64_t bytes = -1;
	Elf64_Ehdr header;
	Elf64_Phdr segment;

	if (fd < 0 || pread(fd, &header, sizeof(header), 0) != sizeof(header))
		tap_bail("no core file");
	for (unsigned i = 0; i < header.e_phnum; i++) {
		off_t at = (off_t)(header.e_phoff + i * sizeof(segment));

		if (pread(fd, &segment, sizeof(segment), at) != sizeof(segment))
			break;
		if (segment.p_type == PT_LOAD && address >= segment.p_vaddr &&
		    address < segment.p_vaddr + segment.p_memsz)
			bytes = (int64_t)segment.p_filesz;
	}
	close(fd);
	return bytes;
}

static bool cores_are_files(void)
{
	FILE *file = fopen("/proc/sys/kernel/core_pattern", "re");
	char pattern[8] = "";
	bool read;

	if (!file)
		return false;
	read = fgets(pattern, sizeof(pattern), file) != NULL;
	fclose(file);
	return read && strcmp(pattern, "core\n") == 0;
}

static void core_case(void *argument)
{
	char folder[] = "/tmp/vaspace-core-XXXXXX", name[64] = "core";
	struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };
	int status = 0;
	pid_t child;

	(void)argument;
	if (!cores_are_files() || setrlimit(RLIMIT_CORE, &unlimited))
		tap_skip_all("no-core-files", "core dumps do not become files here");
	if (!mkdtemp(folder) || chdir(folder))
		tap_bail("no temporary folder");
	child = fork();
	if (child == 0) {
		prctl(PR_SET_DUMPABLE, 1);
		signal(SIGABRT, SIG_DFL);
		abort();
	}
	waitpid(child, &status, 0);
	if (access(name, R_OK))
		snprintf(name, sizeof(name), "core.%d", (int)child);
	if (ok(WCOREDUMP(status) && access(name, R_OK) == 0, "a core file")) {
		ok(core_bytes(name, (uintptr_t)field.pages[GUARD]) > 0,
		   "guard: dumped with its mapping, as zeroes");
		is_i64(core_bytes(name, (uintptr_t)field.pages[RESERVED]), 0,
		       "PROT_NONE: a segment without bytes");
		is_i64(core_bytes(name, (uintptr_t)field.pages[ABSENT]), -1, "absent: no segment");
	}
	unlink(name);
	ok(chdir("/") == 0 && rmdir(folder) == 0, "nothing is left behind");
}

static bool lay_out(void)
{
	VAS_OPTS(vas_reserve_opts, opts);
	field.page = (uint64_t)sysconf(_SC_PAGESIZE);
	opts.name = "guards";
	if (!is_err(vas_reserve(64 * field.page, &opts, &field.span), 0, "reserved"))
		return false;
	field.pages[GUARD] = (char *)vas_span_pointer(field.span) + 9 * field.page;
	field.pages[RESERVED] = (char *)vas_span_pointer(field.span) + 32 * field.page;
	field.pages[ABSENT] = mmap(NULL, 3 * field.page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	munmap(field.pages[ABSENT], 3 * field.page);
	field.pages[ABSENT] += field.page;
	if (!is_err(vas_commit((char *)vas_span_pointer(field.span) + 8 * field.page, 8 * field.page,
			       NULL), 0, "committed"))
		return false;
	memset(field.pages[GUARD] - field.page, 1, 8 * field.page);
	return is_err(vas_guard(field.pages[GUARD], field.page), 0, "guarded");
}

static bool guards_are_here(void)
{
	struct vas_probe_info info = { .size = sizeof(info) };

	for (size_t i = 0; vas_probe_get(i, &info) == 0; i++)
		if (strcmp(info.name, "guard") == 0)
			return info.state == VAS_PROBE_YES;
	return false;
}

int main(void)
{
	tap_plan(0);
	if (!guards_are_here())
		tap_skip_all("no-guards", "this kernel has no MADV_GUARD_INSTALL");
	if (lay_out()) {
		check_fault();
		check_populate();
		check_mlock();
		check_fork();
		check_charge();
		tap_case("a guard in a huge page", huge_case, NULL, 10);
		tap_case("core dump", core_case, NULL, 30);
		check_forced_write();
		is_err(vas_unguard(field.pages[GUARD], field.page), 0, "unguarded");
		is_i64(fault_code(field.pages[GUARD]), 0, "accessible again");
		is_i64(*field.pages[GUARD], 0, "reads as zero");
		*field.pages[GUARD] = 1;
		is_err(vas_guard(field.pages[GUARD], field.page), 0, "guarded again");
		is_i64(fault_code(field.pages[GUARD]), SEGV_MAPERR, "inaccessible again");
		is_err(vas_release(vas_span_pointer(field.span), NULL), 0, "released");
	}
	return tap_done();
}
