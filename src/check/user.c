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
static const struct peer placeholder_peer = {
	.ip = "CLIENT-ADDRESS",
	.port = "PORT",
	.local_ip = "SERVER-ADDRESS",
	.local_port = "PORT",
};

struct task_args {
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

/* Returns whether a failure is caused by program, arguments or templates. */
static bool
is_of_settings(const struct task_args *t, const char *error)
{
	return strcmp(error, "program") == 0 || strcmp(error, "arguments") == 0 || strcmp(error, "environment") == 0 ||
	    (strcmp(error, "home") == 0 && t->account->home[0] == '\0');
}

/* Reports a failure of test_launch(). */
static void
explain_launch(const struct task_args *t, const char *error, bool program_works)
{
	if (!program_works && is_of_settings(t, error))
		return;
	if (strcmp(error, "home") == 0)
		finding_report(FINDING_ERROR, "home", "%s can't be entered by uid %u; create it and chown it to that user", t->account->home,
		    (unsigned)t->account->uid);
	else if (strcmp(error, "program") == 0)
		finding_report(FINDING_ERROR, "mailbox program", "%s can't be executed by uid %u", t->opts->program[0], (unsigned)t->account->uid);
	else if (strcmp(error, "arguments") == 0)
		finding_report(FINDING_ERROR, "arguments", "they can't be expanded for this user: an unknown \"%%\", or too long");
	else if (strcmp(error, "environment") == 0)
		finding_report(FINDING_ERROR, "environment", "it can't be built: an unknown \"%%\" in --setenv, or too long");
	else
		finding_report(FINDING_ERROR, "launch", "the login would fail: %s", error);
}

/* Tests what the monitor tests before it sends OK (a child_task, because it changes groups). */
static void
test_launch(void *arg, int fd)
{
	const struct task_args *t = arg;
	/* SECURITY: with root's groups the test could succeed where the user would fail. */
	const char *error = launch_join_groups(t->account) ? launch_preflight(t->opts, t->account) : "groups";

	if (error == NULL)
		return;
	if (strcmp(error, "groups") == 0 || strcmp(error, "uid") == 0)
		dprintf(fd, "can't set the user's %s: %s", error, strerror(errno));
	else
		dprintf(fd, "%s", error);
}

/*
 * SECURITY: programs that modules start must neither read root's terminal nor write among the
 * findings (monitor/client.h).
 */
static void
redirect_stdio_to_null(void)
{
	int null_fd = open("/dev/null", O_RDWR);

	if (null_fd == -1 || dup2(null_fd, STDIN_FILENO) == -1 || dup2(null_fd, STDOUT_FILENO) == -1)
		die("/dev/null");
	if (null_fd > STDOUT_FILENO)
		close(null_fd);
}

/*
 * Runs PAM's account management (pam_acct_mgmt(3)), which needs no password (a child_task, because
 * modules may do anything).
 */
static void
test_pam(void *arg, int fd)
{
	const struct task_args *t = arg;
	const struct peer local = { .ip = "local" };
	struct pamauth_result answer;
	static struct pamauth pam;

	redirect_stdio_to_null();
	answer = pamauth_check(&pam, t->opts, &local, t->opts->pam_service, t->account->name, NULL);
	if (answer.outcome != OUTCOME_OK)
		dprintf(fd, "%s%s%s", answer.reason, pam.text[0] != '\0' ? ": " : "", pam.text);
	pamauth_close(&pam);
}

static void
check_pam(struct task_args *t)
{
	char error[512];

	child_run(test_pam, t, error, sizeof(error));
	/* pamstack_check() has reported the missing service. */
	if (strcmp(error, "no-pam-service") == 0)
		return;
	if (error[0] == '\0')
		finding_report(FINDING_OK, "PAM", "the account may be used (pam_acct_mgmt, asked without a password)");
	else
		finding_report(geteuid() == 0 ? FINDING_ERROR : FINDING_WARNING, "PAM", "the account may not be used: %s%s", error, geteuid() == 0 ?
		    "" : " (run as root for a reliable answer)");
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

	/* test_launch() did the same, and explain_launch() has reported the failure. */
	if (!environment_build(&e, &(struct environment_facts){ o, &placeholder_peer, a, &tls, "TAG", "LOGIN", NULL }))
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

/*
 * Reports a uid that account_find() refuses: to everyone, or only because this process is not root.
 */
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
		finding_report(FINDING_ERROR, user, "--home, --setenv or an argument has %%n, %%d or %%u, and this name leaves that part empty, or begins it "
		    "with \".\" or \"-\"; such a login fails like one with a wrong password");
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
	struct task_args t = { o, a };
	char error[128];

	child_run(test_launch, &t, error, sizeof(error));
	if (error[0] != '\0')
		explain_launch(&t, error, true);
	return error[0] == '\0';
}

void
user_check(const struct options *o, bool program_works)
{
	static struct account a;
	struct task_args t = { o, &a };
	char error[128];

	if (!user_find(&a, o, o->user))
		return;
	show_ids(&a);
	check_pam(&t);
	child_run(test_launch, &t, error, sizeof(error));
	if (strcmp(error, "home") != 0)
		show_home(&a);
	if (error[0] != '\0')
		explain_launch(&t, error, program_works);
	show_program(o, &a);
	show_environment(o, &a);
}
