/* The users who may have typed the command line, see invoker.h. Run by --check and --probe. */

#include "check/invoker.h"

#include <ctype.h>
#include <limits.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define INVOKERS	3

static struct invoker {
	char	name[64];
	char	home[PATH_MAX];
} invokers[INVOKERS];
static size_t n_invokers;

static void
remember_user(const struct passwd *pw)
{
	struct invoker *i = &invokers[n_invokers];

	/* "/" would be found in every path. */
	if (pw == NULL || pw->pw_dir[0] != '/' || pw->pw_dir[1] == '\0')
		return;
	snprintf(i->name, sizeof(i->name), "%s", pw->pw_name);
	snprintf(i->home, sizeof(i->home), "%s", pw->pw_dir);
	n_invokers++;
}

void
invoker_remember(void)
{
	const char *sudo = getenv("SUDO_USER"), *doas = getenv("DOAS_USER");

	if (geteuid() != 0)
		return;
	remember_user(getpwuid(0));
	if (sudo != NULL)
		remember_user(getpwnam(sudo));
	if (doas != NULL)
		remember_user(getpwnam(doas));
}

/* Returns whether the character continues a file name. */
static bool
is_name_char(char ch)
{
	return isalnum((unsigned char)ch) || strchr("._-/", ch) != NULL;
}

static bool
has_path(const char *text, const char *path)
{
	const char *at;
	size_t len = strlen(path);

	for (at = text; (at = strstr(at, path)) != NULL; at += len)
		if ((at == text || !is_name_char(at[-1])) && (at[len] == '\0' || at[len] == '/' || !is_name_char(at[len])))
			return true;
	return false;
}

const char *
invoker_home_in(const char *text, const char *except)
{
	size_t i;

	for (i = 0; i < n_invokers; i++)
		if ((except == NULL || strcmp(invokers[i].name, except) != 0) && has_path(text, invokers[i].home))
			return invokers[i].name;
	return NULL;
}
