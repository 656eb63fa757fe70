/*
 * Starts the mailbox program, see launch.h. Run by the monitor, which becomes the program, and by
 * keepers, as root unless the superserver is not; and by --check and --probe, in a child.
 */

#include "monitor/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/again.h"
#include "base/clock.h"
#include "base/descriptors.h"
#include "base/log.h"
#include "proto/reply.h"

#define ARGUMENTS_MAX	64
#define ARGUMENTS_SIZE	(16 * 1024)

/* Time for the client to take one reply, else there is no session. */
#define WRITE_MS	10000

/* launch_join_groups() or launch_drop_groups() has succeeded. */
static bool groups_set;

/* "TAG OK " was sent, so no failure reply is possible. */
static bool ok_sent;

struct arguments {
	char	*argv[ARGUMENTS_MAX + 1];
	char	 store[ARGUMENTS_SIZE];
};

static bool
is_program(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

bool
launch_find(const struct options *o, char path[PATH_MAX])
{
	const char *name = o->program[0], *dir = getenv("PATH"), *end;
	char cwd[PATH_MAX];

	if (name[0] == '/')
		return snprintf(path, PATH_MAX, "%s", name) < PATH_MAX && is_program(path);
	if (strchr(name, '/') != NULL)
		return getcwd(cwd, sizeof(cwd)) != NULL && snprintf(path, PATH_MAX, "%s/%s", cwd, name) < PATH_MAX && is_program(path);
	for (; dir != NULL; dir = *end == ':' ? end + 1 : NULL) {
		end = strchrnul(dir, ':');
		if (*dir == '/' && snprintf(path, PATH_MAX, "%.*s/%s", (int)(end - dir), dir, name) < PATH_MAX && is_program(path))
			return true;
	}
	return false;
}

static bool
expand_arguments(struct arguments *a, const struct options *o, const struct account *account)
{
	char *at = a->store, *end = a->store + sizeof(a->store);
	size_t i;

	for (i = 0; o->program[i] != NULL; i++) {
		if (i == ARGUMENTS_MAX || at == end || !account_expand(account, o->program[i], at, (size_t)(end - at)))
			return false;
		a->argv[i] = at;
		at += strlen(at) + 1;
	}
	a->argv[i] = NULL;
	return true;
}

bool
launch_join_groups(const struct account *a)
{
	groups_set = geteuid() != 0 || (initgroups(a->owner, a->gid) == 0 && setresgid(a->gid, a->gid, a->gid) == 0);
	return groups_set;
}

bool
launch_drop_groups(void)
{
	groups_set = geteuid() != 0 || setgroups(0, NULL) == 0;
	return groups_set;
}

void
launch_forbid_dumps(void)
{
	if (prctl(PR_SET_DUMPABLE, 0) == -1)
		die("PR_SET_DUMPABLE");
}

/*
 * Returns whether the environment fits with the longest values that it may get. SECURITY: OK is
 * sent before launch_exec() builds the environment.
 */
static bool
environment_fits(const struct options *o, const struct account *a)
{
	static struct environment env;
	struct peer peer;
	struct msg_tls tls;
	char tag[MSG_TAG_MAX];

	memset(&peer, 0, sizeof(peer));
	memset(peer.ip, 'x', sizeof(peer.ip) - 1);
	memset(peer.port, 'x', sizeof(peer.port) - 1);
	memset(peer.local_ip, 'x', sizeof(peer.local_ip) - 1);
	memset(peer.local_port, 'x', sizeof(peer.local_port) - 1);
	memset(&tls, 0, sizeof(tls));
	memset(tls.protocol, 'x', sizeof(tls.protocol) - 1);
	memset(tls.cipher, 'x', sizeof(tls.cipher) - 1);
	memset(tls.sni, 'x', sizeof(tls.sni) - 1);
	memset(tag, 'x', sizeof(tag) - 1);
	tag[sizeof(tag) - 1] = '\0';
	return environment_build(&env, &(struct environment_facts){ o, &peer, a, &tls, tag, "AUTHENTICATE", NULL });
}

const char *
launch_preflight(const struct options *o, const struct account *a)
{
	static struct arguments args;
	char path[PATH_MAX];
	bool privileged = geteuid() == 0;
	int home, program;

	if (!expand_arguments(&args, o, a))
		return "arguments";
	if (!environment_fits(o, a))
		return "environment";
	errno = 0;
	if (!launch_find(o, path))
		return "program";
	if (privileged && seteuid(a->uid) == -1)
		return "uid";
	home = chdir(a->home) == 0 ? 0 : errno;
	program = faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) == 0 ? 0 : errno;
	if (privileged && seteuid(0) == -1)
		die("seteuid");
	launch_forbid_dumps();
	if (chdir("/") == -1)
		die("/");
	errno = home != 0 ? home : program;
	return home != 0 ? "home" : program != 0 ? "program" : NULL;
}

/* Dies or calls bug() on each failure, because no step can be undone. */
void
launch_become(const struct account *a)
{
	if (geteuid() == 0) {
		/* SECURITY: without the user's groups the program would have root's. */
		if (!groups_set)
			bug("becoming uid %u with root's groups", (unsigned)a->uid);
		if (setresgid(a->gid, a->gid, a->gid) == -1 || setresuid(a->uid, a->uid, a->uid) == -1)
			die("becoming uid %u", (unsigned)a->uid);
		/* SECURITY: make sure that root can't be regained. */
		if (setresuid(0, 0, 0) == 0)
			bug("root could be regained");
	}
	launch_forbid_dumps();
	if (getuid() != a->uid || geteuid() != a->uid || a->uid == 0)
		bug("not uid %u", (unsigned)a->uid);
}

bool
launch_send(const struct reply *r, bool more)
{
	const char *at = r->text, *end = r->text + r->len;
	struct pollfd pfd = { STDOUT_FILENO, POLLOUT, 0 };
	int64_t until = clock_ms() + WRITE_MS;
	unsigned tries = 0;
	ssize_t n;

	while (at < end) {
		if (clock_left(until) == 0 || poll(&pfd, 1, clock_left(until)) != 1)
			return false;
		n = send(STDOUT_FILENO, at, (size_t)(end - at), MSG_NOSIGNAL | MSG_DONTWAIT | (more ? MSG_MORE : 0));
		if (n == -1 && errno == ENOTSOCK)
			n = write(STDOUT_FILENO, at, (size_t)(end - at));
		if (n > 0) {
			at += n;
			tries = 0;
		} else if ((errno != EAGAIN && errno != EINTR) || !again(&tries))
			return false;
	}
	return true;
}

/* Sends the replies that precede the program's output. */
static bool
send_first_replies(const struct options *o, const char *tag)
{
	struct reply r = { .len = 0 };
	char list[REPLY_MAX];

	/* With PREAUTH the greeting is the program's. */
	if (tag[0] == '\0')
		return true;
	if (o->capability_after != NULL) {
		snprintf(list, sizeof(list), "CAPABILITY %s", o->capability_after);
		reply_data(&r, list);
	}
	if (o->handoff == GREETING_STYLE_GREETING)
		reply_prefix(&r, tag);
	ok_sent = o->handoff == GREETING_STYLE_GREETING;
	return launch_send(&r, true);
}

static void
log_failure(const char *path, int error)
{
	struct log_line l;

	log_begin(&l, LOG_ERR, "error");
	log_text(&l, "program", path);
	log_text(&l, "text", strerror(error));
	log_write(&l);
}

static void
log_dropped(const struct environment *e)
{
	struct log_line l;

	if (e->dropped == 0)
		return;
	log_begin(&l, LOG_WARNING, "environment-full");
	log_field(&l, "variables", "%zu", e->dropped);
	log_text(&l, "first", e->first_dropped);
	log_write(&l);
}

/*
 * Sends nothing after "TAG OK ": the client sees an incomplete line, which does not complete the
 * login.
 */
void
launch_send_failure(const char *tag)
{
	struct reply r = { .len = 0 };

	if (ok_sent)
		return;
	reply_no_mailbox(&r, tag);
	launch_send(&r, false);
}

/* Logs why the program can't be started, and sends the failure reply if it still can. */
static void
report_failure(const char *path, int error, const char *tag)
{
	log_failure(path, error);
	launch_send_failure(tag);
}

void
launch_exec(const struct options *o, const struct account *a, const struct environment_facts *facts, const struct signals *in,
    int err_fd)
{
	static struct environment env;
	static struct arguments args;
	char path[PATH_MAX];

	if (err_fd == -1) {
		report_failure(o->program[0], errno, facts->tag);
		return;
	}
	errno = 0;
	if (!launch_find(o, path)) {
		report_failure(o->program[0], errno != 0 ? errno : ENOENT, facts->tag);
		return;
	}
	if (!expand_arguments(&args, o, a) || !environment_build(&env, facts)) {
		report_failure(path, E2BIG, facts->tag);
		return;
	}
	log_dropped(&env);
	args.argv[0] = path;
	launch_become(a);
	if (chdir(a->home) == -1)
		die("%s", a->home);
	if (err_fd != STDERR_FILENO && dup2(err_fd, STDERR_FILENO) == -1)
		die("dup2");
	if (!send_first_replies(o, facts->tag)) {
		log_failure(path, EPIPE);
		return;
	}
	signals_restore(in);
	/* Descriptors that a failure still needs are closed by execve(2). */
	if (!descriptors_close_on_exec_from(STDERR_FILENO + 1))
		die("closing descriptors");
	execve(path, args.argv, env.vars);
	report_failure(path, errno, facts->tag);
}
