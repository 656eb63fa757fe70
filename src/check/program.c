/* The mailbox program, see program.h. */

#include "check/program.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "check/attempt.h"
#include "check/finding.h"
#include "monitor/launch.h"

#define NOBODY	65534

struct trial {
	const struct options	*opts;
	const struct sandbox	*sandbox;
	const char		*path;
};

/* Becomes who users are, as far as it is known: --run-as, or somebody without any rights. */
static bool
become_somebody(const struct trial *t)
{
	struct account a;

	/* The gate's, whose user may be missing; then "nobody" of all systems. */
	uid_t uid = t->sandbox->uid != 0 ? t->sandbox->uid : NOBODY;
	gid_t gid = t->sandbox->gid != 0 ? t->sandbox->gid : NOBODY;

	if (geteuid() != 0)
		return true;
	if (t->opts->run_as != NULL)
		return account_find(&a, t->opts, "somebody@example.org") == NULL && initgroups(a.owner, a.gid) == 0 && setresgid(a.gid, a.gid, a.gid) == 0 &&
		    setresuid(a.uid, a.uid, a.uid) == 0;
	return setgroups(0, NULL) == 0 && setresgid(gid, gid, gid) == 0 && setresuid(uid, uid, uid) == 0;
}

/* An attempt_try: names the first folder on the way, or the file, that keeps users out. */
static void
try_path(void *arg, int fd)
{
	const struct trial *t = arg;
	const char *slash = t->path;
	char part[PATH_MAX];

	if (!become_somebody(t)) {
		dprintf(fd, "its user can't be tried: %s", strerror(errno));
		return;
	}
	/* SECURITY: keys that were checked may be in this memory. */
	launch_forbid_dumps();
	for (;;) {
		slash = strchrnul(slash + 1, '/');
		snprintf(part, sizeof(part), "%.*s", (int)(slash - t->path), t->path);
		if (faccessat(AT_FDCWD, part, X_OK, AT_EACCESS) == -1) {
			dprintf(fd, "can't %s %s: %s", *slash == '/' ? "go through the folder" : "execute", part, strerror(errno));
			return;
		}
		if (*slash == '\0')
			return;
	}
}

/* A script's first line names who runs it (execve(2)); the kernel's "no such file" would not say which. */
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
		finding(FINDING_ERROR, path, "its first line names %s: %s", name, strerror(errno));
}

/* --home, --setenv and arguments with an unknown "%" would end each login. */
static void
check_templates(const struct options *o)
{
	const struct account somebody = { .name = "somebody@example.org", .home = "/home/somebody" };
	char value[8192];
	size_t i;

	for (i = 0; o->program[i] != NULL; i++)
		if (!account_expand(&somebody, o->program[i], value, sizeof(value)))
			finding(FINDING_ERROR, "arguments", "%.200s: unknown \"%%\"; a percent sign is written %%%%", o->program[i]);
	for (i = 0; i < o->setenvs; i++)
		if (!account_expand(&somebody, strchr(o->setenv[i], '='), value, sizeof(value)))
			finding(FINDING_ERROR, "--setenv", "%.*s: unknown \"%%\"; a percent sign is written %%%%",
			    (int)strcspn(o->setenv[i], "="), o->setenv[i]);
	if (o->home != NULL && !account_expand(&somebody, o->home, value, sizeof(value)))
		finding(FINDING_ERROR, "--home", "%.200s: unknown \"%%\"; a percent sign is written %%%%", o->home);
}

void
program_check(const struct options *o, const struct sandbox *sandbox)
{
	char path[PATH_MAX], wrong[PATH_MAX + 64];
	const char *who = o->run_as != NULL ? o->run_as : geteuid() == 0 ? "users" : "this user";
	struct trial t = { o, sandbox, path };

	check_templates(o);
	errno = 0;
	if (!launch_find(o, path)) {
		finding(FINDING_ERROR, "mailbox program", "%s: %s", o->program[0], errno != 0 ? strerror(errno) : "not an executable file");
		return;
	}
	if (o->program[0][0] != '/')
		finding(FINDING_WARNING, "mailbox program", "%s is %s from here; give its whole path", o->program[0], path);
	check_interpreter(path);
	attempt(try_path, &t, wrong, sizeof(wrong));
	if (wrong[0] == '\0')
		finding(FINDING_OK, "mailbox program", "%s can be executed by %s", path, who);
	else if (o->run_as != NULL || geteuid() != 0)
		finding(FINDING_ERROR, "mailbox program", "%s %s", who, wrong);
	else
		finding(FINDING_WARNING, "mailbox program", "%s %s, except where a group of theirs lets them", who, wrong);
}
