/*
 * --probe, see probe.h. Run by the administrator, usually as root. The program is started by the
 * monitor's functions as the account's user; its output is not trusted.
 */

#include "check/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "check/child.h"
#include "check/finding.h"
#include "check/invoker.h"
#include "check/program.h"
#include "check/suggest.h"
#include "check/user.h"
#include "connection.h"
#include "monitor/launch.h"

/* Time for the whole dialogue. Courier needs three seconds without a file monitor. */
#define PROBE_TIMEOUT_MS	10000
/* Time after "* OK" for a tagged OK; without one it was a greeting. */
#define PROBE_PAUSE_MS	1000
/* Time between LOGOUT and the program's end. */
#define LOGOUT_MS	2000

#define LINES_MAX	64
#define TAG		"probe1"

enum style {
	STYLE_NONE,
	STYLE_TAG,
	STYLE_PREAUTH,
	STYLE_OK,		/* "* OK": logged in already, or waiting for a login */
};

struct probe {
	const struct options	*opts;
	struct account		 account;
	pid_t			 pid;
	int			 fd;		/* other end of the program's descriptors 0 and 1 */
	int			 err_fd;	/* other end of its descriptor 2 */
	int64_t			 deadline;
	char			 output[8192];	/* its output; a working program needs less room */
	size_t			 len, at;	/* at: start of the next line */
	bool			 ended;		/* the program has closed its side */
	char			 err_text[512];	/* last part of its standard error */
	struct probe_result	 found;
};

/* --- the program */

/* Becomes the user and executes the program as the monitor would, in the child. */
static void __attribute__((noreturn))
become_program(const struct probe *p, int fd, int err_fd)
{
	static const struct peer placeholder_peer = { .ip = "127.0.0.1", .port = "143", .local_ip = "127.0.0.1", .local_port = "143" };
	static const struct msg_tls none;
	struct options bare = *p->opts;
	struct signals signals;
	const char *error;

	/* Nothing is sent before the program's first output. */
	bare.handoff = GREETING_STYLE_TAG;
	bare.capability_after = NULL;
	child_report_to(err_fd);
	/*
	 * SECURITY: the user's program must not reach root's terminal, where it could inject
	 * input (TIOCSTI, ioctl_tty(2)).
	 */
	setsid();
	signals_save(&signals, NULL);
	if (dup2(fd, STDIN_FILENO) == -1 || dup2(fd, STDOUT_FILENO) == -1)
		die("dup2");
	error = launch_join_groups(&p->account) ? launch_preflight(&bare, &p->account) : "groups";
	if (error != NULL)
		dprintf(err_fd, "imapgate: a login would fail: %s\n", error);
	else
		launch_exec(&bare, &p->account, &(struct environment_facts){ &bare, &placeholder_peer, &p->account, &none, TAG, "LOGIN", NULL },
		    &signals, err_fd);
	_exit(1);
}

static void
start_program(struct probe *p)
{
	int stream[2], err[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, stream) == -1 || pipe2(err, O_CLOEXEC) == -1)
		die("socketpair");
	p->deadline = clock_ms() + PROBE_TIMEOUT_MS;
	p->pid = fork();
	if (p->pid == -1)
		die("fork");
	if (p->pid == 0)
		become_program(p, stream[1], err[1]);
	close(stream[1]);
	close(err[1]);
	p->fd = stream[0];
	p->err_fd = err[0];
}

/* Reads standard error and keeps the last part of it. */
static void
read_stderr(struct probe *p)
{
	char text[256];
	size_t have = strlen(p->err_text), room = sizeof(p->err_text) - 1;
	ssize_t n = read(p->err_fd, text, sizeof(text));

	if (n <= 0) {
		close(p->err_fd);
		p->err_fd = -1;
		return;
	}
	if (have + (size_t)n > room) {
		memmove(p->err_text, p->err_text + have + (size_t)n - room, room - (size_t)n);
		have = room - (size_t)n;
	}
	memcpy(p->err_text + have, text, (size_t)n);
	p->err_text[have + (size_t)n] = '\0';
}

static void
read_output(struct probe *p)
{
	ssize_t n = read(p->fd, p->output + p->len, sizeof(p->output) - p->len);

	if (n <= 0)
		p->ended = true;
	else
		p->len += (size_t)n;
}

/* Waits for output and reads it. Returns false at the deadline. */
static bool
wait_for_output(struct probe *p, int64_t deadline)
{
	struct pollfd pfd[] = { { p->ended ? -1 : p->fd, POLLIN, 0 }, { p->err_fd, POLLIN, 0 } };
	int64_t left = deadline - clock_ms();

	if (left <= 0 || poll(pfd, 2, (int)left) <= 0)
		return false;
	if (pfd[0].revents != 0)
		read_output(p);
	if (pfd[1].revents != 0)
		read_stderr(p);
	return true;
}

/*
 * Closes the connection and waits for the program to exit. Fills info; returns false if it had
 * to be killed.
 */
static bool
stop_program(struct probe *p, siginfo_t *info)
{
	int64_t deadline = clock_ms() + LOGOUT_MS;
	bool exited = false;

	close(p->fd);
	p->ended = true;
	memset(info, 0, sizeof(*info));
	while (!exited && clock_ms() < deadline) {
		waitid(P_PID, (id_t)p->pid, info, WEXITED | WNOHANG | WNOWAIT);
		exited = info->si_pid == p->pid;
		if (!exited)
			wait_for_output(p, clock_ms() + 20);
	}
	while (p->err_fd != -1 && wait_for_output(p, clock_ms() + 20))
		;
	kill(-p->pid, SIGKILL);
	kill(p->pid, SIGKILL);
	waitpid(p->pid, NULL, 0);
	return exited;
}

/* --- the dialogue */

/*
 * Returns the next line without its end in line. Returns false if there is none by the deadline.
 */
static bool
next_line(struct probe *p, char *line, size_t size, int64_t deadline)
{
	const char *end;
	size_t len;

	while ((end = memchr(p->output + p->at, '\n', p->len - p->at)) == NULL)
		if (p->ended || p->len == sizeof(p->output) || !wait_for_output(p, deadline))
			return false;
	len = (size_t)(end - p->output) - p->at;
	if (len > 0 && end[-1] == '\r')
		len--;
	snprintf(line, size, "%.*s", (int)len, p->output + p->at);
	p->at = (size_t)(end + 1 - p->output);
	return true;
}

static bool
begins_with(const char *line, const char *with)
{
	return strncasecmp(line, with, strlen(with)) == 0;
}

/*
 * Stores the list of "* CAPABILITY ..." or "[CAPABILITY ...]". Returns false if the line has
 * none.
 */
static bool
store_capabilities(struct probe *p, const char *line)
{
	const char *start = strcasestr(line, "[CAPABILITY"), *words;

	if (start == NULL && begins_with(line, "* CAPABILITY"))
		start = line + 1;
	if (start == NULL)
		return false;
	words = start + strlen("[CAPABILITY");
	if (*words != '\0' && strchr(" \r]", *words) == NULL)
		return false;
	words += strspn(words, " \r");
	p->found.answered = true;
	snprintf(p->found.list, sizeof(p->found.list), "%.*s", (int)strcspn(words, "]"), words);
	return true;
}

/* Reads the program's first replies; it has the tag in its environment. */
static enum style
read_first_replies(struct probe *p)
{
	enum style style = STYLE_NONE;
	int64_t deadline = p->deadline;
	char line[4096];
	int i;

	for (i = 0; i < LINES_MAX && next_line(p, line, sizeof(line), deadline); i++) {
		if (store_capabilities(p, line))
			p->found.announced = p->found.list[0] != '\0';
		if (begins_with(line, TAG " OK"))
			return STYLE_TAG;
		if (begins_with(line, "* PREAUTH"))
			return STYLE_PREAUTH;
		if (begins_with(line, "* BYE") || !begins_with(line, "* "))
			return STYLE_NONE;
		if (begins_with(line, "* OK") && style == STYLE_NONE) {
			style = STYLE_OK;
			deadline = clock_ms() + PROBE_PAUSE_MS;
		}
	}
	return style;
}

enum answer {
	ANSWER_NONE,
	ANSWER_OK,
	ANSWER_NO,		/* or BAD */
};

/* Sends a command and reads its replies, up to the tagged one. */
static enum answer
send_command(struct probe *p, const char *tag, const char *command)
{
	char line[4096];
	int i;

	snprintf(line, sizeof(line), "%s %s\r\n", tag, command);
	(void)!send(p->fd, line, strlen(line), MSG_NOSIGNAL);
	for (i = 0; i < LINES_MAX && next_line(p, line, sizeof(line), p->deadline); i++) {
		store_capabilities(p, line);
		if (begins_with(line, tag))
			return begins_with(line + strlen(tag), " OK") ? ANSWER_OK : ANSWER_NO;
	}
	return ANSWER_NONE;
}

/* --- results */

/* Prints output of the program, with C escapes for unprintable characters. */
static void
print_output(const char *what, const char *text, size_t len)
{
	char line[1024], *at = line + snprintf(line, 64, "%s: ", what);
	size_t i;

	for (i = 0; i < len && i < 200; i++) {
		unsigned char ch = (unsigned char)text[i];

		if (ch == '\r' || ch == '\n')
			at += sprintf(at, "\\%c", ch == '\r' ? 'r' : 'n');
		else if (ch < ' ' || ch >= 0x7f || ch == '\\')
			at += sprintf(at, "\\x%02X", ch);
		else
			*at++ = (char)ch;
	}
	strcpy(at, i < len ? "..." : "");
	finding_detail(line);
}

/* Prints the last line of standard error that is not empty. */
static void
print_last_line(const char *text)
{
	size_t len = strlen(text), start;

	while (len > 0 && text[len - 1] == '\n')
		len--;
	for (start = len; start > 0 && text[start - 1] != '\n'; start--)
		;
	if (len > 0)
		print_output("its last line on standard error", text + start, len - start);
}

static int
report_failure(struct probe *p, const char *what)
{
	const char *late = !p->ended && clock_ms() >= p->deadline ? " within 10 seconds" : "";
	siginfo_t info;
	bool exited = stop_program(p, &info);
	char end[64] = "it did not exit when its connection was closed";

	if (exited && info.si_code == CLD_EXITED)
		snprintf(end, sizeof(end), "it exited with status %d", info.si_status);
	else if (exited)
		snprintf(end, sizeof(end), "it was killed by signal %d (%s)", info.si_status, strsignal(info.si_status));
	finding_report(FINDING_ERROR, p->opts->program[0], "%s%s; %s", what, late, end);
	if (p->len > 0)
		print_output("it wrote", p->output, p->len);
	print_last_line(p->err_text);
	return FINDING_ERROR;
}

static int
run_probe(struct probe *p)
{
	enum style style;
	siginfo_t info;

	start_program(p);
	style = read_first_replies(p);
	if (style == STYLE_NONE)
		return report_failure(p, p->len == 0 ? "it wrote nothing" : "its first lines have neither \"" TAG " OK\" nor \"* PREAUTH\"");
	if (send_command(p, "probe2", "CAPABILITY") == ANSWER_NONE)
		return report_failure(p, "it did not answer CAPABILITY");
	if (style == STYLE_OK && send_command(p, "probe3", "LIST \"\" \"\"") != ANSWER_OK)
		return report_failure(p, "it greets with \"* OK\" and requires a login of its own");
	send_command(p, "probe4", "LOGOUT");
	if (!stop_program(p, &info))
		finding_report(FINDING_WARNING, p->opts->program[0], "it did not exit after LOGOUT");
	p->found.tag = style == STYLE_TAG;
	if (p->opts->check)
		suggest_changes(p->opts, &p->found);
	else
		suggest_options(p->opts, &p->found);
	return (int)finding_worst();
}

int
probe_ask(const struct options *o)
{
	static struct probe p;
	const struct passwd *pw = o->user == NULL ? getpwuid(geteuid()) : NULL;
	const char *user = o->user != NULL ? o->user : pw != NULL ? pw->pw_name : "?";

	p.opts = o;
	if (!user_find(&p.account, o, user) || !user_can_start(o, &p.account))
		return FINDING_ERROR;
	return run_probe(&p);
}

int
probe_run(const struct options *o)
{
	char path[PATH_MAX];

	invoker_remember();
	connection_clear_environment();
	if (!program_check_templates(o) || !program_find(o, path))
		return FINDING_ERROR;
	return probe_ask(o);
}
