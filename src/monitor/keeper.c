/*
 * The keeper, see keeper.h. Begins as the monitor, as root, and is at once
 * the user's. It never reads from the client; the one thing that it ever
 * writes are the two octets of close_notify.
 *
 * It is the process that the superserver knows, so signals that end a service
 * come here. They are waited for like the child's end, one after the other;
 * only the last deadline has a handler, which exits and does nothing else.
 */

#include "monitor/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <linux/tls.h>
#include <malloc.h>
#include <netinet/in.h>
#include <openssl/crypto.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "again.h"
#include "descriptors.h"
#include "log.h"
#include "monitor/launch.h"
#include "monitor/report.h"

/* TLS's record type for alerts, and the alert: warning, close_notify (RFC 5246, 7.2; RFC 8446, 6). */
#define RECORD_ALERT	21
static const unsigned char close_notify[] = { 1, 0 };

/* How long a slow client may take to read what is on its way when the mailbox program has ended: as long as with the relay. */
#define FAREWELL_S	60

/* How long the client is given to close its side when it has everything. */
#define LINGER_MS	2000

/* What the mailbox program has left us to say; set before the handler can run. */
static volatile sig_atomic_t verdict = EX_TEMPFAIL;

/* SIGALRM: the client does not read. Without close_notify it can see that something is missing (RFC 8446, 6.1). */
static void
on_deadline(int sig)
{
	(void)sig;
	_exit(verdict);
}

void
keeper_signals(sigset_t *signals)
{
	sigemptyset(signals);
	sigaddset(signals, SIGCHLD);
	sigaddset(signals, SIGHUP);
	sigaddset(signals, SIGINT);
	sigaddset(signals, SIGQUIT);
	sigaddset(signals, SIGTERM);
	sigaddset(signals, SIGUSR1);
	sigaddset(signals, SIGUSR2);
}

pid_t
keeper_fork(void)
{
	sigset_t signals;
	pid_t pid;

	/* Waited for, not caught: in the child they stay blocked until launch_restore. */
	keeper_signals(&signals);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	pid = fork();
	if (pid > 0)
		prctl(PR_SET_NAME, "imapgate-keeper");
	return pid;
}

int
keeper_exit_status(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int
wait_for_end(pid_t pid)
{
	unsigned tries = 0;
	int status;

	while (waitpid(pid, &status, 0) == -1)
		if (errno != EINTR || !again(&tries))
			return W_EXITCODE(EX_OSERR, 0);
	return status;
}

int
keeper_wait(pid_t pid)
{
	sigset_t signals;
	unsigned tries = 0;
	int sig, status;

	keeper_signals(&signals);
	for (;;) {
		sig = sigwaitinfo(&signals, NULL);
		if (sig == SIGCHLD && waitpid(pid, &status, WNOHANG) == pid)
			return status;
		if (sig > 0 && sig != SIGCHLD)
			kill(pid, sig);
		/* Signals can't be waited for: then they are not passed on, and only the child's end counts. */
		if (sig == -1 && !again(&tries))
			return wait_for_end(pid);
		if (sig > 0)
			tries = 0;
	}
}

/* What the monitor needed, and who waits does not: nearly all that a process of ours weighs is these libraries' tables. */
static const char *const unneeded[] = { "libcrypto.so", "libssl.so", "libsystemd.so", "libgcrypt.so", "libpam.so" };

static bool
is_unneeded(const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash != NULL ? slash + 1 : path;
	size_t i;

	for (i = 0; i < sizeof(unneeded) / sizeof(unneeded[0]); i++)
		if (strncmp(name, unneeded[i], strlen(unneeded[i])) == 0)
			return true;
	return false;
}

/* Called for each library (dl_iterate_phdr(3)). Its headers go with it, so it is measured first and then dropped as a whole. */
static int
drop_library(struct dl_phdr_info *info, size_t size, void *arg)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), start = UINTPTR_MAX, end = 0;
	int i;

	(void)size;
	(void)arg;
	if (!is_unneeded(info->dlpi_name))
		return 0;
	for (i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];
		uintptr_t at = info->dlpi_addr + p->p_vaddr;

		if (p->p_type != PT_LOAD)
			continue;
		start = at < start ? at : start;
		end = at + p->p_memsz > end ? at + p->p_memsz : end;
	}
	start &= ~(page - 1);
	end = (end + page - 1) & ~(page - 1);
	if (start < end)
		munmap((void *)start, end - start);
	return 0;
}

/*
 * There is one keeper for each session, so it gives back what it can: what
 * the libraries hold, then they themselves. From here on only the C library
 * may be called, and only _exit(2) ends us, which asks nobody.
 */
static void
give_back(void)
{
	OPENSSL_cleanup();
	malloc_trim(0);
	dl_iterate_phdr(drop_library, NULL);
}

/*
 * Keeps the client as descriptor 0 and the log as 1, and nothing else: the
 * user's home is not held back by us.
 *
 * SECURITY: with the user's uid this process has an open file of the log's.
 * The user can't reach it: launch_become has made the process undumpable.
 */
static void
let_go(const struct account *a)
{
	if (chdir("/") == -1)
		die("/");
	launch_become(a);
	if (!log_move(STDOUT_FILENO))
		die("descriptor of the log");
	if (!descriptors_close_from(STDOUT_FILENO + 1))
		die("closing descriptors");
	give_back();
}

static void
start_deadline(void)
{
	struct sigaction action = { .sa_handler = on_deadline };
	sigset_t alarmed;

	sigemptyset(&alarmed);
	sigaddset(&alarmed, SIGALRM);
	sigaction(SIGALRM, &action, NULL);
	sigprocmask(SIG_UNBLOCK, &alarmed, NULL);
	alarm(FAREWELL_S);
}

/*
 * Blocks until the kernel has passed on all records before it. The flag that
 * forbids it is the open file's, and the time limit the socket's, so both may
 * be what the mailbox program has set.
 */
static void
say_close_notify(void)
{
	union {
		struct cmsghdr	header;
		char		room[CMSG_SPACE(1)];
	} control = { .header = { .cmsg_len = CMSG_LEN(1), .cmsg_level = SOL_TLS, .cmsg_type = TLS_SET_RECORD_TYPE } };
	struct iovec iov = { (void *)close_notify, sizeof(close_notify) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control.room) };
	const struct timeval forever = { 0 };
	int flags = fcntl(STDIN_FILENO, F_GETFL);
	unsigned tries = 0;

	*CMSG_DATA(&control.header) = RECORD_ALERT;
	if (flags != -1)
		fcntl(STDIN_FILENO, F_SETFL, flags & ~O_NONBLOCK);
	setsockopt(STDIN_FILENO, SOL_SOCKET, SO_SNDTIMEO, &forever, sizeof(forever));
	while (sendmsg(STDIN_FILENO, &msg, MSG_NOSIGNAL) == -1 && errno == EINTR && again(&tries))
		;
}

/* Closing a TCP socket with unread input resets the connection, and what the client has not read yet is lost: it goes first, if it likes. */
static void
linger(void)
{
	struct pollfd pfd = { STDIN_FILENO, POLLRDHUP, 0 };
	int unread = 0;

	shutdown(STDIN_FILENO, SHUT_WR);
	while (poll(&pfd, 1, LINGER_MS) == 0)
		if (ioctl(STDIN_FILENO, SIOCOUTQ, &unread) == -1 || unread == 0)
			return;
}

/*
 * How many octets were written to the connection since it was opened, of TLS's
 * own too: those that the client has and those on their way (tcp(7), SIOCOUTQ).
 * 0 if that can't be known.
 */
static uint64_t
octets_written(void)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);
	int before = 0, after = -1;

	/* An octet that is acknowledged between the two calls would be counted by neither. */
	for (int i = 0; i < 10 && before != after; i++) {
		len = sizeof(info);
		if (ioctl(STDIN_FILENO, SIOCOUTQ, &before) == -1 || getsockopt(STDIN_FILENO, IPPROTO_TCP, TCP_INFO, &info, &len) == -1 ||
		    ioctl(STDIN_FILENO, SIOCOUTQ, &after) == -1 || len < offsetof(struct tcp_info, tcpi_bytes_received))
			return 0;
	}
	return before == after ? info.tcpi_bytes_acked + (uint64_t)after : 0;
}

bool
keeper_stay(const struct account *a, const struct reply *apology)
{
	uint64_t written = octets_written();
	pid_t pid = keeper_fork();
	int status;

	if (pid <= 0)
		return pid == 0;
	let_go(a);
	status = keeper_wait(pid);
	verdict = keeper_exit_status(status);
	start_deadline();
	if (written != 0 && octets_written() == written) {
		report_program_end(a, status, SAID_NOTHING);
		(void)!send(STDIN_FILENO, apology->text, apology->len, MSG_NOSIGNAL);
	}
	say_close_notify();
	linger();
	_exit(verdict);
}
