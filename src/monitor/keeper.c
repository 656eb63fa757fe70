/*
 * The keeper, see keeper.h. Starts as root and changes to the user's ids at once. The keeper
 * never reads from the client, and writes only close_notify, or a failure reply if the mailbox
 * program wrote nothing.
 *
 * A superserver sends signals that end a service to this process. The signals and the child's
 * end are waited for with sigwaitinfo(2); only the last deadline has a handler, which exits.
 */

#include "monitor/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <linux/tls.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/again.h"
#include "base/childexit.h"
#include "base/clock.h"
#include "base/descriptors.h"
#include "base/log.h"
#include "base/title.h"
#include "boundary/msg.h"
#include "monitor/launch.h"
#include "monitor/report.h"
#include "proto/reply.h"

/*
 * TLS record type and contents of the alert: warning, close_notify (RFC 5246, 7.2; RFC 8446, 6).
 */
#define RECORD_ALERT	21
static const unsigned char close_notify[] = { 1, 0 };

/* Time for a slow client to read the rest after the program has exited; as in the relay. */
#define KEEPER_FAREWELL_S	60

/* Time for the client to close its side after it has received everything. */
#define KEEPER_LINGER_MS	2000

/*
 * A keeper's session. Arguments after KEEPER_NAME: program, uid, gid, written, tag, name,
 * reports; then the words of log_export().
 */
struct session {
	pid_t		 program;
	struct account	 account;	/* uid, gid and name */
	uint64_t	 written;	/* octets sent before the program; 0: unknown */
	const char	*tag;
	bool		 reports;	/* this process logs the end of the session */
};
#define N_ARGUMENTS	8

/* Failures of sigwaitinfo(2) that are further apart do not count as consecutive. */
#define FAILURES_APART_MS	10000

/* Room for a decimal number. */
#define DECIMAL_SIZE		24

/* Exit status for the handler; set before the handler can run. */
static volatile sig_atomic_t exit_status = EX_TEMPFAIL;

/*
 * Exits at SIGALRM: the client does not read. A missing close_notify shows the client that data
 * is missing (RFC 8446, 6.1).
 */
static void
keeper_expired(int sig)
{
	(void)sig;
	_exit(exit_status);
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

	/* Not caught: the signals stay blocked in the child until signals_restore(). */
	keeper_signals(&signals);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	pid = fork();
	if (pid > 0)
		prctl(PR_SET_NAME, KEEPER_NAME);
	return pid;
}

int
keeper_exit_status(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int
wait_for_child(pid_t pid)
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
	int64_t failed_at = 0;
	unsigned tries = 0;
	int sig, status;

	keeper_signals(&signals);
	for (;;) {
		sig = sigwaitinfo(&signals, NULL);
		/*
		 * A process that is stopped and continued gets EINTR (signal(7)), in a long
		 * session many times.
		 */
		if (sig == -1 && clock_ms() - failed_at > FAILURES_APART_MS)
			tries = 0;
		if (sig == -1)
			failed_at = clock_ms();
		if (sig == SIGCHLD && waitpid(pid, &status, WNOHANG) == pid)
			return status;
		if (sig > 0 && sig != SIGCHLD)
			kill(pid, sig);
		/*
		 * sigwaitinfo(2) does not work: wait for the child only, without passing signals
		 * on.
		 */
		if (sig == -1 && !again(&tries))
			return wait_for_child(pid);
		if (sig > 0)
			tries = 0;
	}
}

/*
 * Drops all privileges, and all descriptors but the client as 0 and the log as 1. Leaves the
 * working directory, so that the user's home can be unmounted.
 *
 * SECURITY: this process has the user's uid and the log's open file. The user can't get at the
 * file: launch_become() has made the process undumpable.
 */
static void
drop_privileges(const struct account *a)
{
	if (chdir("/") == -1)
		die("/");
	if (!launch_drop_groups())
		die("setgroups");
	launch_become(a);
	if (!descriptors_close_from(STDOUT_FILENO + 1))
		die("closing descriptors");
}

static void
start_deadline(void)
{
	struct sigaction action = { .sa_handler = keeper_expired };
	sigset_t alarmed;

	sigemptyset(&alarmed);
	sigaddset(&alarmed, SIGALRM);
	sigaction(SIGALRM, &action, NULL);
	sigprocmask(SIG_UNBLOCK, &alarmed, NULL);
	alarm(KEEPER_FAREWELL_S);
}

/*
 * Sends close_notify after all records before it, however long that takes. O_NONBLOCK and
 * SO_SNDTIMEO may have been set by the mailbox program, so both are reset.
 */
static void
send_close_notify(void)
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

/*
 * Waits until the client has received all output. Closing a TCP socket with unread input sends a
 * reset, which loses output on its way.
 */
static void
wait_until_read(void)
{
	struct pollfd pfd = { STDIN_FILENO, POLLRDHUP, 0 };
	int unread = 0;

	shutdown(STDIN_FILENO, SHUT_WR);
	while (poll(&pfd, 1, KEEPER_LINGER_MS) == 0)
		if (ioctl(STDIN_FILENO, SIOCOUTQ, &unread) == -1 || unread == 0)
			return;
}

/*
 * Returns the number of octets written to the connection since its start, including those of
 * TLS: acknowledged ones and those on their way (tcp(7), SIOCOUTQ). 0 if it is unknown.
 */
static uint64_t
octets_written(void)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);
	int before = 0, after = -1;

	/* An octet acknowledged between the two calls would be missed by both. */
	for (int i = 0; i < 10 && before != after; i++) {
		len = sizeof(info);
		if (ioctl(STDIN_FILENO, SIOCOUTQ, &before) == -1 || getsockopt(STDIN_FILENO, IPPROTO_TCP, TCP_INFO, &info, &len) == -1 ||
		    ioctl(STDIN_FILENO, SIOCOUTQ, &after) == -1 || len < offsetof(struct tcp_info, tcpi_bytes_received))
			return 0;
	}
	return before == after ? info.tcpi_bytes_acked + (uint64_t)after : 0;
}

/*
 * Returns whether the client has reset the connection, so that the mailbox program could not
 * write.
 */
static bool
is_reset(void)
{
	struct pollfd pfd = { STDIN_FILENO, 0, 0 };

	return poll(&pfd, 1, 0) > 0;
}

static void __attribute__((noreturn))
keeper_loop(const struct session *s)
{
	struct reply failure_reply = { .len = 0 };
	int64_t began = clock_ms();
	int status;

	title_set(s->account.name, log_context_value("rip"), "keeper");
	drop_privileges(&s->account);
	reply_no_mailbox(&failure_reply, s->tag);
	status = keeper_wait(s->program);
	exit_status = keeper_exit_status(status);
	if (s->reports)
		childexit_report_session(0, s->account.name, clock_ms() - began, status);
	start_deadline();
	if (s->written != 0 && octets_written() == s->written && !is_reset()) {
		report_program_end(&s->account, status, OUTPUT_NONE);
		(void)!send(STDIN_FILENO, failure_reply.text, failure_reply.len, MSG_NOSIGNAL);
	}
	send_close_notify();
	wait_until_read();
	_exit(exit_status);
}

/*
 * Executes this program as the keeper, still as root, so that neither a process limit of the
 * user (execve(2), EAGAIN) nor the file's mode matters. Returns on failure.
 *
 * SECURITY: PAM and the C library leave in memory what they have read, even other users'
 * password hashes, and the keeper will run with its user's uid.
 */
static void
execute_keeper(const struct session *s)
{
	char name[] = KEEPER_NAME, program[DECIMAL_SIZE], uid[DECIMAL_SIZE], gid[DECIMAL_SIZE], written[DECIMAL_SIZE], tag[MSG_TAG_MAX];
	char user[MSG_NAME_MAX], reports[] = { s->reports ? '1' : '0', '\0' }, words[LOG_WORDS_MAX][LOG_WORD_SIZE];
	char *argv[N_ARGUMENTS + LOG_WORDS_MAX + 1] = { name, program, uid, gid, written, tag, user, reports }, *environment[] = { NULL };
	size_t i, n = log_export(words);

	snprintf(program, sizeof(program), "%jd", (intmax_t)s->program);
	snprintf(uid, sizeof(uid), "%ju", (uintmax_t)s->account.uid);
	snprintf(gid, sizeof(gid), "%ju", (uintmax_t)s->account.gid);
	snprintf(written, sizeof(written), "%" PRIu64, s->written);
	snprintf(tag, sizeof(tag), "%s", s->tag);
	snprintf(user, sizeof(user), "%s", s->account.name);
	for (i = 0; i < n; i++)
		argv[N_ARGUMENTS + i] = words[i];
	if (descriptors_close_on_exec_from(STDERR_FILENO + 1))
		execve("/proc/self/exe", argv, environment);
}

static void
log_failure(int error)
{
	struct log_line l;

	log_begin(&l, LOG_ERR, "error");
	log_text(&l, "program", KEEPER_NAME);
	log_text(&l, "text", strerror(error));
	log_write(&l);
}

bool
keeper_supervise(const struct account *a, const char *tag, bool reports)
{
	struct session s = { .account = *a, .written = octets_written(), .tag = tag, .reports = reports };

	s.program = keeper_fork();
	if (s.program <= 0)
		return s.program == 0;
	if (!log_move(STDOUT_FILENO))
		die("descriptor of the log");
	execute_keeper(&s);
	/*
	 * There is no /proc. The session continues; neither cores nor ptrace(2) can get at this
	 * memory.
	 */
	log_failure(errno);
	keeper_loop(&s);
}

/* Parses a decimal number of at most max. Returns false if the argument is not one. */
static bool
parse_number(const char *text, uintmax_t max, uintmax_t *number)
{
	char *end;

	errno = 0;
	*number = strtoumax(text, &end, 10);
	return text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0 && *number <= max;
}

void
keeper_run(char *argv[])
{
	struct session s = { .tag = NULL };
	uintmax_t program, uid, gid, written;
	int argc = 0;

	launch_forbid_dumps();
	while (argv[argc] != NULL)
		argc++;
	if (argc < N_ARGUMENTS || !parse_number(argv[1], INT_MAX, &program) || !parse_number(argv[2], UINT32_MAX, &uid) ||
	    !parse_number(argv[3], UINT32_MAX, &gid) || !parse_number(argv[4], UINT64_MAX, &written) || program == 0 || strlen(argv[5]) >= MSG_TAG_MAX ||
	    strlen(argv[6]) >= MSG_NAME_MAX || strspn(argv[7], "01") != 1 || argv[7][1] != '\0' || !log_import(STDOUT_FILENO, argv + N_ARGUMENTS))
		_exit(EX_USAGE);
	prctl(PR_SET_NAME, KEEPER_NAME);
	s.program = (pid_t)program;
	s.account.uid = (uid_t)uid;
	s.account.gid = (gid_t)gid;
	s.written = written;
	s.tag = argv[5];
	s.reports = argv[7][0] == '1';
	strcpy(s.account.name, argv[6]);
	keeper_loop(&s);
}
