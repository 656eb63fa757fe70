/*
 * Makes a system call fail, from its nth use on, in one process of imapgate.
 *
 * Preloaded (ld.so(8), LD_PRELOAD) into imapgate, it stands in front of the C
 * library's functions, counts their uses for each process, and fails those that
 * sweep.py has chosen. A fault made by a debugger would not do: the gate's
 * seccomp filter kills a call whose number was taken away.
 *
 * The choice and the counters are in a file that IMAPGATE_FAULTS names. It is
 * mapped at the start, since a gate can open nothing. A process is known by
 * its place among the forks: "0" is the first one, "0.2" its second child. Once
 * a child has executed the program anew in a role, it has the role's name:
 * "gates", "signer", "monitors"; "gates.1" is the first gate. A role that is
 * started a second time is "gates2".
 */

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ROLES		64
#define CALLS		96
#define NAME_MAX_	24

/* A signal that interrupts each call comes this often, and not more often than any real one. */
#define PAUSE_MS	2

/* Laid out as sweep.py reads it. */
struct table {
	char		 role[NAME_MAX_];	/* the chosen process, call, use and error; no call: nothing fails */
	char		 call[NAME_MAX_];
	uint32_t	 from;
	int32_t		 error;
	_Atomic uint32_t fired;
	_Atomic uint32_t roles, calls;		/* how many of the names below are in use */
	char		 role_name[ROLES][NAME_MAX_];
	char		 call_name[CALLS][NAME_MAX_];
	_Atomic uint32_t uses[ROLES][CALLS];
};

static struct table *table;
static uint32_t role;
static unsigned children;

static void *
real(const char *name)
{
	return dlsym(RTLD_NEXT, name);
}

/* As found at the start: the program writes its title over its environment. A role gets them, and its number, from us. */
static char variables[3][512];
enum { PRELOAD, FAULTS, ROLE };
static const char *const variable_names[] = { "LD_PRELOAD", "IMAPGATE_FAULTS", "IMAPGATE_FAULTS_ROLE" };

static void
keep_variables(void)
{
	const char *value;
	int i;

	for (i = PRELOAD; i <= FAULTS; i++) {
		value = getenv(variable_names[i]);
		snprintf(variables[i], sizeof(variables[i]), "%s=%s", variable_names[i], value != NULL ? value : "");
	}
}

static void __attribute__((constructor))
start(void)
{
	const char *path = getenv(variable_names[FAULTS]), *number = getenv(variable_names[ROLE]);
	int fd;

	if (path == NULL || strncmp(program_invocation_short_name, "imapgate", strlen("imapgate")) != 0)
		return;
	keep_variables();
	fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC);
	if (fd == -1)
		abort();
	table = mmap(NULL, sizeof(*table), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (table == MAP_FAILED)
		abort();
	syscall(SYS_close, fd);
	if (number != NULL) {
		role = (uint32_t)strtoul(number, NULL, 10);
		return;
	}
	strcpy(table->role_name[0], "0");
	table->roles = 1;
}

static uint32_t
number_of(const char *call)
{
	uint32_t i;

	for (i = 0; i < table->calls; i++)
		if (strcmp(table->call_name[i], call) == 0)
			return i;
	i = atomic_fetch_add(&table->calls, 1);
	if (i >= CALLS)
		abort();
	strcpy(table->call_name[i], call);
	return i;
}

/* Waits a moment without a function of the library, and with a call that the gate's filter allows. */
static void
take_a_moment(void)
{
	const struct timespec moment = { 0, PAUSE_MS * 1000000L };
	long (*call)(long, ...) = real("syscall");

	call(SYS_ppoll, NULL, 0L, &moment, NULL, 0L);
}

/* Counts a use. True if it shall fail: errno is set. */
static bool
fails(const char *call)
{
	uint32_t use;

	if (table == NULL)
		return false;
	use = atomic_fetch_add(&table->uses[role][number_of(call)], 1) + 1;
	if (strcmp(table->call, call) != 0 || strcmp(table->role, table->role_name[role]) != 0 || use < table->from)
		return false;
	atomic_fetch_add(&table->fired, 1);
	if (table->error == EINTR || table->error == EAGAIN)
		take_a_moment();
	errno = table->error;
	return true;
}

static uint32_t
next_role(void)
{
	uint32_t i = atomic_fetch_add(&table->roles, 1);

	if (i >= ROLES)
		abort();
	return i;
}

/* Gives the next child a name, before there can be a use of it. */
static uint32_t
name_child(void)
{
	char parent[NAME_MAX_];
	uint32_t i;

	if (table == NULL)
		return 0;
	i = next_role();
	strcpy(parent, table->role_name[role]);
	snprintf(table->role_name[i], NAME_MAX_, "%.16s.%u", parent, ++children % 1000);
	return i;
}

static void
become(uint32_t child)
{
	role = child;
	children = 0;
}

#define STAND_IN(type, error, name, parameters, ...)				\
	type name parameters;							\
	type									\
	name parameters								\
	{									\
		static type (*function) parameters;				\
										\
		if (function == NULL)						\
			function = (type (*) parameters)real(#name);		\
		return fails(#name) ? (error) : function(__VA_ARGS__);		\
	}

#define INT(name, parameters, ...)	STAND_IN(int, -1, name, parameters, __VA_ARGS__)
#define SIZE(name, parameters, ...)	STAND_IN(ssize_t, -1, name, parameters, __VA_ARGS__)

SIZE(read, (int fd, void *bytes, size_t len), fd, bytes, len)
SIZE(write, (int fd, const void *bytes, size_t len), fd, bytes, len)
SIZE(writev, (int fd, const struct iovec *iov, int n), fd, iov, n)
SIZE(pread, (int fd, void *bytes, size_t len, off_t at), fd, bytes, len, at)
SIZE(recv, (int fd, void *bytes, size_t len, int flags), fd, bytes, len, flags)
SIZE(recvmsg, (int fd, struct msghdr *msg, int flags), fd, msg, flags)
SIZE(send, (int fd, const void *bytes, size_t len, int flags), fd, bytes, len, flags)
SIZE(sendmsg, (int fd, const struct msghdr *msg, int flags), fd, msg, flags)
SIZE(getrandom, (void *bytes, size_t len, unsigned flags), bytes, len, flags)
INT(poll, (struct pollfd *fds, nfds_t n, int timeout), fds, n, timeout)
INT(ppoll, (struct pollfd *fds, nfds_t n, const struct timespec *t, const sigset_t *set), fds, n, t, set)
INT(accept4, (int fd, struct sockaddr *sa, socklen_t *len, int flags), fd, sa, len, flags)
INT(socket, (int domain, int type, int protocol), domain, type, protocol)
INT(socketpair, (int domain, int type, int protocol, int pair[2]), domain, type, protocol, pair)
INT(connect, (int fd, const struct sockaddr *sa, socklen_t len), fd, sa, len)
INT(getpeername, (int fd, struct sockaddr *sa, socklen_t *len), fd, sa, len)
INT(getsockname, (int fd, struct sockaddr *sa, socklen_t *len), fd, sa, len)
INT(getsockopt, (int fd, int level, int name, void *value, socklen_t *len), fd, level, name, value, len)
INT(setsockopt, (int fd, int level, int name, const void *value, socklen_t len), fd, level, name, value, len)
INT(shutdown, (int fd, int how), fd, how)
INT(stat, (const char *path, struct stat *st), path, st)
INT(fstat, (int fd, struct stat *st), fd, st)
INT(access, (const char *path, int mode), path, mode)
INT(faccessat, (int fd, const char *path, int mode, int flags), fd, path, mode, flags)
INT(dup2, (int from, int to), from, to)
INT(dup3, (int from, int to, int flags), from, to, flags)
INT(pipe2, (int pair[2], int flags), pair, flags)
INT(memfd_create, (const char *name, unsigned flags), name, flags)
INT(ftruncate, (int fd, off_t len), fd, len)
INT(epoll_create1, (int flags), flags)
INT(epoll_ctl, (int epoll, int what, int fd, struct epoll_event *event), epoll, what, fd, event)
INT(epoll_wait, (int epoll, struct epoll_event *events, int n, int timeout), epoll, events, n, timeout)
INT(bind, (int fd, const struct sockaddr *sa, socklen_t len), fd, sa, len)
INT(chdir, (const char *path), path)
INT(chroot, (const char *path), path)
INT(mkdir, (const char *path, mode_t mode), path, mode)
INT(setgroups, (size_t n, const gid_t *groups), n, groups)
INT(initgroups, (const char *user, gid_t gid), user, gid)
INT(getgrouplist, (const char *user, gid_t gid, gid_t *groups, int *n), user, gid, groups, n)
INT(setresuid, (uid_t r, uid_t e, uid_t s), r, e, s)
INT(setresgid, (gid_t r, gid_t e, gid_t s), r, e, s)
INT(setsid, (void), )
INT(sigaction, (int sig, const struct sigaction *action, struct sigaction *old), sig, action, old)
INT(signalfd, (int fd, const sigset_t *set, int flags), fd, set, flags)
INT(sigwaitinfo, (const sigset_t *set, siginfo_t *info), set, info)
INT(timer_create, (clockid_t clock, struct sigevent *event, timer_t *timer), clock, event, timer)
INT(timer_settime, (timer_t t, int flags, const struct itimerspec *to, struct itimerspec *old), t, flags, to, old)
INT(waitid, (idtype_t type, id_t id, siginfo_t *info, int flags), type, id, info, flags)
INT(kill, (pid_t pid, int sig), pid, sig)
INT(mlock, (const void *at, size_t len), at, len)
INT(mprotect, (void *at, size_t len, int protection), at, len, protection)
STAND_IN(pid_t, -1, waitpid, (pid_t pid, int *status, int flags), pid, status, flags)
STAND_IN(void *, MAP_FAILED, mmap, (void *at, size_t len, int protection, int flags, int fd, off_t offset),
    at, len, protection, flags, fd, offset)
STAND_IN(FILE *, NULL, fopen, (const char *path, const char *mode), path, mode)
STAND_IN(DIR *, NULL, opendir, (const char *path), path)
STAND_IN(struct passwd *, NULL, getpwnam, (const char *name), name)
STAND_IN(struct passwd *, NULL, getpwuid, (uid_t uid), uid)

/* Not sigprocmask(2): with sound arguments it can't fail, and a module of the name service ends its process if it does. */

/* Types of their own in the C library's headers. */
#undef setrlimit
#undef getrlimit
#undef setitimer
INT(setrlimit, (__rlimit_resource_t resource, const struct rlimit *limit), resource, limit)
INT(getrlimit, (__rlimit_resource_t resource, struct rlimit *limit), resource, limit)
INT(setitimer, (__itimer_which_t which, const struct itimerval *to, struct itimerval *old), which, to, old)

/* What _FORTIFY_SOURCE makes of poll(2). */
int __poll_chk(struct pollfd *fds, nfds_t n, int timeout, size_t size);
int
__poll_chk(struct pollfd *fds, nfds_t n, int timeout, size_t size)
{
	(void)size;
	return poll(fds, n, timeout);
}

/* The descriptor is closed whatever close(2) says. */
int
close(int fd)
{
	int (*function)(int) = real("close");
	bool failed = fails("close");
	int saved_errno = errno, n = function(fd);

	if (!failed)
		return n;
	errno = saved_errno;
	return -1;
}

/* The number of a role by this name, which is given once. */
static uint32_t
name_role(const char *name)
{
	static uint32_t number;
	uint32_t i, n = 1;
	size_t len = strlen(name);

	if (number != 0)
		return number;
	for (i = 0; i < table->roles; i++)
		n += strncmp(table->role_name[i], name, len) == 0 && strchr(table->role_name[i], '.') == NULL;
	number = next_role();
	if (n == 1)
		snprintf(table->role_name[number], NAME_MAX_, "%.16s", name);
	else
		snprintf(table->role_name[number], NAME_MAX_, "%.16s%u", name, n % 1000);
	return number;
}

/* The listener starts its roles with an environment of its own making. */
int
execve(const char *path, char *const argv[], char *const envp[])
{
	int (*function)(const char *, char *const[], char *const[]) = real("execve");
	char *with[16];
	size_t i, n;

	if (fails("execve"))
		return -1;
	if (table == NULL || strncmp(argv[0], "imapgate-", strlen("imapgate-")) != 0)
		return function(path, argv, envp);
	snprintf(variables[ROLE], sizeof(variables[ROLE]), "%s=%u", variable_names[ROLE], name_role(argv[0] + strlen("imapgate-")));
	for (n = 0; n < 3; n++)
		with[n] = variables[n];
	for (i = 0; envp[i] != NULL && n < sizeof(with) / sizeof(with[0]) - 1; i++)
		with[n++] = envp[i];
	with[n] = NULL;
	return function(path, argv, with);
}

#define WITH_ARGUMENT(name, parameters, last, ...)			\
	int									\
	name parameters								\
	{									\
		int (*function) parameters = real(#name);			\
		long argument;							\
		va_list ap;							\
										\
		va_start(ap, last);						\
		argument = va_arg(ap, long);					\
		va_end(ap);							\
		return fails(#name) ? -1 : function(__VA_ARGS__, argument);	\
	}

WITH_ARGUMENT(open, (const char *path, int flags, ...), flags, path, flags)
WITH_ARGUMENT(openat, (int fd, const char *path, int flags, ...), flags, fd, path, flags)
WITH_ARGUMENT(fcntl, (int fd, int command, ...), command, fd, command)
WITH_ARGUMENT(ioctl, (int fd, unsigned long request, ...), request, fd, request)

int
prctl(int option, ...)
{
	int (*function)(int, ...) = real("prctl");
	unsigned long a[4];
	va_list ap;
	int i;

	va_start(ap, option);
	for (i = 0; i < 4; i++)
		a[i] = va_arg(ap, unsigned long);
	va_end(ap);
	return fails("prctl") ? -1 : function(option, a[0], a[1], a[2], a[3]);
}

pid_t
fork(void)
{
	pid_t (*function)(void) = real("fork"), pid;
	uint32_t child;

	if (fails("fork"))
		return -1;
	child = name_child();
	pid = function();
	if (pid == 0)
		become(child);
	return pid;
}

static const char *
name_of(long number)
{
	switch (number) {
	case SYS_clone:
		return "clone";
#ifdef SYS_close_range
	case SYS_close_range:
		return "close_range";
#endif
#ifdef SYS_pidfd_open
	case SYS_pidfd_open:
		return "pidfd_open";
#endif
	default:
		return "syscall";
	}
}

long
syscall(long number, ...)
{
	long (*function)(long, ...) = real("syscall"), a[6], n;
	uint32_t child = 0;
	va_list ap;
	int i;

	va_start(ap, number);
	for (i = 0; i < 6; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	if (table != NULL && fails(name_of(number)))
		return -1;
	if (number == SYS_clone)
		child = name_child();
	n = function(number, a[0], a[1], a[2], a[3], a[4], a[5]);
	if (number == SYS_clone && n == 0)
		become(child);
	return n;
}
