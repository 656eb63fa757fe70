/*
 * The sandbox, see sandbox.h. Starts as root and ends as the gate user. Run by a gate before it
 * reads from the network, by the gate zygote before its first gate, and by the signer before its
 * first signature.
 */

#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pwd.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/descriptors.h"
#include "base/log.h"

/*
 * Octets of memory for dialogue and handshake, ten times their need; added to the memory in use.
 */
#define DATA_MAX	(32UL * 1024 * 1024)

/* More descriptors than a gate of the zygote has, with the zygote's own. */
#define ZYGOTE_FDS_MAX	64

static const char *const names[] = {
	[SANDBOX_GATE] = "gate",
	[SANDBOX_ZYGOTE] = "gate zygote",
	[SANDBOX_SIGNER] = "signer",
};

/* Name of this process, for its error texts. */
static const char *process_name;

static void
must(bool done, const char *what)
{
	if (!done)
		die("%s: %s", process_name, what);
}

/* Number of descriptors that stay open; sandbox_close_others() closes all others. */
static unsigned n_descriptors;

/* Set in a zygote, for its gates: data_before is known, and standard error is /dev/null. */
static bool resources_known;
static rlim_t data_before;

void
sandbox_descriptors(const int *fds, int n)
{
	int high[SANDBOX_FIRST_FREE], i;

	/* Only gates have such descriptors; a gate of a zygote has the zygote's memory. */
	process_name = names[SANDBOX_GATE];
	/* High copies first: dup3(2) must not replace a descriptor that is yet to be copied. */
	for (i = 0; i < n; i++) {
		high[i] = fds[i] == -1 ? -1 : fcntl(fds[i], F_DUPFD_CLOEXEC, SANDBOX_FIRST_FREE);
		must(fds[i] == -1 || high[i] != -1, "dup");
	}
	for (i = 0; i < n; i++)
		if (high[i] == -1)
			close(SANDBOX_MONITOR + i);
		else
			must(dup3(high[i], SANDBOX_MONITOR + i, O_CLOEXEC) != -1, "dup");
	n_descriptors = (unsigned)(SANDBOX_MONITOR + n);
#ifndef IMAPGATE_SANITIZED
	/*
	 * SECURITY: a compromised gate must not write to the log. A zygote has no log any
	 * more.
	 */
	if (resources_known)
		return;
	int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	must(null_fd != -1, "/dev/null");
	must(dup3(null_fd, STDERR_FILENO, O_CLOEXEC) != -1, "dup");
	close(null_fd);
#endif
}

void
sandbox_close_others(void)
{
	int fd;

	if (descriptors_close_from((int)n_descriptors))
		return;
	/* A zygote's root has no /proc, but few descriptors are open. */
	must(resources_known, "can't close descriptors");
	for (fd = (int)n_descriptors; fd < ZYGOTE_FDS_MAX; fd++)
		close(fd);
}

/*
 * Changes the root to an empty directory that only root can write to. Makes it if it is missing,
 * as on systems without tmpfiles.d(5).
 */
static void
leave_file_system(const char *root)
{
	struct stat st;

	die_status = EX_CONFIG;
	must(mkdir(root, 0755) == 0 || errno == EEXIST, root);
	must(chdir(root) == 0 && stat(".", &st) == 0, root);
	errno = 0;
	must(st.st_uid == 0 && (st.st_mode & (S_IWGRP | S_IWOTH)) == 0, "--gate-root can be written to by users other than root");
	must(chroot(".") == 0, root);
	die_status = EX_TEMPFAIL;
}

static void
become_gate_user(uid_t uid, gid_t gid)
{
	must(setgroups(0, NULL) == 0, "setgroups");
	must(setresgid(gid, gid, gid) == 0, "setresgid");
	must(setresuid(uid, uid, uid) == 0, "setresuid");
	/* SECURITY: root must be out of reach now. */
	errno = 0;
	must(setresuid(0, 0, 0) == -1, "root could be regained");
}

/* Lowers a limit. A lower one of the administrator's stays: raising it takes root. */
static void
lower_limit(int resource, rlim_t max, const char *name)
{
	struct rlimit rl;

	must(getrlimit(resource, &rl) == 0, name);
	if (rl.rlim_max > max)
		rl.rlim_max = max;
	if (rl.rlim_cur > rl.rlim_max)
		rl.rlim_cur = rl.rlim_max;
	must(setrlimit(resource, &rl) == 0, name);
}

#ifndef IMAPGATE_SANITIZED
/*
 * Returns the octets of memory that is mapped private and writable (proc(5), statm); 0 without
 * /proc.
 */
static rlim_t
data_size(void)
{
	unsigned long pages = 0;
	FILE *statm = fopen("/proc/self/statm", "re");

	if (statm == NULL)
		return 0;
	if (fscanf(statm, "%*u %*u %*u %*u %*u %lu", &pages) != 1)
		pages = 0;
	fclose(statm);
	return (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE);
}
#endif

static void
limit_gate(rlim_t data)
{
#ifndef IMAPGATE_NO_SECCOMP
	/* One more for a relay's stream. valgrind(1) keeps descriptors of its own above these. */
	lower_limit(RLIMIT_NOFILE, n_descriptors + 1, "RLIMIT_NOFILE");
#endif
#ifndef IMAPGATE_SANITIZED
	lower_limit(RLIMIT_NPROC, 0, "RLIMIT_NPROC");
	lower_limit(RLIMIT_DATA, data, "RLIMIT_DATA");
#else
	(void)data;
#endif
}

static void
limit_resources(enum sandbox_kind kind, rlim_t data)
{
	lower_limit(RLIMIT_FSIZE, 0, "RLIMIT_FSIZE");
	lower_limit(RLIMIT_CORE, 0, "RLIMIT_CORE");
	if (kind == SANDBOX_GATE)
		limit_gate(data);
	/*
	 * Prevents core files, ptrace(2) and access to /proc/PID/mem by processes of the same
	 * user.
	 */
	must(prctl(PR_SET_DUMPABLE, 0) == 0, "PR_SET_DUMPABLE");
	must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, "PR_SET_NO_NEW_PRIVS");
}

/*
 * Raises a limit as far as possible: all gates of a zygote are one user's, and a signer has a
 * descriptor for each connection. The listener limits their number.
 */
static void
raise_limit(int resource)
{
	struct rlimit rl;

	if (getrlimit(resource, &rl) == -1)
		return;
	rl.rlim_cur = rl.rlim_max;
	setrlimit(resource, &rl);
	rl = (struct rlimit){ RLIM_INFINITY, RLIM_INFINITY };
	setrlimit(resource, &rl);
}

#ifndef IMAPGATE_NO_SECCOMP

#if defined(__x86_64__)
#define ARCHITECTURE	AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCHITECTURE	AUDIT_ARCH_AARCH64
#elif defined(__riscv) && __riscv_xlen == 64
#define ARCHITECTURE	AUDIT_ARCH_RISCV64
#elif defined(__powerpc64__) && defined(__LITTLE_ENDIAN__)
#define ARCHITECTURE	AUDIT_ARCH_PPC64LE
#elif defined(__arm__) && defined(__ARM_EABI__)
#define ARCHITECTURE	AUDIT_ARCH_ARM
#elif defined(__s390__)
#error "send(3) is socketcall(2) on s390x, whose arguments a seccomp filter can't see: the gate would be killed at its greeting"
#else
#error "the seccomp filter needs to know this architecture's AUDIT_ARCH constant"
#endif

/* Bit in the numbers of the same machine's other ABI (x32). */
#define FOREIGN_ABI	0x40000000

enum action {
	ALLOWED,
	NOT_EXECUTABLE,		/* allowed, unless argument 3 has PROT_EXEC */
	TLS_KEYS,		/* allowed, if argument 2 (the level) is SOL_TLS */
	REFUSED,		/* fails with EACCES; libraries continue without it */
};

/* All other system calls kill the process. */
static const struct rule {
	unsigned	nr;
	enum action	action;
	unsigned	kinds;		/* set of enum sandbox_kind; 0: all kinds */
} rules[] = {
	/* input and output on open descriptors */
	{ __NR_read, ALLOWED, 0 },
	{ __NR_write, ALLOWED, 0 },
	{ __NR_recvfrom, ALLOWED, 0 },
#ifdef __NR_recv
	/* the C library's recv(3) and send(3) on arm and powerpc */
	{ __NR_recv, ALLOWED, 0 },
	{ __NR_send, ALLOWED, 0 },
#endif
	{ __NR_recvmsg, ALLOWED, 0 },
	{ __NR_sendto, ALLOWED, 0 },
	{ __NR_sendmsg, ALLOWED, 0 },
#ifdef __NR_poll
	{ __NR_poll, ALLOWED, 0 },
#endif
	{ __NR_ppoll, ALLOWED, 0 },
#ifdef __NR_ppoll_time64
	{ __NR_ppoll_time64, ALLOWED, 0 },
#endif
	/* time limit at the end of a connection (gate/bounds.c) */
	{ __NR_setitimer, ALLOWED, 0 },
	{ __NR_shutdown, ALLOWED, 0 },
	/* TLS keys for the kernel (gate/ktls.c) */
	{ __NR_setsockopt, TLS_KEYS, SANDBOX_GATE | SANDBOX_ZYGOTE },
	{ __NR_close, ALLOWED, 0 },
	/* memory, but none that is executable */
	{ __NR_brk, ALLOWED, 0 },
#ifdef __NR_mmap
	{ __NR_mmap, NOT_EXECUTABLE, 0 },
#endif
#ifdef __NR_mmap2
	{ __NR_mmap2, NOT_EXECUTABLE, 0 },
#endif
	{ __NR_mprotect, NOT_EXECUTABLE, 0 },
	{ __NR_munmap, ALLOWED, 0 },
	{ __NR_mremap, ALLOWED, 0 },
	{ __NR_madvise, ALLOWED, 0 },
	/* OpenSSL: locks, random numbers, time, detection of forks */
	{ __NR_futex, ALLOWED, 0 },
	{ __NR_getrandom, ALLOWED, 0 },
	{ __NR_clock_gettime, ALLOWED, 0 },
#ifdef __NR_clock_gettime64
	{ __NR_futex_time64, ALLOWED, 0 },
	{ __NR_clock_gettime64, ALLOWED, 0 },
#endif
	{ __NR_gettimeofday, ALLOWED, 0 },
#ifdef __NR_time
	{ __NR_time, ALLOWED, 0 },
#endif
	{ __NR_getpid, ALLOWED, 0 },
	/* a zygote's gate, between its fork and its own filter */
	{ __NR_clone, ALLOWED, SANDBOX_ZYGOTE },
	{ __NR_close_range, ALLOWED, SANDBOX_ZYGOTE },
	{ __NR_socketpair, ALLOWED, SANDBOX_ZYGOTE },
	{ __NR_dup3, ALLOWED, SANDBOX_ZYGOTE },
#ifdef __NR_dup2
	{ __NR_dup2, ALLOWED, SANDBOX_ZYGOTE },
#endif
	{ __NR_fcntl, ALLOWED, SANDBOX_ZYGOTE },
#ifdef __NR_fcntl64
	{ __NR_fcntl64, ALLOWED, SANDBOX_ZYGOTE },
#endif
	{ __NR_getsockopt, ALLOWED, SANDBOX_ZYGOTE },
	{ __NR_rt_sigaction, ALLOWED, SANDBOX_ZYGOTE },
	{ __NR_rt_sigprocmask, ALLOWED, SANDBOX_ZYGOTE },
	{ __NR_prctl, ALLOWED, SANDBOX_ZYGOTE },
	{ __NR_prlimit64, ALLOWED, SANDBOX_ZYGOTE },
#ifdef __NR_setrlimit
	{ __NR_setrlimit, ALLOWED, SANDBOX_ZYGOTE },
	{ __NR_getrlimit, ALLOWED, SANDBOX_ZYGOTE },
#endif
	/* the signer's many pairs */
	{ __NR_epoll_ctl, ALLOWED, SANDBOX_SIGNER },
	{ __NR_epoll_pwait, ALLOWED, SANDBOX_SIGNER },
#ifdef __NR_epoll_wait
	{ __NR_epoll_wait, ALLOWED, SANDBOX_SIGNER },
#endif
	/* exit */
	{ __NR_rt_sigreturn, ALLOWED, 0 },
#ifdef __NR_sigreturn
	{ __NR_sigreturn, ALLOWED, 0 },
#endif
	{ __NR_restart_syscall, ALLOWED, 0 },
	{ __NR_exit, ALLOWED, 0 },
	{ __NR_exit_group, ALLOWED, 0 },
	/* files: none can be opened, but OpenSSL and the C library try */
	{ __NR_openat, REFUSED, 0 },
	{ __NR_statx, REFUSED, 0 },
#ifdef __NR_newfstatat
	{ __NR_newfstatat, REFUSED, 0 },
#endif
#ifdef __NR_fstatat64
	{ __NR_fstatat64, REFUSED, 0 },
	{ __NR_stat64, REFUSED, 0 },
#endif
#ifdef __NR_open
	{ __NR_open, REFUSED, 0 },
	{ __NR_stat, REFUSED, 0 },
	{ __NR_access, REFUSED, 0 },
#endif
	{ __NR_faccessat, REFUSED, 0 },
	{ __NR_sysinfo, REFUSED, 0 },
#ifdef IMAPGATE_SANITIZED
	/* sanitizers */
	{ __NR_sigaltstack, ALLOWED, 0 },
	{ __NR_rt_sigprocmask, ALLOWED, 0 },
	{ __NR_rt_sigaction, ALLOWED, 0 },
	{ __NR_sched_yield, ALLOWED, 0 },
	{ __NR_gettid, ALLOWED, 0 },
	{ __NR_readlink, REFUSED, 0 },
#endif
};
#define RULES	(sizeof(rules) / sizeof(rules[0]))

#define LOAD(member)	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, member))
/*
 * Arguments have 64 bits; the ones checked here are ints, which the kernel takes from the lower
 * half.
 */
#define LOAD_INT(n)	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[n]) + (__BYTE_ORDER == __BIG_ENDIAN ? 4 : 0))
#define RETURN(action)	BPF_STMT(BPF_RET | BPF_K, (action))
/* Continue with the next instruction if the condition holds, else skip n instructions. */
#define UNLESS_EQUAL(value, n)	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), 0, (n))
#define UNLESS_BITS(value, n)	BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, (value), 0, (n))

/* The most BPF instructions that one rule compiles to. */
#define RULE_STEPS	5

static size_t
add_rule(struct sock_filter *at, const struct rule *rule)
{
	const struct sock_filter not_executable[] = {
		UNLESS_EQUAL(rule->nr, 4),
		LOAD_INT(2),
		UNLESS_BITS(PROT_EXEC, 1),
		RETURN(SECCOMP_RET_KILL_PROCESS),
		RETURN(SECCOMP_RET_ALLOW),
	};
	const struct sock_filter tls_keys[] = {
		UNLESS_EQUAL(rule->nr, 4),
		LOAD_INT(1),
		UNLESS_EQUAL(SOL_TLS, 1),
		RETURN(SECCOMP_RET_ALLOW),
		RETURN(SECCOMP_RET_KILL_PROCESS),
	};
	const struct sock_filter plain[] = {
		UNLESS_EQUAL(rule->nr, 1),
		RETURN(rule->action == REFUSED ? SECCOMP_RET_ERRNO | EACCES : SECCOMP_RET_ALLOW),
	};
	const struct sock_filter *from = plain;
	size_t i, n = 2;

	if (rule->action == NOT_EXECUTABLE || rule->action == TLS_KEYS) {
		from = rule->action == TLS_KEYS ? tls_keys : not_executable;
		n = RULE_STEPS;
	}

	for (i = 0; i < n; i++)
		at[i] = from[i];
	return n;
}

/*
 * Builds the filter from the table, so that only the table needs review, and installs it
 * (seccomp(2)).
 */
static void
limit_system_calls(enum sandbox_kind kind)
{
	static const struct sock_filter start[] = {
		LOAD(arch),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0),
		RETURN(SECCOMP_RET_KILL_PROCESS),
		LOAD(nr),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, FOREIGN_ABI, 0, 1),
		RETURN(SECCOMP_RET_KILL_PROCESS),
	};
	struct sock_filter filter[sizeof(start) / sizeof(start[0]) + RULES * RULE_STEPS + 1];
	struct sock_fprog program = { .filter = filter };
	size_t i, n = 0;

	for (; n < sizeof(start) / sizeof(start[0]); n++)
		filter[n] = start[n];
	for (i = 0; i < RULES; i++)
		if (rules[i].kinds == 0 || (rules[i].kinds & kind) != 0)
			n += add_rule(filter + n, &rules[i]);
	filter[n++] = (struct sock_filter)RETURN(SECCOMP_RET_KILL_PROCESS);
	program.len = (unsigned short)n;
	must(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0, "seccomp");
}

#else

static void
limit_system_calls(enum sandbox_kind kind)
{
	/* A build for valgrind(1), which makes system calls of its own. */
	(void)kind;
}

#endif

void
sandbox_find(struct sandbox *s, const struct options *o)
{
	const struct passwd *pw;

	s->root = o->gate_root;
	s->privileged = geteuid() == 0;
	if (!s->privileged)
		return;
	errno = 0;
	pw = getpwnam(o->gate_user);
	if (pw == NULL)
		die("--gate-user %s: no such user", o->gate_user);
	errno = 0;
	if (pw->pw_uid == 0 || pw->pw_gid == 0)
		die("--gate-user %s: must not be root", o->gate_user);
	s->uid = pw->pw_uid;
	s->gid = pw->pw_gid;
}

void
sandbox_enter(const struct sandbox *s, enum sandbox_kind kind)
{
	process_name = names[kind];
#ifndef IMAPGATE_SANITIZED
	/*
	 * Memory that is in use already counts in addition: certificates and revocation lists may
	 * be large.
	 */
	if (!resources_known)
		data_before = data_size();
#endif
	if (kind != SANDBOX_GATE) {
		raise_limit(RLIMIT_NOFILE);
		raise_limit(RLIMIT_NPROC);
		resources_known = true;
	}
	if (s->privileged) {
		leave_file_system(s->root);
		become_gate_user(s->uid, s->gid);
	}
	limit_resources(kind, data_before + DATA_MAX);
	limit_system_calls(kind);
}
