/*
 * Enters the real sandbox of the gate, then tries one thing that nobody in
 * there may do. The exit status tells how it went; most cases are killed.
 *
 *   sandbox-canary CASE UID GID ROOT	(UID 0: without root)
 *   sandbox-canary --list
 */

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>

#include <err.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "sandbox.h"

/* It was possible, it failed with an error; or it is a case in which all is allowed, and was. */
#define ESCAPED	10
#define FAILED	11
#define FINE	12

static pid_t parent;

static int
possible(bool done)
{
	return done ? ESCAPED : FAILED;
}

/* What a gate does all day. */
static int
talk(void)
{
	char byte;

	return write(STDOUT_FILENO, "x", 1) == 1 && read(STDIN_FILENO, &byte, 1) == 1 && malloc(1 << 20) != NULL ? FINE : FAILED;
}

/* The C library's send(3) and recv(3), which are not the same system call on every machine. Standard input is a socket. */
static int
send_and_receive(void)
{
	char byte;

	return send(STDIN_FILENO, "x", 1, MSG_NOSIGNAL) == 1 && recv(STDIN_FILENO, &byte, 1, 0) == 1 ? FINE : FAILED;
}

/* Where the kernel has no vDSO, to ask for the time is a system call like others. */
static int
tell_time(void)
{
	struct timespec now;
	struct timeval then;
	bool told = syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now) == 0 && syscall(SYS_gettimeofday, &then, NULL) == 0;

#ifdef SYS_time
	told = told && syscall(SYS_time, NULL) > 0;
#endif
	return told ? FINE : FAILED;
}

static int
open_file(void)
{
	return possible(syscall(SYS_openat, AT_FDCWD, "/etc/passwd", O_RDONLY) >= 0);
}

static int
open_root(void)
{
	return possible(open("/", O_RDONLY | O_DIRECTORY) >= 0);
}

static int
create_file(void)
{
	return possible(open("/canary", O_WRONLY | O_CREAT, 0600) >= 0);
}

static int
look_at_file(void)
{
	struct stat st;

	return possible(stat("/etc", &st) == 0);
}

static int
make_directory(void)
{
	return possible(mkdir("/canary", 0700) == 0);
}

static int
internet_socket(void)
{
	return possible(socket(AF_INET, SOCK_STREAM, 0) >= 0);
}

static int
unix_socket(void)
{
	return possible(socket(AF_UNIX, SOCK_STREAM, 0) >= 0);
}

static int
accept_one(void)
{
	return possible(accept(STDIN_FILENO, NULL, NULL) >= 0);
}

static int
execute(void)
{
	char *argv[] = { (char *)"/bin/true", NULL }, *envp[] = { NULL };

	execve(argv[0], argv, envp);
	return FAILED;
}

static int
fork_one(void)
{
	return possible(fork() >= 0);
}

static int
clone_thread(void)
{
	return possible(syscall(SYS_clone, CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD, NULL, NULL, NULL, NULL) >= 0);
}

static int
kill_parent(void)
{
	return possible(kill(parent, SIGTERM) == 0);
}

static int
signal_self(void)
{
	return possible(kill(getpid(), 0) == 0);
}

static int
trace_parent(void)
{
	return possible(ptrace(PTRACE_ATTACH, parent, NULL, NULL) == 0);
}

static int
read_parent(void)
{
	char here[16];
	struct iovec local = { here, sizeof(here) }, remote = { (void *)&parent, sizeof(here) };

	return possible(process_vm_readv(parent, &local, 1, &remote, 1, 0) > 0);
}

static int
become_root(void)
{
	return possible(setuid(0) == 0);
}

static int
change_root(void)
{
	return possible(chroot("/") == 0);
}

static int
new_namespace(void)
{
	return possible(unshare(CLONE_NEWUSER) == 0);
}

static int
executable_memory(void)
{
	return possible(mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
}

static int
make_memory_executable(void)
{
	void *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return possible(mprotect(memory, 4096, PROT_READ | PROT_EXEC) == 0);
}

static int
memory_file(void)
{
	return possible(memfd_create("canary", 0) >= 0);
}

static int
copy_descriptor(void)
{
	return possible(dup(STDIN_FILENO) >= 0);
}

static int
raise_limit(void)
{
	struct rlimit limit = { 100, 100 };

	return possible(setrlimit(RLIMIT_NPROC, &limit) == 0);
}

static int
dump(void)
{
	return possible(prctl(PR_SET_DUMPABLE, 1) == 0);
}

static int
load_bpf(void)
{
	return possible(syscall(SYS_bpf, 0, NULL, 0) >= 0);
}

static int
io_ring(void)
{
	return possible(syscall(SYS_io_uring_setup, 1, NULL) >= 0);
}

#if defined(__x86_64__)
/* The same calls under their names of other ABIs. */
static int
x32_call(void)
{
	return possible(syscall(0x40000000 | SYS_getpid) > 0);
}

static int
i386_call(void)
{
	long result;

	__asm__ volatile("int $0x80" : "=a"(result) : "a"(20 /* getpid */) : "memory", "r8", "r9", "r10", "r11");
	return possible(result > 0);
}
#endif

static const struct deed {
	const char	*name;
	int		(*act)(void);
} deeds[] = {
	{ "talk", talk },
	{ "send-and-receive", send_and_receive },
	{ "tell-time", tell_time },
	{ "open-file", open_file },
	{ "open-root", open_root },
	{ "create-file", create_file },
	{ "look-at-file", look_at_file },
	{ "make-directory", make_directory },
	{ "internet-socket", internet_socket },
	{ "unix-socket", unix_socket },
	{ "accept", accept_one },
	{ "execute", execute },
	{ "fork", fork_one },
	{ "clone-thread", clone_thread },
	{ "kill-parent", kill_parent },
	{ "signal-self", signal_self },
	{ "trace-parent", trace_parent },
	{ "read-parent", read_parent },
	{ "become-root", become_root },
	{ "change-root", change_root },
	{ "new-namespace", new_namespace },
	{ "executable-memory", executable_memory },
	{ "make-memory-executable", make_memory_executable },
	{ "memory-file", memory_file },
	{ "copy-descriptor", copy_descriptor },
	{ "raise-limit", raise_limit },
	{ "dump", dump },
	{ "load-bpf", load_bpf },
	{ "io-ring", io_ring },
#if defined(__x86_64__)
	{ "x32-call", x32_call },
	{ "i386-call", i386_call },
#endif
};
#define DEEDS	(sizeof(deeds) / sizeof(deeds[0]))

static int
number(const char *text)
{
	return (int)strtol(text, NULL, 10);
}

int
main(int argc, char *argv[])
{
	int pair[2], stream[2];

	if (argc == 2 && strcmp(argv[1], "--list") == 0) {
		for (size_t i = 0; i < DEEDS; i++)
			puts(deeds[i].name);
		return 0;
	}
	/* What a deed comes to where nothing forbids it. */
	for (size_t i = 0; argc == 3 && strcmp(argv[1], "--outside") == 0 && i < DEEDS; i++)
		if (strcmp(deeds[i].name, argv[2]) == 0)
			return deeds[i].act();
	if (argc != 5)
		errx(64, "usage: sandbox-canary CASE UID GID ROOT");
	parent = getppid();
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == -1 ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, stream) == -1)
		err(71, "socketpair");
	struct sandbox sandbox = {
		.privileged = number(argv[2]) != 0,
		.uid = (uid_t)number(argv[2]),
		.gid = (gid_t)number(argv[3]),
		.root = argv[4],
	};
	sandbox_descriptors((const int[]){ pair[1], stream[1] }, 2);
	sandbox_close_others();
	sandbox_enter(&sandbox, SANDBOX_GATE);
	for (size_t i = 0; i < DEEDS; i++)
		if (strcmp(deeds[i].name, argv[1]) == 0)
			_exit(deeds[i].act());
	_exit(64);
}
