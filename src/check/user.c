/*
 * Checks of one user, see user.h. Run by --check and --probe, usually as root. All tests use the
 * monitor's functions.
 */

#include "check/user.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "check/child.h"
#include "check/finding.h"
#include "monitor/environment.h"
#include "monitor/launch.h"
#include "monitor/pamauth.h"

#define GROUPS_MAX	64

/* Placeholders for values that only a connection has. */
static const struct peer somewhere = {
	.ip = "CLIENT-ADDRESS",
	.port = "PORT",
	.local_ip = "SERVER-ADDRESS",
	.local_port = "PORT",
};

struct question {
	const struct options	*opts;
	const struct account	*account;
};

static void
show_ids(const struct account *a)
{
	gid_t groups[GROUPS_MAX];
	char text[1024];
	int i, n = GROUPS_MAX;
	size_t len;

	if (getgrouplist(a->owner, a->gid, groups, &n) == -1)
		n = GROUPS_MAX;
	len = (size_t)snprintf(text, sizeof(text), "uid %u, gid %u, groups", (unsigned)a->uid, (unsigned)a->gid);
	for (i = 0; i < n && len < sizeof(text); i++) {
		const struct group *gr = getgrgid(groups[i]);

		len += (size_t)snprintf(text + len, sizeof(text) - len, " %u(%s)", (unsigned)groups[i], gr != NULL ? gr->gr_name : "?");
	}
	finding_report(FINDING_OK, a->name, "%s", text);
}

static void
show_home(const struct account *a)
{
	struct stat st;

	if (stat(a->home, &st) == -1)
		finding_report(FINDING_WARNING, "home", "%s: %s", a->home, strerror(errno));
	else if (st.st_uid != a->uid)
		finding_report(FINDING_WARNING, "home", "%s belongs to uid %u, not to uid %u; chown it", a->home, (unsigned)st.st_uid, (unsigned)a->uid);
	else
		finding_report(FINDING_OK, "home", "%s, and shell %s", a->home, a->shell);
}

/* Reports a failure of launch_preflight(). */
static void
explain_launch(const struct question *q, const char *error, bool program_works)
{
	bool reported = !program_works && strcmp(error, "groups") != 0 && (strcmp(error, "home") != 0 || q->account->home[0] == '\0');

	if (reported)
		return;
	if (strcmp(error, "home") == 0)
		finding_report(FINDING_ERROR, "home", "%s can't be entered by uid %u; make it, and give it to that user", q->account->home,
		    (unsigned)q->account->uid);
	else if (strcmp(error, "program") == 0)
		finding_report(FINDING_ERROR, "mailbox program", "%s can't be executed by uid %u", q->opts->program[0], (unsigned)q->account->uid);
	else if (strcmp(error, "arguments") == 0)
		finding_report(FINDING_ERROR, "arguments", "they can't be expanded for this user: an unknown \"%%\", or too long");
	else if (strcmp(error, "environment") == 0)
		finding_report(FINDING_ERROR, "environment", "it can't be built: an unknown \"%%\" in --setenv, or too long");
	else
		finding_report(FINDING_ERROR, "launch", "it would fail: %s", error);
}

/* Tests what the monitor tests before it sends OK (a child_task, because it changes groups). */
static void
try_launch(void *arg, int fd)
{
	const struct question *q = arg;
	/* SECURITY: root's groups would open what the user's do not. */
	const char *error = launch_join_groups(q->account) ? launch_preflight(q->opts, q->account) : "groups";

	if (error != NULL)
		dprintf(fd, "%s", error);
}

/*
 * SECURITY: programs that modules start must neither read root's terminal nor write among the
 * findings (monitor/client.h).
 */
static void
leave_terminal(void)
{
	int nowhere = open("/dev/null", O_RDWR);

	if (nowhere == -1 || dup2(nowhere, STDIN_FILENO) == -1 || dup2(nowhere, STDOUT_FILENO) == -1)
		die("/dev/null");
	if (nowhere > STDOUT_FILENO)
		close(nowhere);
}

/*
 * Runs PAM's account step, which needs no password (a child_task, because modules may do
 * anything).
 */
static void
try_pam(void *arg, int fd)
{
	const struct question *q = arg;
	const struct peer local = { .ip = "local" };
	struct pamauth_result answer;
	static struct pamauth pam;

	leave_terminal();
	answer = pamauth_check(&pam, q->opts, &local, q->opts->pam_service, q->account->name, NULL);
	if (answer.outcome != OUTCOME_OK)
		dprintf(fd, "%s%s%s", answer.reason, pam.text[0] != '\0' ? ": " : "", pam.text);
	pamauth_close(&pam);
}

static void
check_pam(struct question *q)
{
	char error[512];

	child_run(try_pam, q, error, sizeof(error));
	/* The missing service was reported. */
	if (strcmp(error, "no-pam-service") == 0)
		return;
	if (error[0] == '\0')
		finding_report(FINDING_OK, "PAM", "the account may be used (pam_acct_mgmt, asked without a password)");
	else
		finding_report(geteuid() == 0 ? FINDING_ERROR : FINDING_WARNING, "PAM", "the account may not be used: %s%s", error, geteuid() == 0 ?
		    "" : " (root could say more)");
}

/* Appends a space and the text, in double quotes if a shell would need them. */
static void
append_quoted(char *dst, size_t size, const char *text)
{
	bool plain = text[0] != '\0' && text[strcspn(text, " \t\"'\\$`*?&|;<>()#~!")] == '\0';

	snprintf(dst, size, plain ? " %s" : " \"%s\"", text);
}

static void
show_program(const struct options *o, const struct account *a)
{
	char path[PATH_MAX], text[2048], value[1024];
	size_t i, len;

	if (!launch_find(o, path))
		return;
	len = (size_t)snprintf(text, sizeof(text), "%s", path);
	for (i = 1; o->program[i] != NULL && len < sizeof(text); i++) {
		if (!account_expand(a, o->program[i], value, sizeof(value)))
			return;
		append_quoted(text + len, sizeof(text) - len, value);
		len += strlen(text + len);
	}
	finding_report(FINDING_OK, "runs", "%s", text);
}

static void
show_environment(const struct options *o, const struct account *a)
{
	const struct msg_tls tls = { .protocol = "TLS-VERSION", .cipher = "TLS-CIPHER" };
	static struct environment e;
	size_t i;

	/* try_launch() did the same, and explain_launch() has reported the failure. */
	if (!environment_build(&e, &(struct environment_facts){ o, &somewhere, a, &tls, "TAG", "LOGIN", NULL }))
		return;
	finding_report(FINDING_OK, "environment", "%zu variables, and those that PAM modules set", e.n);
	for (i = 0; i < e.n; i++)
		finding_detail(e.vars[i]);
}

void
user_report_uid(const struct options *o, const char *subject, const char *name, uid_t uid)
{
	if (uid == 0)
		finding_report(FINDING_ERROR, subject, "%s has uid 0, and root never logs in here; use another account", name);
	else
		finding_report(FINDING_ERROR, subject, "%s has uid %u, below --min-uid %u, so its login is refused; give it another uid, or a smaller --min-uid",
		    name, (unsigned)uid, (unsigned)o->min_uid);
}

/* Reports a uid that account_find() refused: always, or for a caller without root. */
static void
explain_uid(const struct options *o, const char *subject, const char *name)
{
	const struct passwd *pw = getpwnam(name);

	if (pw != NULL && (pw->pw_uid == 0 || pw->pw_uid < o->min_uid))
		user_report_uid(o, subject, name, pw->pw_uid);
	else
		finding_report(FINDING_ERROR, subject, "%s is not the user who runs this; without root no other user can log in", name);
}

/* Reports an error of account_find(). */
static void
explain_account_error(const struct options *o, const char *user, const char *error)
{
	const char *subject = o->run_as != NULL ? "--run-as" : user, *owner = o->run_as != NULL ? o->run_as : user;

	if (strcmp(error, "uid") == 0)
		explain_uid(o, subject, owner);
	else if (strcmp(error, ACCOUNT_UNKNOWN) == 0 && o->run_as != NULL)
		finding_report(FINDING_ERROR, subject, "there is no user %s", owner);
	else if (strcmp(error, ACCOUNT_UNKNOWN) == 0)
		finding_report(FINDING_ERROR, user, "there is no such account (getent passwd); --run-as is for accounts that only PAM knows");
	else if (strcmp(error, ACCOUNT_NO_DIRECTORY) == 0)
		finding_report(FINDING_ERROR, user, "the user database can't be read now (nsswitch.conf, passwd): %s; every login is refused as unavailable",
		    strerror(errno));
	else
		finding_report(FINDING_ERROR, user, "--home, --setenv or an argument has %%n, %%d or %%u, and that part of this name is empty, or begins "
		    "with \".\" or \"-\": refused like a wrong password");
}

bool
user_find(struct account *a, const struct options *o, const char *name)
{
	const char *error = account_find(a, o, name);

	if (error != NULL)
		explain_account_error(o, name, error);
	return error == NULL;
}

bool
user_can_start(const struct options *o, const struct account *a)
{
	struct question q = { o, a };
	char error[64];

	child_run(try_launch, &q, error, sizeof(error));
	if (error[0] != '\0')
		explain_launch(&q, error, true);
	return error[0] == '\0';
}

void
user_check(const struct options *o, bool program_works)
{
	static struct account a;
	struct question q = { o, &a };
	char error[64];

	if (!user_find(&a, o, o->user))
		return;
	show_ids(&a);
	check_pam(&q);
	child_run(try_launch, &q, error, sizeof(error));
	if (strcmp(error, "home") != 0)
		show_home(&a);
	if (error[0] != '\0')
		explain_launch(&q, error, program_works);
	show_program(o, &a);
	show_environment(o, &a);
}
