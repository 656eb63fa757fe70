/* Checks of the mailbox program, see program.h. Run by --check and --probe, usually as root. */

#include "check/program.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check/child.h"
#include "check/finding.h"
#include "check/invoker.h"
#include "monitor/launch.h"

#define NOBODY	65534

struct access_test {
	const struct options	*opts;
	const struct sandbox	*sandbox;
	const char		*path;
};

/* Changes to --run-as, or else to a user without privileges. */
static bool
become_test_user(const struct access_test *t)
{
	struct account a;

	/* The gate's ids; if there is no such user, those of "nobody". */
	uid_t uid = t->sandbox->uid != 0 ? t->sandbox->uid : NOBODY;
	gid_t gid = t->sandbox->gid != 0 ? t->sandbox->gid : NOBODY;

	if (geteuid() != 0)
		return true;
	if (t->opts->run_as != NULL)
		return account_find(&a, t->opts, "somebody@example.org") == NULL && initgroups(a.owner, a.gid) == 0 && setresgid(a.gid, a.gid, a.gid) == 0 &&
		    setresuid(a.uid, a.uid, a.uid) == 0;
	return setgroups(0, NULL) == 0 && setresgid(gid, gid, gid) == 0 && setresuid(uid, uid, uid) == 0;
}

/* Reports the first directory, or the file, that users can't access (a child_task). */
static void
try_path(void *arg, int fd)
{
	const struct access_test *t = arg;
	const char *slash = t->path;
	char part[PATH_MAX];

	if (!become_test_user(t)) {
		dprintf(fd, "can't be tested: %s", strerror(errno));
		return;
	}
	/* SECURITY: keys that were checked may be in this memory. */
	launch_forbid_dumps();
	for (;;) {
		slash = strchrnul(slash + 1, '/');
		snprintf(part, sizeof(part), "%.*s", (int)(slash - t->path), t->path);
		if (faccessat(AT_FDCWD, part, X_OK, AT_EACCESS) == -1) {
			dprintf(fd, "can't %s %s: %s", *slash == '/' ? "enter the directory" : "execute", part, strerror(errno));
			return;
		}
		if (*slash == '\0')
			return;
	}
}

/*
 * Checks the interpreter of a script (execve(2)): for a missing one the kernel reports only
 * ENOENT.
 */
static void
check_interpreter(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char start[256] = "", *name = start + 2;
	ssize_t n = fd != -1 ? read(fd, start, sizeof(start) - 1) : 0;

	if (fd != -1)
		close(fd);
	if (n < 2 || memcmp(start, "#!", 2) != 0)
		return;
	name += strspn(name, " \t");
	name[strcspn(name, " \t\r\n")] = '\0';
	if (access(name, X_OK) == -1)
		finding_report(FINDING_ERROR, path, "its first line names %s: %s", name, strerror(errno));
}

/*
 * Checks one template: an unknown "%" would fail each login, and a home directory from a shell's
 * "~" would be one user's for all. Only the first shown octets of text are printed.
 */
static bool
check_template(const struct options *o, const char *subject, const char *template, const char *text, size_t shown)
{
	static const struct account somebody = { .name = "somebody@example.org", .home = "/home/somebody" };
	const char *invoker = invoker_home_in(template, o->run_as);
	char value[8192];

	if (invoker != NULL)
		finding_report(FINDING_WARNING, subject, "%.*s: has the home directory of %s in it, for all users; quote a \"~\" that no shell shall replace, "
		    "or say %%h", (int)shown, text, invoker);
	if (account_expand(&somebody, template, value, sizeof(value)))
		return true;
	finding_report(FINDING_ERROR, subject, "%.*s: unknown \"%%\"; a percent sign is written %%%%", (int)shown, text);
	return false;
}

bool
program_check_templates(const struct options *o)
{
	bool work = true;
	size_t i;

	for (i = 0; o->program[i] != NULL; i++)
		work &= check_template(o, "arguments", o->program[i], o->program[i], 200);
	/* The value may be secret: only the name is printed. */
	for (i = 0; i < o->n_setenv; i++)
		work &= check_template(o, "--setenv", strchr(o->setenv[i], '='), o->setenv[i], strcspn(o->setenv[i], "="));
	if (o->home != NULL)
		work &= check_template(o, "--home", o->home, o->home, 200);
	return work;
}

/* Reports a missing program; for a name without a slash also the PATH. */
static void
report_missing(const char *name)
{
	if (strchr(name, '/') == NULL)
		finding_report(FINDING_ERROR, "mailbox program", "%s: it is not in %s; give its absolute path", name, getenv("PATH"));
	else
		finding_report(FINDING_ERROR, "mailbox program", "%s: %s", name, errno != 0 ? strerror(errno) : "not an executable file");
}

bool
program_find(const struct options *o, char path[PATH_MAX])
{
	const char *name = o->program[0];

	errno = 0;
	if (!launch_find(o, path)) {
		report_missing(name);
		return false;
	}
	if (name[0] != '/')
		finding_report(FINDING_WARNING, "mailbox program", "%s is %s from here; give its absolute path", name, path);
	return true;
}

/* Returns whether --run-as can be used; if not, that was reported. */
static bool
run_as_works(const struct options *o)
{
	struct account a;

	return o->run_as == NULL || geteuid() != 0 || account_find(&a, o, "somebody@example.org") == NULL;
}

bool
program_check(const struct options *o, const struct sandbox *sandbox)
{
	char path[PATH_MAX], error[PATH_MAX + 64];
	const char *users = o->run_as != NULL ? o->run_as : geteuid() == 0 ? "users" : "this user";
	struct access_test t = { o, sandbox, path };
	bool templates_work = program_check_templates(o);

	if (!program_find(o, path))
		return false;
	check_interpreter(path);
	if (!run_as_works(o))
		return templates_work;
	child_run(try_path, &t, error, sizeof(error));
	if (error[0] == '\0')
		finding_report(FINDING_OK, "mailbox program", "%s can be executed by %s", path, users);
	else if (o->run_as != NULL || geteuid() != 0)
		finding_report(FINDING_ERROR, "mailbox program", "%s %s", users, error);
	else
		finding_report(FINDING_WARNING, "mailbox program", "%s %s, unless a group of theirs may", users, error);
	return templates_work;
}
